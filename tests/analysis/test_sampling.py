"""pass@k and what sampling shows, each number by another road: enumeration, fractions, counting by hand."""

import json
from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.sampling import pass_at_k, sizes, summarise
from rlprobe.settings import Reading

READING = Reading(resamples=200)
STATUS = {"c": "correct", "w": "wrong", "-": None}


def drawn(**words):
    """(rollouts, grades): for each model one word a problem, a letter a draw: c(orrect), w(rong), - (no verdict)."""
    rows = [
        {"arm": arm, "problem_id": f"p{i}", "draw": draw, "letter": letter}
        for arm, problems in words.items()
        for i, word in enumerate(problems)
        for draw, letter in enumerate(word)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "problem_id", "draw", "letter"])
    rollouts = frame.assign(
        response_ids=[[1, 2, 3]] * len(frame), logprobs=[[-0.5, -1.0, 0.0]] * len(frame), stop="eos"
    )
    grades = frame.assign(status_last=frame["letter"].map(STATUS), status_first="wrong")
    return rollouts.drop(columns="letter"), grades.drop(columns="letter")


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_draw():
    for n in (1, 2, 5, 6):
        for c in range(n + 1):
            right = [i < c for i in range(n)]
            for k in range(1, n + 1):
                subsets = list(combinations(right, k))
                expected = sum(any(subset) for subset in subsets) / len(subsets)
                assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(1024, 1, 512), (1024, 3, 1000), (10_000, 40, 128), (4096, 4095, 1), (256, 0, 9)]
)
def test_pass_at_k_is_stable_where_the_binomials_are_astronomic(n, c, k):
    exact = float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_k_doubles_up_to_the_number_of_draws():
    assert sizes(16) == [1, 2, 4, 8, 16]
    assert sizes(12) == [1, 2, 4, 8, 12]
    assert (sizes(1), sizes(0)) == ([1], [])


def test_means_over_problems_paired_gains_and_solvable_sets():
    base = ["cwww", "wwww", "ccww", "wwww", "cwww"]
    rl = ["cccc", "cwww", "cccw", "wwww", "wwww"]
    found = summarise(*drawn(base=base, rl=rl), READING)
    last = found["answers"]["last"]
    counts = {"base": [1, 0, 2, 0, 1], "rl": [4, 1, 3, 0, 0]}
    for member, right in counts.items():
        curve = last["members"][member]["pass_at_k"]
        assert list(curve) == ["1", "2", "4"]
        for k, point in curve.items():
            expected = np.mean([1 - comb(4 - c, int(k)) / comb(4, int(k)) for c in right])
            assert point["value"] == pytest.approx(expected)
        assert last["members"][member]["accuracy"]["value"] == pytest.approx(sum(right) / 20)
        assert last["members"][member]["right_draws"] == np.bincount(right, minlength=5).tolist()
    assert last["gain"]["4"]["difference"]["value"] == pytest.approx((3 - 3) / 5)
    assert last["gain"]["1"]["difference"]["value"] == pytest.approx((8 - 4) / 20)
    solvable = last["solvable"]
    assert solvable["counts"] == {"both": 2, "base_only": 1, "rl_only": 1, "neither": 1}
    assert (solvable["base_only"], solvable["rl_only"], solvable["p_value"]) == (["p4"], ["p1"], 1.0)
    assert found["answers"]["first"]["solvable"]["counts"]["neither"] == 5
    assert found["members"]["base"]["surprisal"]["value"] == pytest.approx(0.5)
    assert (found["members"]["base"]["draws"], found["members"]["base"]["length"]["value"]) == (4, 3)


def test_problems_without_a_verdict_are_left_out_and_counted():
    found = summarise(*drawn(base=["cw", "--", "ww"], rl=["cc", "--", "cw"]), READING)["answers"]["last"]
    assert (found["solvable"]["problems"], found["members"]["base"]["graded"]) == (2, 4)
    assert found["members"]["rl"]["pass_at_k"]["2"]["value"] == 1
    assert found["members"]["rl"]["pass_at_k"]["2"]["low"] < 1  # all of two problems is no certainty


@pytest.mark.parametrize(
    "words", [{"base": ["cw", "ww"]}, {"rl": ["c"]}, {"base": ["--"], "rl": ["cc"]}, {"base": ["c"], "rl": ["w"]}, {}]
)
def test_what_was_not_drawn_is_missing_and_nothing_is_nan(words):
    found = summarise(*drawn(**words), READING, {"p": "the prompt is too long"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    last = found["answers"]["last"]
    for member in ("base", "rl"):
        known = any("c" in word or "w" in word for word in words.get(member, []))
        assert (last["members"][member] is not None) == known
    if len(words) < 2 or "--" in words["base"]:
        assert last["gain"] == {}
        assert "no problem" in last["reason"]


def test_one_draw_is_plain_accuracy_with_the_exact_test():
    last = summarise(*drawn(base=["w"] * 9 + ["c"], rl=["c"] * 9 + ["w"]), READING)["answers"]["last"]
    assert last["members"]["base"]["accuracy"]["method"] == "Clopper-Pearson over problems"
    assert last["solvable"]["p_value"] == pytest.approx(2 * (1 + 10) / 2**10)
