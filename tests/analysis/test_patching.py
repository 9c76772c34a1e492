import numpy as np
import pytest
from synthetic_inside import chosen_places, patch_effects

from rlprobe.analysis.classes import Reading
from rlprobe.analysis.patching import summarise

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
