import itertools

import numpy as np
import pandas as pd
import pytest
from synthetic_inside import chosen_places, patch_effects

from rlprobe.analysis.patching import CROSSED, factorial, summarise
from rlprobe.settings import Reading

READING = Reading(resamples=200)
WHOLE = {"source": "same", "site": "residual", "layer": 1, "head": -1, "where": "0"}


def cell_of(summary, **key):
    return next(c for c in summary["cells"] if all(c[name] == value for name, value in {**WHOLE, **key}.items()))


def rows_of(effects, **key):
    wanted = {**WHOLE, **key}
    return effects[np.logical_and.reduce([effects[name] == value for name, value in wanted.items()])]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_share_is_a_ratio_of_means_forward_and_backward(sign):
    chosen = chosen_places()
    effects = patch_effects(chosen, sign=sign)
    summary = summarise(chosen, effects, READING)
    for key in ({}, {"source": "other"}, {"site": "head", "head": 1}, {"where": "earlier"}):
        rows = rows_of(effects, **key)
        rows = rows[rows["point"] < 6]
        moved, there = rows["gap_patched"] - rows["gap_host"], rows["gap_donor"] - rows["gap_host"]
        found = cell_of(summary, **key)["share"]
        assert found["value"] == pytest.approx(moved.sum() / there.sum())
        assert found["low"] < found["value"] < found["high"]


def test_what_restores_everything_is_one_and_what_does_nothing_is_zero():
    chosen = chosen_places()
    effects = patch_effects(chosen)
    everything = summarise(chosen, effects.assign(gap_patched=effects["gap_donor"]), READING)
    nothing = summarise(chosen, effects.assign(gap_patched=effects["gap_host"]), READING)
    assert all(c["share"]["value"] == pytest.approx(1) for c in everything["cells"])
    assert {c["share"]["value"] for c in nothing["cells"]} == {0}


def test_small_gaps_are_left_out_of_shares_and_counted():
    chosen = chosen_places()
    effects = patch_effects(chosen)
    effects.loc[effects["point"] == 2, "gap_donor"] = effects.loc[effects["point"] == 2, "gap_host"] + 0.01
    summary = summarise(chosen, effects, READING)
    assert summary["small_gaps"] == 1
    found = cell_of(summary)
    assert found["points"] == 6
    assert found["share"]["n_tokens"] == 5
    assert found["flips"]["n_tokens"] == 6


def test_flips_and_breaks_are_counted_where_they_can_happen():
    chosen = chosen_places()
    effects = patch_effects(chosen)
    unchanged = effects.index[effects["point"] >= 6]
    effects.loc[unchanged[0], "said_patched"] = 99
    summary = summarise(chosen, effects, READING)
    rows = rows_of(effects)
    differ = rows[rows["point"] < 6]
    assert cell_of(summary)["flips"]["value"] == pytest.approx((differ["said_patched"] == differ["said_donor"]).mean())
    broken = effects.loc[unchanged[0]]
    assert cell_of(summary, site=broken["site"], layer=broken["layer"])["breaks"]["value"] == pytest.approx(1 / 6)
    assert cell_of(summary, where="earlier")["breaks"]["value"] is None


def bounds_over_problems(rows, top, bottom=None):
    """The 2.5 and 97.5 % points of Σ top / Σ bottom (places, where none is named) over every resample of problems."""
    per = rows.assign(n=1.0).groupby("problem_id")[[top, bottom or "n"]].sum().to_numpy()
    picks = np.array(list(itertools.product(range(len(per)), repeat=len(per))))
    totals = per[picks].sum(axis=1)
    return np.quantile(totals[:, 0] / totals[:, 1], (0.025, 0.975))


@pytest.mark.parametrize("sign", [1, -1])
def test_what_a_patch_does_beyond_its_control_is_paired_place_by_place(sign):
    chosen = chosen_places(8)
    effects = patch_effects(chosen, sign=sign)
    summary = summarise(chosen, effects, Reading(resamples=20_000))
    for source, control in (("same", "other"), ("other", "other_host")):
        rows = rows_of(effects, source=source).merge(rows_of(effects, source=control), on="point", suffixes=("", "_c"))
        rows = rows.join(chosen["problem_id"], on="point")
        rows["moved"] = sign * (rows["gap_patched"] - rows["gap_patched_c"])
        rows["there"] = sign * (rows["gap_donor"] - rows["gap_host"])
        rows["more"] = (rows["said_patched"] == rows["said_donor"]) * 1.0 - (
            rows["said_patched_c"] == rows["said_donor"]
        )
        found = cell_of(summary, source=source)["minus_control"]
        assert (found["control"], found["points"]) == (control, 8)
        for name, ends in (("share", ("moved", "there")), ("flips", ("more", None))):
            ours = found[name]
            assert ours["value"] == pytest.approx(rows[ends[0]].sum() / (rows[ends[1]].sum() if ends[1] else 8))
            assert (ours["low"], ours["high"]) == pytest.approx(bounds_over_problems(rows, *ends), abs=0.03)


def test_a_control_over_fewer_places_is_compared_where_it_is_and_none_has_no_difference():
    chosen = chosen_places()
    effects = patch_effects(chosen)
    lacking = (effects["point"] == 0) & (effects["source"] == "other")
    summary = summarise(chosen, effects[~lacking], READING)
    found = cell_of(summary)["minus_control"]
    assert (found["points"], found["share"]["n_tokens"], found["flips"]["n_tokens"]) == (5, 5, 5)
    assert cell_of(summary, source="other_host")["minus_control"] is None
    assert cell_of(summary, where="earlier")["minus_control"] is None
    assert cell_of(summary, site="head", head=0)["minus_control"]["control"] == "other"


def test_a_patch_that_is_its_own_control_does_nothing_beyond_it_within_a_bound():
    chosen = chosen_places()
    effects = patch_effects(chosen)
    effects = effects.assign(said_patched=effects["said_donor"], gap_patched=effects["gap_donor"])
    found = cell_of(summarise(chosen, effects, READING))["minus_control"]
    assert found["share"]["value"] == 0
    assert found["flips"]["value"] == 0
    assert found["flips"]["low"] < 0 < found["flips"]["high"]
    assert "Clopper" in found["flips"]["method"]


def test_the_factorial_by_hand():
    chosen = pd.DataFrame({"problem_id": ["a", "b"]})
    rows = [(0, 3, -2.0, 1.0, 0.0, 5.0), (1, 3, -4.0, -1.0, 0.0, 7.0)]  # base; RL's residuals; RL's layers; RL
    found = factorial(chosen, pd.DataFrame(rows, columns=list(CROSSED)), READING)
    (at,) = found["boundaries"]
    assert (found["points"], found["problems"], at["layer"]) == (2, 2, 3)
    assert at["gaps"]["rl_under_base"]["value"] == pytest.approx(0.0)
    assert at["residual"]["value"] == pytest.approx(((3 + 5) / 2 + (3 + 7) / 2) / 2)
    assert at["layers"]["value"] == pytest.approx(((2 + 4) / 2 + (4 + 8) / 2) / 2)
    assert at["interaction"]["value"] == pytest.approx((2 + 4) / 2)
    assert at["whole"]["value"] == pytest.approx(at["residual"]["value"] + at["layers"]["value"])
    assert (at["interaction"]["low"], at["interaction"]["high"]) == (2, 4)  # over the two problems


def test_where_nothing_was_crossed_there_are_no_boundaries():
    nothing = factorial(pd.DataFrame({"problem_id": []}), pd.DataFrame(columns=list(CROSSED)), READING)
    assert nothing == {"points": 0, "problems": 0, "boundaries": []}
