"""The figures of `rlprobe intervene`: that they can be drawn, from what, and that every arm can be read."""

from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from synthetic_arms import ARMS, arm_tables, named_arms

from rlprobe.analysis.interventions import summarise
from rlprobe.arm_labels import ArmLabel
from rlprobe.decoding import arms as decoding
from rlprobe.reporting.drawing import ARM_COLOURS, corner_of, encode, render
from rlprobe.reporting.figures.intervene import FIGURES, WRITES
from rlprobe.settings import Reading

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
    assert all(ax.get_title() for ax in figure.axes if ax.get_visible() and ax.containers)


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
    again, read = mpl.figure.Figure(), pd.read_csv(tmp_path / "data.csv")
    FIGURES[name].draw(read, FIGURES[name].axes(read, again))
    for before, after in zip(figure.axes, again.axes, strict=True):
        for ours, theirs in zip(before.lines, after.lines, strict=True):
            np.testing.assert_allclose(np.array(ours.get_xydata(), float), np.array(theirs.get_xydata(), float))
        assert [line.get_color() for line in before.lines] == [line.get_color() for line in after.lines]


def test_the_main_figure_is_the_published_arms_and_their_controls_and_the_sweeps_are_in_the_other(full):
    main, dose = (render(FIGURES[name], full)[1] for name in ("interventions", "dose"))
    expected = ["oracle", "entropy(1.2)", "inverse(1.2)", "random", "resample", "matched"]
    assert main["arm"].tolist() == ["base", *expected, "rl"]
    assert set(main["arm"]) | set(dose["arm"]) == set(full["arms"])  # nobody looks for an arm in vain
    assert "entropy(1.2)" in set(dose["arm"])  # as a point of its sweep
    assert not {"oracle", "inverse(1.2)", "random", "resample"} & set(dose["arm"])


def test_a_listed_arm_that_was_asked_at_other_doses_only_is_shown_at_these():
    summary = made(modes=("oracle",))
    asked = {"entropy 0.6": summary["arms"]["oracle"] | {"mode": "entropy", "dose": 0.6}}
    asked |= {"kl 0.1": summary["arms"]["oracle"] | {"mode": "kl", "dose": 0.1}}
    assert FIGURES["interventions"].data(dict(summary, arms=asked))["arm"].tolist() == ["entropy 0.6"]
    assert FIGURES["dose"].data(dict(summary, arms=asked))["arm"].tolist() == ["kl 0.1"]


def test_the_dots_are_the_accuracies_and_the_paired_differences_with_their_own_intervals(full):
    figure, data = render(FIGURES["interventions"], full)
    left, right = figure.axes
    answers = [full["arms"][arm]["answers"]["last"] for arm in data["arm"]]
    dots = [container.lines[0] for container in left.containers]
    assert [dot.get_xdata().item() for dot in dots] == [found["accuracy"]["value"] for found in answers]
    assert [mpl.colors.to_hex(dots[i].get_color()).upper() for i in (0, -1)] == list(ARM_COLOURS.values())
    for end, container in zip(("base", "rl"), right.containers, strict=True):
        wanted = [found["against"][end] and found["against"][end]["difference"] for found in answers]
        for i, (test, segment) in enumerate(zip(wanted, container.lines[2][0].get_segments(), strict=True)):
            if test is None:
                assert np.isnan(container.lines[0].get_xdata()[i])
            elif full["arms"][data["arm"][i]]["identity"] == end:
                assert segment[:, 0].tolist() == [0, 0]
            else:
                np.testing.assert_allclose(segment[:, 0], (test["low"], test["high"]), atol=1e-12)


def test_every_row_says_what_it_took_and_an_identity_is_called_one(full):
    figure, data = render(FIGURES["interventions"], full)
    written = {text.get_text() for text in figure.axes[1].texts}
    for share in data["edited"].dropna():
        assert f"{100 * share:.2f} %" in written
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[1] == "oracle ≡ RL\nRL's token at all disagreements"


def test_the_names_of_the_rows_do_not_overlap(full):
    figure, data = render(FIGURES["interventions"], full)
    boxes = [label.get_window_extent() for label in figure.axes[0].get_yticklabels()]
    assert len(boxes) == len(data)
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))


def test_the_dose_figure_has_a_panel_a_family_through_its_edited_shares_in_their_order(full):
    figure, data = render(FIGURES["dose"], full)
    families = list(data[~data["arm"].isin(["base", "rl"])].groupby("family", sort=False))
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert len(panels) == len(families)
    for ax, (_, rows) in zip(panels, families, strict=True):
        rows = rows.sort_values("edited", kind="stable")
        line = ax.containers[0].lines[0]
        assert line.get_xdata().tolist() == rows["edited"].tolist()
        assert line.get_ydata().tolist() == rows["accuracy"].tolist()
        assert f"left to right: {', '.join(arm.removeprefix(rows['mode'].iloc[0]) for arm in rows['arm'])}" in (
            ax.get_title().replace("\n", " ")
        )


def test_arms_of_kinds_of_tokens_share_a_panel_and_are_not_joined():
    summary = made(modes=("oracle",))
    kinds = {f"only {kind}": summary["arms"]["oracle"] | {"mode": "only", "dose": None} for kind in ("digits", "stop")}
    kinds |= {"mine": summary["arms"]["oracle"] | {"mode": "mine", "dose": None}}
    figure, data = render(FIGURES["dose"], dict(summary, arms=kinds))
    assert dict(zip(data["arm"], data["family"], strict=True)) == {
        "only digits": "only",
        "only stop": "only",
        "mine": "mine",
    }
    of_kinds, alone = (ax for ax in figure.axes if ax.get_visible())
    assert of_kinds.get_title() == "edits of one kind alone\nleft to right: digits, stop"
    assert of_kinds.containers[0].lines[0].get_linestyle() == "None"
    assert alone.get_title() == "mine"


def test_a_panel_of_arms_backward_says_so_once_and_no_two_of_its_ticks_meet(full):
    table = FIGURES["dose"].data(full)
    table = table[table["mode"].isin(["base", "rl", "entropy", "first"])].reset_index(drop=True)
    backward = ~table["arm"].isin(["base", "rl"])
    for name in ("arm", "family"):
        table[name] = table[name].where(~backward, table[name] + " backward")
    table.loc[backward, "edited"] = [0.0001, 0.0032, 0.0052, 0.0084, 0.0108, 0.0118, 0.0159, 0.016]
    figure, _ = render(replace(FIGURES["dose"], data=lambda table: table), table)
    figure.draw_without_rendering()
    for ax in (ax for ax in figure.axes if ax.get_visible()):
        assert ax.get_title().count("backward") == 1
        ends = [label.get_window_extent().intervalx for label in ax.get_xticklabels() if label.get_text()]
        assert all(left[1] < right[0] for left, right in pairwise(sorted(map(tuple, ends))))
        assert len(ends) > 1


def test_the_corner_says_which_pair_which_data_and_how_many(full):
    about = {"pair": "my/base / my/rl", "base": "/a/b/my/base", "rl": "my/rl+x", "dataset": "sums"}
    summary = full | {"about": about, "problems": {"asked": 32, "left_out": {"a": "", "b": ""}}}
    corner = corner_of(summary, FIGURES["dose"].counted)
    figure, _ = render(FIGURES["dose"], summary, corner=corner)
    (written,) = (text for text in figure.findobj(mpl.text.Text) if text.get_text() == corner)
    assert corner.startswith("my/base and my/rl+x  ·  sums  ·  30 problems  ·  ")
    assert all(written.get_window_extent().y1 <= ax.get_tightbbox().y0 for ax in figure.axes if ax.get_visible())


def test_shares_that_span_a_lot_get_a_logarithmic_axis_that_still_holds_0(full):
    assert render(FIGURES["dose"], full)[0].axes[0].get_xscale() == "linear"
    wide = dict(full, arms={title: dict(arm) for title, arm in full["arms"].items()})
    for title, share in (("dose(0)", 0.0), ("first(1)", 0.0001), ("inverse(1.2)", 0.4)):
        wide["arms"][title]["edited"] = dict(wide["arms"][title]["edited"], value=share)
    ax = render(FIGURES["dose"], wide)[0].axes[0]
    assert ax.get_xscale() == "symlog"
    assert ax.get_xlim()[0] == 0
    assert 0 in ax.get_xticks()


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
def test_the_colour_of_a_point_says_what_its_arm_writes(writer, kind):
    spec = decoding.Arm(decoding.entropy_above(1.2) & decoding.budget(3), writer).spec
    arms = [ArmLabel(name="mine", mode="gate", label="mine", spec=spec)]
    rollouts, grades = arm_tables(problems=6)
    mine = [table[table["arm"] == "rl"].assign(arm="mine") for table in (rollouts, grades)]
    both = [pd.concat(tables, ignore_index=True) for tables in zip((rollouts, grades), mine, strict=True)]
    data = FIGURES["dose"].data(summarise(*both, arms, Reading(resamples=100)))
    assert data.set_index("arm").loc["mine", "writes"] == kind
    assert kind in WRITES
