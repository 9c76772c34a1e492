import numpy as np
import pytest
from synthetic_inside import chosen_places, lens_readings

from rlprobe.analysis.lens import summarise
from rlprobe.settings import Reading

READING = Reading(resamples=200)


@pytest.fixture(scope="module")
def read():
    chosen = chosen_places()
    return chosen, *lens_readings(chosen)


def test_first_and_settled_depths_are_those_found_place_by_place(read):
    chosen, by_depth, crossed = read
    found = summarise(chosen, by_depth, crossed, READING)["choices"]
    for group in ("disagreement", "unchanged"):
        for model in ("base", "rl"):
            first, settled = [], []
            for i in np.flatnonzero(chosen["group"] == group):
                rows = by_depth[(by_depth["point"] == i) & (by_depth["model"] == model)].sort_values("depth")
                own = (rows["leading"] == rows["leading"].iloc[-1]).tolist()
                first.append(own.index(True))
                settled.append(next(d for d in range(len(own)) if all(own[d:])))
            entry = found[group][model]
            assert entry["first"]["mean"]["value"] == pytest.approx(np.mean(first))
            assert entry["settled"]["mean"]["value"] == pytest.approx(np.mean(settled))
            assert entry["settled"]["counts"] == np.bincount(settled, minlength=4).tolist()


def test_at_the_last_depth_every_choice_leads_and_the_interval_is_not_a_point(read):
    summary = summarise(*read, READING)
    last = summary["depths"]["disagreement"]["rl"][-1]
    assert last["depth"] == summary["layers"] == 3
    assert last["settled"]["value"] == 1
    assert last["settled"]["low"] < 1


def test_logprobs_are_means_over_places(read):
    chosen, by_depth, _ = read
    entry = summarise(*read, READING)["depths"]["unchanged"]["base"][1]
    rows = by_depth[(by_depth["model"] == "base") & (by_depth["depth"] == 1)]
    expected = rows.loc[rows["point"].isin(np.flatnonzero(chosen["group"] == "unchanged")), "logprob_of_rl"].mean()
    assert entry["logprob_of_rl"]["value"] == pytest.approx(expected)


def test_crossed_shares_count_whose_choice_comes_out_at_disagreements(read):
    chosen, _, crossed = read
    differ = np.flatnonzero(chosen["group"] == "disagreement")
    for entry in summarise(*read, READING)["crossed"]:
        rows = crossed[(crossed["trunk"] == entry["trunk"]) & (crossed["readout"] == entry["readout"])]
        said = rows.loc[rows["point"].isin(differ), "leading"]
        assert entry["rl_choice"]["value"] == pytest.approx((said == 2).mean())
        assert entry["base_choice"]["value"] == pytest.approx((said == 1).mean())


def test_another_argmax_than_the_runs_is_counted(read):
    chosen, by_depth, crossed = read
    changed = by_depth.copy()
    changed.loc[(changed["point"] == 0) & (changed["model"] == "base") & (changed["depth"] == 3), "leading"] = 9
    assert summarise(chosen, by_depth, crossed, READING)["other_argmax"] == {"base": 0, "rl": 0}
    assert summarise(chosen, changed, crossed, READING)["other_argmax"] == {"base": 1, "rl": 0}


def test_without_unchanged_places_their_numbers_are_missing_with_a_reason():
    chosen = chosen_places()
    chosen = chosen[chosen["group"] == "disagreement"].reset_index(drop=True)
    summary = summarise(chosen, *lens_readings(chosen), READING)
    mean = summary["choices"]["unchanged"]["base"]["first"]["mean"]
    assert mean["value"] is None
    assert mean["reason"]
