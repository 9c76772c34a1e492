"""The tables, figures and texts of `rlprobe lens`, `rlprobe patch` and `rlprobe steer`."""

import json
from io import StringIO

import pytest
from rich.console import Console
from synthetic_inside import chosen_places, crossed_gaps, lens_readings, patch_effects, steered_responses

from rlprobe.analysis import lens, patching, steering
from rlprobe.reporting import lens as lens_report
from rlprobe.reporting import patch as patch_report
from rlprobe.reporting import steer as steer_report
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.figures.patch import SITES
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import Reading

READING = Reading(resamples=200)
CHOICE = {"kind": "disagreement", "points": 200, "trajectory": "base"}


def lens_summary():
    chosen = chosen_places()
    return {"choice": CHOICE, **lens.summarise(chosen, *lens_readings(chosen), READING)}


def patch_summary(layers=3, heads=2, host="base"):
    chosen = chosen_places()
    effects = patch_effects(chosen, layers, heads, sign=1 if host == "base" else -1)
    crossed = patching.factorial(chosen, crossed_gaps(chosen, layers), READING)
    told = {"layers": layers, "heads": heads, "factorial": crossed, **patching.summarise(chosen, effects, READING)}
    return {"patches": {"host": host}, **told}


def steer_summary(*wheres):
    how = {"layer": 2, "directions": 2, "tau": 0.6}
    direction = {"points": 9, "problems": 8, "norm": 1.0, "residual_norm": 10.0}
    responses = steered_responses()
    if wheres:
        responses = responses[responses["where"].isin(["own", *wheres])]
    return {"steering": how, "direction": direction, **steering.summarise(responses, responses, READING)}


KINDS = {
    "lens": (lens_summary, lens_report.TABLES, lens_report.FIGURES, lens_report.show),
    "patch": (patch_summary, patch_report.TABLES, patch_report.FIGURES, patch_report.show),
    "patch backward": (lambda: patch_summary(host="rl"), patch_report.TABLES, patch_report.FIGURES, patch_report.show),
    "patch, deep": (lambda: patch_summary(30, 16), patch_report.TABLES, patch_report.FIGURES, patch_report.show),
    "patch, no heads": (lambda: patch_summary(heads=0), patch_report.TABLES, patch_report.FIGURES, patch_report.show),
    "steer": (steer_summary, steer_report.TABLES, steer_report.FIGURES, steer_report.show),
    "steer, one way": (
        lambda: steer_summary("uncertain"),
        steer_report.TABLES,
        steer_report.FIGURES,
        steer_report.show,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_every_table_figure_and_text_is_made_of_a_summary_that_json_can_hold(kind):
    make, tables, figures, show = KINDS[kind]
    summary = json.loads(json.dumps(make(), allow_nan=False))
    for table in tables.values():
        frame = table(summary)
        assert all(text(frame) for text in FORMATS.values())
    for drawing in figures.values():
        figure, _ = render(drawing, summary)
        assert encode(figure, "png").startswith(b"\x89PNG")
    console = Console(width=80, record=True, file=StringIO())
    console.print(show(summary))
    assert "interval over problems" in console.export_text()


def test_the_figures_show_what_the_tables_say():
    summary = patch_summary()
    data = patch_report.FIGURES["patching"].data(summary)
    table = patch_report.TABLES["patching"](summary)
    share = next(
        row["share minus control"].value
        for row in table.to_dict("records")
        if (row["activation from"], row["put in at"], row["site"], row["layer"])
        == ("same place", "decision point", "mlp", 1)
    )
    shown = data[(data["panel"] == "share") & (data["row"] == "MLP") & (data["column"] == 1)]
    assert shown["value"].item() == share


def test_a_patch_that_flips_more_than_its_control_has_a_star_and_its_difference_a_column():
    summary = patch_summary()
    data = patch_report.FIGURES["patching"].data(summary).set_index(["panel", "row", "column"])
    for row in patch_report.TABLES["patching"](summary).to_dict("records"):
        site = SITES[row["site"]]
        if (row["activation from"], row["put in at"]) == ("same place", "decision point"):
            assert row["control"] == "another problem"
            for panel in ("flips", "share"):
                assert data.loc[(panel, site, row["layer"]), "beyond"] == (row[f"{panel} minus control"].low > 0)
        assert (row["control"] is None) == (row["share minus control"].value is None)
    heads = patch_report.TABLES["heads"](summary)
    assert len(heads) == 3 * 2
    assert all(cell.value is not None for cell in heads["flips minus control"])


def test_no_share_is_drawn_without_its_control_taken_off():
    summary = patch_summary()
    for cell in summary["cells"]:
        cell["minus_control"] = None
    for name in ("patching", "heads"):
        data = patch_report.FIGURES[name].data(summary)
        assert data.loc[data["panel"] == "share", "value"].isna().all()


def test_the_factorials_figure_and_table_say_the_same():
    summary = patch_summary()
    data, table = patch_report.FIGURES["factorial"].data(summary), patch_report.TABLES["factorial"](summary)
    assert table["boundary"].tolist() == ["after layer 0", "after layer 1", "after layer 2"]
    for what, column in patch_report.CONTRASTS.items():
        assert data.loc[data["what"] == what, "value"].tolist() == [cell.value for cell in table[column]]
    assert patch_report.TABLES["factorial"]({**summary, "factorial": None}).empty


def test_the_steering_figure_holds_every_arm_of_the_table():
    summary = steer_summary()
    data, table = steer_report.FIGURES["steering"].data(summary), steer_report.TABLES["steering"](summary)
    assert data["value"].tolist() == [cell.value for cell in table["accuracy"]]
    figure, _ = render(steer_report.FIGURES["steering"], steer_summary("uncertain"))
    assert [ax.axison for ax in figure.axes] == [False, True]


def test_the_residual_stream_before_any_layer_is_called_the_embedding():
    names = lens_report.TABLES["lens"](lens_summary())["after"].tolist()
    assert names[:4] == ["embedding", "layer 0", "layer 1", "layer 2"]
