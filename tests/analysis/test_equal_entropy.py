"""The search for a temperature on entropies known in closed form, and the comparison against plain means."""

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.equal_entropy import TOLERANCE, compared, search
from rlprobe.settings import Reading

LOGITS = np.random.default_rng(0).normal(0, 3, 50)


def entropy_at(temperature):
    p = np.exp(LOGITS / temperature - (LOGITS / temperature).max())
    p /= p.sum()
    return float(-(p * np.log(p)).sum())


@pytest.mark.parametrize("true", [0.31, 0.8, 1.0, 1.7, 3.3])
def test_the_temperature_is_found_to_within_the_tolerance_and_no_more_is_decoded_than_was_said(true):
    asked = []
    found = search(entropy_at(true), lambda t: asked.append(t) or entropy_at(t), most=8)
    assert found.reason is None
    assert found.decodes == len(asked) <= 8
    assert found.reached == entropy_at(found.temperature)
    assert abs(found.reached - found.wanted) <= TOLERANCE * found.wanted
    assert found.temperature == pytest.approx(true, rel=0.05)


def test_an_entropy_out_of_reach_is_absent_with_a_reason_and_what_came_nearest():
    found = search(2 * entropy_at(100), entropy_at, most=8)
    assert (found.temperature, found.reached) == (None, entropy_at(4))
    assert "no temperature" in found.reason
    few = search(entropy_at(0.31), entropy_at, most=1)
    assert (few.temperature, few.decodes) == (None, 1)
    assert "after 1 decodes" in few.reason


def test_an_arm_and_rl_are_compared_on_the_problems_on_which_both_have_verdicts():
    rng = np.random.default_rng(1)
    rows = [
        (arm, f"q{i}", draw, rng.choice(["correct", "wrong"]))
        for arm in ("arm", "rl")
        for i in range(12)
        for draw in range(2)
        if not (arm == "rl" and i == 3)
    ]
    grades = pd.DataFrame(rows, columns=["arm", "problem_id", "draw", "status_last"])
    found = compared(grades, "arm", "rl", Reading(resamples=100))
    right = {arm: [r[3] == "correct" for r in rows if r[0] == arm and r[1] != "q3"] for arm in ("arm", "rl")}
    assert found["problems"] == 11
    assert found["accuracy"].value == pytest.approx(np.mean(right["arm"]))
    assert found["accuracy_rl"].value == pytest.approx(np.mean(right["rl"]))
    assert found["difference"].value == pytest.approx(np.mean(right["arm"]) - np.mean(right["rl"]))
    assert found["difference"].low <= found["difference"].value <= found["difference"].high
    nothing = compared(grades[:0], "arm", "rl", Reading())
    assert (nothing["difference"].value, nothing["p_value"], nothing["problems"]) == (None, None, 0)
