"""The figures of `rlprobe intervene`: that they can be drawn, from what, and that every arm can be read."""

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic_arms import ARMS, arm_tables, named_arms

from rlprobe.analysis.classes import Reading
from rlprobe.analysis.interventions import NamedArm, summarise
from rlprobe.decoding import arms as decoding
from rlprobe.reporting.drawing import ARM_COLOURS, encode, render
from rlprobe.reporting.intervene.figures import FIGURES, WRITES

CASES = {
    "everything": {"modes": tuple(ARMS)},
    "the default": {"modes": ("oracle", "random", "entropy")},
    "only the ends": {},
    "one problem": {"modes": ("oracle", "random"), "problems": 1},
    "base alone": {"ends": ("base",)},
}


def made(modes=(), problems=30, **more):
    arms = named_arms(modes)
    return summarise(*arm_tables(arms, problems=problems, **more), arms, Reading(resamples=100))


@pytest.fixture(scope="module")
def full():
    return made(modes=tuple(ARMS))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_drawn(name, case):
    figure, data = render(FIGURES[name], made(**case))
    assert {"base", "rl"} <= set(data["arm"])
    assert all(ax.get_xlabel() and ax.get_title() for ax in figure.axes)


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_to_the_byte_each_time_and_leaves_no_trace(name, full):
    before = dict(mpl.rcParams)
    one, other = (render(FIGURES[name], full)[0] for _ in range(2))
    assert encode(one, "png") == encode(other, "png")
    assert encode(one, "pdf") == encode(other, "pdf")
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_can_be_drawn_again_from_its_csv(name, full, tmp_path):
    figure, data = render(FIGURES[name], full)
    data.to_csv(tmp_path / "data.csv", index=False)
    again = mpl.figure.Figure()
    axes = list(again.subplots(1, FIGURES[name].panels, squeeze=False)[0])
    FIGURES[name].draw(pd.read_csv(tmp_path / "data.csv"), axes)
    for before, after in zip(figure.axes, again.axes, strict=True):
        for ours, theirs in zip(before.lines, after.lines, strict=True):
            np.testing.assert_allclose(np.array(ours.get_xydata(), float), np.array(theirs.get_xydata(), float))
        for ours, theirs in zip(before.patches, after.patches, strict=True):
            assert ours.get_facecolor() == theirs.get_facecolor()


def test_the_bars_begin_with_base_and_end_with_rl_and_are_as_long_as_the_accuracies(full):
    figure, data = render(FIGURES["interventions"], full)
    assert data["arm"].tolist()[:2] == ["base", "oracle"]
    assert data["arm"].iloc[-1] == "rl"
    assert data["mode"].drop_duplicates().tolist()[1:6] == ["oracle", "entropy", "inverse", "random", "resample"]
    bars = figure.axes[0].patches
    expected = [full["arms"][arm]["answers"]["last"]["accuracy"]["value"] for arm in data["arm"]]
    assert [bar.get_width() for bar in bars] == expected
    assert mpl.colors.to_hex(bars[0].get_facecolor()).upper() == ARM_COLOURS["base"]
    assert mpl.colors.to_hex(bars[-1].get_facecolor()).upper() == ARM_COLOURS["rl"]


def test_every_bar_says_what_it_took_and_an_identity_is_called_one(full):
    figure, data = render(FIGURES["interventions"], full)
    written = {text.get_text() for text in figure.axes[0].texts}
    for share in data["edited"].dropna():
        assert f"{100 * share:.2f} %" in written
    assert "oracle ≡ RL" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_the_names_of_many_bars_do_not_overlap(full):
    figure, _ = render(FIGURES["interventions"], full)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == len(full["arms"]) == 25
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))


def test_the_dose_figure_has_a_line_a_sweep_through_its_edited_shares_and_a_marker_for_the_others(full):
    figure, data = render(FIGURES["dose"], full)
    panels = [
        {
            handle.get_label(): handle.lines[0]
            for handle in ax.get_legend_handles_labels()[0]
            if hasattr(handle, "lines")
        }
        for ax in figure.axes
    ]
    lines = panels[0] | panels[1]
    for family, rows in data[~data["arm"].isin(["base", "rl"])].groupby("family"):
        assert family in panels[len(rows) == 1]
        assert lines[family].get_xdata().tolist() == rows["edited"].tolist()
        assert lines[family].get_ydata().tolist() == rows["accuracy"].tolist()
        assert (lines[family].get_linestyle() == "None") == (len(rows) == 1)
    assert len({(line.get_color(), line.get_marker()) for line in lines.values()}) == len(lines)


def test_shares_that_span_a_lot_get_a_logarithmic_axis_that_still_holds_0(full):
    assert render(FIGURES["dose"], full)[0].axes[0].get_xscale() == "linear"
    wide = dict(full, arms={title: dict(arm) for title, arm in full["arms"].items()})
    for title, share in (("dose(0)", 0.0), ("first(1)", 0.0001), ("inverse(1.2)", 0.4)):
        wide["arms"][title]["edited"] = dict(wide["arms"][title]["edited"], value=share)
    ax = render(FIGURES["dose"], wide)[0].axes[0]
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] == 0
    assert "0 %" in [label.get_text() for label in ax.get_xticklabels()]


@pytest.mark.parametrize(
    ("writer", "kind"),
    [
        (decoding.donor_argmax(), "donor"),
        (decoding.donor_in_host_top(5), "donor"),
        (decoding.mix(0.5), "mix"),
        (decoding.host_random(20), "other"),
        (decoding.host_sample(), "other"),
    ],
)
def test_the_colour_of_a_bar_says_what_its_arm_writes(writer, kind):
    spec = decoding.Arm(decoding.entropy_above(1.2) & decoding.budget(3), writer).spec
    arms = [NamedArm(name="mine", mode="gate", label="mine", spec=spec)]
    rollouts, grades = arm_tables(problems=6)
    mine = [table[table["arm"] == "rl"].assign(arm="mine") for table in (rollouts, grades)]
    both = [pd.concat(tables, ignore_index=True) for tables in zip((rollouts, grades), mine, strict=True)]
    data = FIGURES["interventions"].data(summarise(*both, arms, Reading(resamples=100)))
    assert data.set_index("arm").loc["mine", "writes"] == kind
    assert kind in WRITES
