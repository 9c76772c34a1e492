"""What `rlprobe signals` shows: tables, figure and text from synthetic points, whole and with points missing."""

from dataclasses import asdict
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from rich.console import Console
from synthetic_arms import arm_tables, named_arms

from rlprobe.analysis.calibration import Calibrated, Tried
from rlprobe.analysis.signals import Edited, Evaluated, Point, Search, calibration, compare
from rlprobe.analysis.statistics import Clusters, auroc
from rlprobe.measures.learned import FEATURES, Learned
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.signals import (
    FIGURES,
    PRESET_FIGURES,
    REPLACED_FIGURES,
    REPLACED_TABLES,
    REPORTS,
    TABLES,
    show,
)
from rlprobe.settings import Reading

READING = Reading(resamples=100)
AN_INTERVAL = {"value": 0.5, "low": 0.4, "high": 0.6}
EQUAL_ENTROPY = [
    {"threshold": -0.3, "arm": "a", "rl": "r", "wanted": 0.2, "temperature": 0.8, "reached": 0.201, "decodes": 3}
    | {"reason": None, "entropy": 0.21, "entropy_rl": 0.19, "problems": 7, "p_value": 0.03}
    | dict.fromkeys(("accuracy", "accuracy_rl", "difference"), AN_INTERVAL),
    {"threshold": -0.4, "arm": "b", "rl": None, "wanted": 0.3, "temperature": None, "reached": 0.1, "decodes": 8}
    | {"reason": "it is out of reach", "entropy": None, "entropy_rl": None},
]
SCORES = np.random.default_rng(0).random(90)
CLUSTERS = Clusters(np.repeat(np.arange(9), 10), 9)
LEARNED = Learned((1.0,) * 8, (0.5,) * 8, tuple(range(8)), -3.0)
THINNED = "RL's edits, thinned"  # a gate that fires by chance


def made(signals=("delta", "entropy", "random"), preset=None, sampling=None, equal="edits"):
    """A summary with some of the points: entropy has no 10 %."""
    dose, entropy = ({arm.dose: arm for arm in named_arms((mode,))} for mode in ("dose", "entropy"))
    points = [Point("delta", -1.0, 0.1, (dose[0.1],)), Point("delta", -0.5, 0.5, (dose[0.5],))]
    points += [Point("entropy", 1.2, 0.5, (entropy[1.2],)), Point("random", 0.1, 0.1, tuple(named_arms(("random",))))]
    points = [point for point in points if point.signal in signals]
    oracles = named_arms(("oracle",))
    tables = arm_tables([*oracles, *(arm for point in points for arm in point.arms)], problems=30)
    tried = Tried(4, 1.2, 0.012)
    found = {0.1: Calibrated(0.002, None, tried, 3, "the strictest threshold edits more")}
    found |= {0.5: Calibrated(0.012, 1.2, tried, 1)}
    search = Search("entropy", found, [tried], {1.2: Edited(1000, 50, 12)})
    return {
        **compare(Evaluated(*tables, oracles, points, equal), READING),
        "equal": equal,
        "calibration": None if preset else calibration([search], Edited(1000, 24, 24)),
        "split": None if preset else {"rule": "", "calibration": ["a", "b"], "evaluation": ["c"]},
        "preset": preset,
        "equal_entropy": EQUAL_ENTROPY if preset else [],
        "sampling": sampling,
        "draws": 2 if sampling else 1,
        "signals": list(signals),
        "learned": None if preset else asdict(LEARNED) | {"features": FEATURES},
        "detection": {}
        if preset
        else {s: asdict(auroc(SCORES, SCORES > 0.7, CLUSTERS, READING.resampling)) for s in signals},
    }


def shown(summary):
    """The report at 80 columns."""
    console = Console(width=80, file=StringIO())
    console.print(show(summary))
    return console.file.getvalue()


CASES = {
    "everything": {},
    "one signal": {"signals": ("delta",)},
    "no point at all": {"signals": ()},
    "equal replacement": {"equal": "replaced"},
    "sampled": {"sampling": {"temperature": 1.0, "top_p": 0.7}},
    "preset": {"preset": "dir", "sampling": {"temperature": 1.0, "top_p": 0.7}},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_everything_can_be_written_and_shown(case):
    summary = made(**case)
    tables, figures = REPORTS["preset" if summary["preset"] else f"equal-{summary['equal']}"]
    for table in tables.values():
        for write in FORMATS.values():
            assert "nan" not in write(table(summary)).lower()
    for drawing in figures.values():
        figure, data = render(drawing, summary)
        assert encode(figure, "png") == encode(render(drawing, summary)[0], "png")
        assert {"base", "rl", "oracle"} <= set(data["arm"])
    assert all(len(line) <= 80 for line in shown(summary).splitlines())


def test_the_results_stand_between_the_ends_with_what_was_really_edited():
    summary = made()
    table = TABLES["equal-edits"](summary)
    assert table["signal"].tolist() == ["base", "oracle", "delta", "delta", "entropy", THINNED, "RL"]
    assert table["target"].tolist() == [None, None, "10 %", "50 %", "50 %", "10 %", None]
    row = table[table["signal"] == "entropy"].iloc[0]
    arm = summary["arms"]["entropy(1.2)"]
    assert row["edited"].value == arm["edited"]["value"]
    assert row["realised"].value == pytest.approx(arm["edited"]["value"] / summary["arms"]["oracle"]["edited"]["value"])
    assert row["accuracy"].value == arm["answers"]["last"]["accuracy"]["value"]


def test_a_difference_stands_beside_the_doses_of_both():
    summary = made()
    table = TABLES["signal-differences"](summary)
    assert table[["first", "other", "target"]].to_numpy().tolist() == [
        ["delta", "entropy", "50 %"],
        ["delta", THINNED, "10 %"],
        ["delta", "entropy", "mean of all"],
        ["delta", THINNED, "mean of all"],
        ["entropy", THINNED, None],
    ]
    first, doses = table.iloc[0], {point["title"]: point["dose"]["value"] for point in summary["points"]}
    assert first["realised by first"].value == doses["dose(0.5)"]
    assert first["realised by other"].value == doses["entropy(1.2)"]
    assert first["compared at"].value == summary["differences"][0]["at"][0] <= 0.5
    assert first["p corrected"].value >= first["p"].value


def test_an_absent_target_has_no_numbers_but_a_reason_and_the_nearest_rate():
    absent, reached = TABLES["signal-calibration"](made()).to_dict("records")
    assert absent["threshold"] is None
    assert (str(absent["edited there"]), str(absent["gated there"])) == ("–", "–")
    assert absent["absent because"] == "the strictest threshold edits more"
    assert absent["nearest"].value == 0.012
    assert (reached["threshold"], reached["edited there"].value, reached["absent because"]) == ("1.2", 0.012, None)


def test_detection_and_what_was_learned_have_a_table():
    summary = made(("delta", "learned"))
    told = TABLES["signal-detection"](summary)
    assert told[["signal", "made of"]].to_numpy().tolist() == [["delta", "both models"], ["learned", "the host alone"]]
    assert told["AUROC"].iloc[0].value == 1
    weights = TABLES["signal-learned"](summary)
    assert weights["feature"].tolist() == [*(f.replace("_", " ") for f in FEATURES), "intercept"]
    assert [cell.value for cell in weights["log-odds per deviation"]] == [*range(8), -3]
    assert TABLES["signal-learned"](made() | {"learned": None}).empty


def test_the_terminal_names_what_is_absent():
    said = shown(made())
    assert "AUROC: delta 1.000" in " ".join(said.split())
    assert "Absent: entropy at 10 %: the strictest threshold edits more." in said
    assert "delta - entropy" in said


def test_the_figure_has_a_panel_a_signal_through_what_was_really_edited_with_intervals_both_ways():
    summary = made()
    figure, data = render(FIGURES["equal-edits"], summary)
    words = [text.get_text() for text in figure.findobj(Text)]
    assert words.count("Accuracy at equal edits, the base decodes, greedy") == 1, "said once, over all panels"
    assert any("faint lines: the doses that were asked for" in each for each in words)
    panels = {ax.get_title(): ax for ax in figure.axes}
    assert list(panels) == ["Δ log p", "entropy", THINNED]
    points = data[data["signal"] == "delta"].sort_values("dose_value")
    (drawn,) = panels["Δ log p"].containers
    line, _, bars = drawn.lines
    np.testing.assert_allclose(line.get_xdata().astype(float), points["dose_value"])
    np.testing.assert_allclose(line.get_ydata().astype(float), points["accuracy_value"])
    assert len(bars) == 2
    ends = np.array(list(bars[0].get_segments()))  # (points, 2 ends, xy)
    np.testing.assert_allclose(ends[:, :, 0], points[["dose_low", "dose_high"]])


def test_the_panels_have_one_scale_and_a_preset_names_its_thresholds_in_their_order():
    figure, _ = render(FIGURES["equal-edits"], made())
    assert len({(*ax.get_xlim(), *ax.get_ylim()) for ax in figure.axes}) == 1
    figure, data = render(PRESET_FIGURES["preset"], made(preset="dir"))
    points = data[data["signal"] == "delta"].sort_values("edited_value")
    order = ", ".join(f"{threshold:g}" for threshold in points["threshold"])
    assert f"left to right: {order}" in figure.axes[0].get_title().replace("\n", " ")


def test_at_equal_replacement_a_dose_is_what_the_gate_fired_on_no_ops_counted():
    summary = made(equal="replaced")
    table = REPLACED_TABLES["equal-replaced"](summary)
    row = table[table["signal"] == "entropy"].iloc[0]
    assert row["dose"] == "tokens replaced, no-ops counted, of all tokens"
    assert row["realised"].value == row["gated"].value == summary["arms"]["entropy(1.2)"]["gated"]["value"]
    _, data = render(REPLACED_FIGURES["equal-replaced"], summary)
    points = data[data["target"].notna()]
    np.testing.assert_allclose(points["dose_value"], points["gated_value"])
    assert "gated wanted" in REPLACED_TABLES["signal-calibration-replaced"](summary)
    assert "no-ops counted" in shown(summary)


def test_a_gate_that_fires_by_chance_is_called_what_it_lets_through():
    lines = shown(made()).splitlines()
    assert any(line.startswith(THINNED) for line in lines)
    assert not any("random" in line for line in lines if "AUROC" not in line and "signal-detection" not in line)


def test_the_figure_can_be_drawn_again_from_its_csv(tmp_path):
    figure, data = render(FIGURES["equal-edits"], made())
    data.to_csv(tmp_path / "data.csv", index=False)
    read, again = pd.read_csv(tmp_path / "data.csv"), Figure()
    FIGURES["equal-edits"].draw(read, FIGURES["equal-edits"].axes(read, again))
    for before, after in zip(figure.axes, again.axes, strict=True):
        for ours, theirs in zip(before.lines, after.lines, strict=True):
            np.testing.assert_allclose(np.array(ours.get_ydata(), float), np.array(theirs.get_ydata(), float))
