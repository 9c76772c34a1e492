"""The tables, figures and texts of `rlprobe lens`, `rlprobe patch` and `rlprobe steer`."""

import json
from io import StringIO

import pytest
from rich.console import Console
from synthetic_inside import chosen_places, lens_readings, patch_effects, steered_responses

from rlprobe.analysis import lens, patching, steering
from rlprobe.analysis.classes import Reading
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.lens import figures as lens_figures
from rlprobe.reporting.lens import tables as lens_tables
from rlprobe.reporting.lens import text as lens_text
from rlprobe.reporting.patch import figures as patch_figures
from rlprobe.reporting.patch import tables as patch_tables
from rlprobe.reporting.patch import text as patch_text
from rlprobe.reporting.steer import tables as steer_tables
from rlprobe.reporting.steer import text as steer_text

READING = Reading(resamples=200)
CHOICE = {"kind": "disagreement", "points": 200, "trajectory": "base"}


def lens_summary():
    chosen = chosen_places()
    return {"choice": CHOICE, **lens.summarise(chosen, *lens_readings(chosen), READING)}


def patch_summary(layers=3, heads=2, host="base"):
    chosen = chosen_places()
    effects = patch_effects(chosen, layers, heads, sign=1 if host == "base" else -1)
    return {"patches": {"host": host}, "layers": layers, "heads": heads, **patching.summarise(chosen, effects, READING)}


def steer_summary():
    how = {"layer": 2, "directions": 2, "tau": 0.6}
    direction = {"points": 9, "problems": 8, "norm": 1.0, "residual_norm": 10.0}
    return {"steering": how, "direction": direction, **steering.summarise(steered_responses(), READING)}


KINDS = {
    "lens": (lens_summary, lens_tables.TABLES, lens_figures.FIGURES, lens_text.show),
    "patch": (patch_summary, patch_tables.TABLES, patch_figures.FIGURES, patch_text.show),
    "patch backward": (lambda: patch_summary(host="rl"), patch_tables.TABLES, patch_figures.FIGURES, patch_text.show),
    "patch, deep": (lambda: patch_summary(30, 16), patch_tables.TABLES, patch_figures.FIGURES, patch_text.show),
    "patch, no heads": (lambda: patch_summary(heads=0), patch_tables.TABLES, patch_figures.FIGURES, patch_text.show),
    "steer": (steer_summary, steer_tables.TABLES, {}, steer_text.show),
}


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
    data = patch_figures.FIGURES["patching"].data(summary)
    table = patch_tables.patching_table(summary)
    share = next(
        row["share of the gap"].value
        for row in table.to_dict("records")
        if (row["activation from"], row["put in at"], row["site"], row["layer"])
        == ("same place", "decision point", "mlp", 1)
    )
    shown = data[(data["panel"] == "share") & (data["row"] == "MLP") & (data["column"] == 1)]
    assert shown["value"].item() == share


def test_the_residual_stream_before_any_layer_is_called_the_embedding():
    names = lens_tables.lens_table(lens_summary())["after"].tolist()
    assert names[:4] == ["embedding", "layer 0", "layer 1", "layer 2"]
