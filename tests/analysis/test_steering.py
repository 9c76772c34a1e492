import pandas as pd
import pytest
from synthetic_inside import steered_responses

from rlprobe.analysis.steering import summarise
from rlprobe.settings import Reading

READING = Reading(resamples=200)
NONE = steered_responses().iloc[:0]  # one coefficient: there is nothing to choose


def arm_of(summary, where, direction):
    return next(a for a in summary["arms"] if (a["where"], a["direction"]) == (where, direction))


def test_accuracy_and_recovery_are_those_of_the_verdicts():
    responses = steered_responses()
    summary = summarise(responses, NONE, READING)
    right = responses.groupby(["where", "direction"])["right"].mean()
    base, rl = right["own", "base"], right["own", "rl"]
    for where, direction in (("everywhere", "difference"), ("everywhere", "random"), ("uncertain", "difference")):
        found = arm_of(summary, where, direction)
        assert found["accuracy"]["value"] == pytest.approx(right[where, direction])
        assert found["recovery"]["value"] == pytest.approx((right[where, direction] - base) / (rl - base))
    assert arm_of(summary, "everywhere", "random")["directions"] == 2
    assert arm_of(summary, "own", "base")["recovery"] is None


def test_edits_are_counted_where_single_tokens_are_replaced_and_missing_elsewhere():
    summary = summarise(steered_responses(), NONE, READING)
    assert arm_of(summary, "uncertain", "difference")["edited"] == pytest.approx(1 / 50)
    assert arm_of(summary, "everywhere", "difference")["edited"] is None


def test_a_problem_without_a_verdict_is_left_out_of_every_arm():
    responses = steered_responses()
    responses["right"] = responses["right"].astype(object)
    responses.loc[responses["problem_id"] == "p3", "right"] = None
    summary = summarise(responses, NONE, READING)
    assert summary["ungraded"] == ["p3"]
    assert summary["tested"] == 39
    assert all(a["accuracy"]["n_problems"] == 39 for a in summary["arms"])


def test_an_arm_that_is_never_right_has_an_accuracy_between_nothing_and_little():
    responses = steered_responses()
    responses.loc[responses["where"] == "uncertain", "right"] = False
    found = arm_of(summarise(responses, NONE, READING), "uncertain", "difference")["accuracy"]
    assert (found["value"], found["low"]) == (0, 0)
    assert 0 < found["high"] < 0.1


def test_responses_without_an_answer_are_counted_beside_each_accuracy():
    responses = steered_responses()
    summary = summarise(responses, NONE, READING)
    shares = responses.groupby(["where", "direction"])["no_answer"].mean()
    for arm in summary["arms"]:
        assert arm["no_answer"]["value"] == pytest.approx(shares[arm["where"], arm["direction"]])
    assert summary["no_answer_differs"] == (abs(shares["own", "rl"] - shares["own", "base"]) > 0.05)


def swept(accuracies, start=0):
    """Responses with several coefficients, each right on as many of ten problems as it is told."""
    rows = [
        {"where": "everywhere", "coefficient": c, "direction": direction, "problem_id": f"p{start + i}", "right": i < n}
        for direction in ("difference", "random")
        for c, n in accuracies.items()
        for i in range(10)
    ]
    defaults = {"draw": 0, "no_answer": False, "differs": True, "tokens": 5, "edited": None}
    ends = [
        {"where": "own", "coefficient": 0.0, "direction": m, "problem_id": f"p{start + i}", "right": i < n}
        for m, n in (("base", 2), ("rl", 9))
        for i in range(10)
    ]
    return pd.DataFrame([row | defaults for row in (*ends, *rows)])


def test_the_coefficient_is_chosen_on_other_problems_than_it_is_told_for():
    """The best on the told ones is 4; the one chosen elsewhere is 2, and its number here is told as it is."""
    summary = summarise(swept({1.0: 3, 2.0: 5, 4.0: 9}), swept({1.0: 3, 2.0: 8, 4.0: 8}, start=10), READING)
    assert summary["choices"] == [{"where": "everywhere", "coefficient": 2.0, "accuracy": 0.8, "problems": 10}]
    (chosen,) = (a for a in summary["arms"] if a["chosen"] and a["direction"] == "difference")
    assert (chosen["coefficient"], chosen["accuracy"]["value"]) == (2.0, 0.5)


def test_a_single_coefficient_was_given_and_not_chosen():
    (choice,) = (c for c in summarise(steered_responses(), NONE, READING)["choices"] if c["where"] == "everywhere")
    assert choice == {"where": "everywhere", "coefficient": 2.0, "accuracy": None, "problems": 0}
