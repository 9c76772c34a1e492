"""Accuracy and its comparison on verdicts written by hand."""

import pandas as pd
import pytest

from rlprobe.analysis.accuracy import compare
from rlprobe.settings import Resampling


def tables(base, rl, draws=1):
    """Rollouts and grades, a letter a response: c(orrect), w(rong), n(one found), - (no verdict), x (no grade)."""
    status = {"c": "correct", "w": "wrong", "n": "no_answer", "-": None}
    rows = [
        {"arm": arm, "problem_id": f"p{i // draws}", "draw": i % draws, "letter": letter}
        for arm, letters in (("base", base), ("rl", rl))
        for i, letter in enumerate(letters)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "problem_id", "draw", "letter"])
    graded = frame[frame["letter"] != "x"].assign(status_last=frame["letter"].map(status), status_first="wrong")
    return frame.drop(columns="letter"), graded.drop(columns="letter")


def test_responses_without_a_verdict_are_left_out_and_counted():
    found = compare(*tables("cwc-x", "ccccw"), Resampling())["last"]
    base = found["arms"]["base"]
    assert (base["correct"], base["graded"], base["ungraded"]) == (2, 3, 2)
    assert base["accuracy"].value == pytest.approx(2 / 3)
    assert found["mcnemar"].only_rl == 1  # the problems without a verdict on either side are no pair
    assert found["mcnemar"].both == 2
    assert found["gain"].value == pytest.approx(1 / 3)


def test_each_answer_policy_has_its_own_verdicts():
    found = compare(*tables("ccw", "ccc"), Resampling())
    assert found["last"]["arms"]["rl"]["accuracy"].value == 1
    assert found["first"]["arms"]["rl"]["accuracy"].value == 0
    assert found["first"]["mcnemar"].p_value == 1


def test_several_draws_of_a_problem_are_a_cluster_and_not_independent_trials():
    found = compare(*tables("cccwww", "cccccw", draws=3), Resampling())["last"]
    assert found["arms"]["base"]["accuracy"].method == "Korn-Graubard over problems"
    assert found["arms"]["base"]["accuracy"].value == 0.5
    assert found["gain"].n_problems == 2


def test_one_arm_alone_has_an_accuracy_but_no_test():
    found = compare(*tables("cw", ""), Resampling())["last"]
    assert found["arms"]["base"]["accuracy"].value == 0.5
    assert found["mcnemar"] is None
    assert found["gain"].value is None
    assert found["reason"]


def test_responses_in_which_no_answer_was_found_are_counted_beside_the_accuracy():
    found = compare(*tables("cnnw-", "ccnww"), Resampling())["last"]
    base, rl = found["arms"]["base"], found["arms"]["rl"]
    assert (base["accuracy"].value, base["no_answer"].value) == (1 / 4, 2 / 4)
    assert (rl["accuracy"].value, rl["no_answer"].value) == (2 / 5, 1 / 5)
    assert found["no_answer_differs"]


def test_ends_that_are_as_often_without_an_answer_are_worth_no_warning():
    assert not compare(*tables("cn", "nc"), Resampling())["last"]["no_answer_differs"]
    assert not compare(*tables("cn", ""), Resampling())["last"]["no_answer_differs"]
