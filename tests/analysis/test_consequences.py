import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.consequences import outcomes, summarise, together
from rlprobe.settings import Reading

READING = Reading(resamples=200)


def places(*rows):
    """Places of (problem, base rank of RL's token, ids behind, ids in common, same answer, entropy)."""
    names = ["problem_id", "rank_base_of_rl", "rest", "together", "same_answer", "entropy_base"]
    table = pd.DataFrame(rows, columns=names).astype({"same_answer": object})
    return table.assign(argmax_base=1, argmax_rl=2, margin_base=1 - table["entropy_base"], kl_rl_base=0.5)


def test_what_two_texts_have_in_common_is_counted_from_their_end():
    assert together([1, 2, 3, 4], [9, 3, 4]) == 2
    assert together([3, 4], [9, 3, 4]) == 2
    assert together([1, 2], [1, 3]) == 0
    assert together([], [1]) == 0


def test_the_outcome_of_a_place_by_hand():
    told = places(
        ("a", 2, 10, 5, True, 0.1),  # half of the rest again
        (
            "a",
            2,
            3,
            3,
            False,
            0.1,
        ),  # the last digit of the answer is another one, and all that stood behind it comes again
        ("a", 2, 10, 4, True, 0.1),
        ("a", 2, 10, 4, False, 0.1),
        ("a", 2, 10, 4, None, 0.1),
        ("a", 2, 0, 0, False, 0.1),  # nothing stood behind it: there is no text to come back to
        ("a", 2, 10, 10, None, 0.1),
    )
    expected = ["consequential", "answer", "consequential", "undecided", "consequential", "text"]
    assert outcomes(told).tolist() == ["text", *expected]


def test_shares_leave_out_the_undecided_and_go_by_class():
    told = places(
        ("a", 2, 10, 10, True, 0.1),
        ("a", 9, 10, 0, False, 0.9),
        ("b", 2, 10, 0, True, 0.2),
        ("b", 2, 10, 0, False, 0.8),
        ("c", 9, 10, 0, None, 0.7),
    )
    found = summarise(told, READING)
    classes = found["classes"]
    assert classes["all"]["counts"] == {"text": 1, "answer": 1, "consequential": 2, "undecided": 1}
    assert (classes["all"]["places"], classes["all"]["problems"]) == (5, 3)
    assert classes["all"]["neutral"]["value"] == pytest.approx(2 / 4)
    assert classes["all"]["neutral"]["n_problems"] == 2
    assert classes["reranked"]["neutral"]["value"] == pytest.approx(2 / 3)
    assert classes["shifted"]["counts"]["undecided"] == 1
    assert found["finders"]["entropy_base"]["value"] == 1
    assert found["finders"]["margin_base"]["value"] == 1  # consequential where the margin is small
    assert found["finders"]["kl_rl_base"]["value"] == 0.5


def test_intervals_are_of_problems_not_of_places():
    rng = np.random.default_rng(0)
    rows = [(f"p{i}", 2, 10, 10 if i % 2 else 0, bool(i % 2), float(rng.random())) for i in range(20)]
    one, ten = (summarise(places(*(rows * n)), READING)["classes"]["all"]["neutral"] for n in (1, 10))
    for end in ("low", "high"):
        assert one[end] == pytest.approx(ten[end], abs=0.03)  # ten times the places of as many problems tell no more


def test_a_run_without_disagreements_has_nothing_to_say():
    found = summarise(places(), READING)
    assert found["classes"]["all"]["neutral"]["value"] is None
    assert found["finders"]["entropy_base"]["value"] is None
