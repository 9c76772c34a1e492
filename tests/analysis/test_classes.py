"""Classes by hand."""

import pandas as pd
import pytest

from rlprobe.analysis.classes import classify
from rlprobe.errors import BadInput
from rlprobe.settings import Reading

THREE = pd.DataFrame({"argmax_base": [7, 7, 7], "argmax_rl": [7, 8, 9], "rank_base_of_rl": [1, 5, 6]})


def test_three_tokens_fall_into_the_three_classes():
    assert classify(THREE, 5).tolist() == ["unchanged", "reranked", "shifted"]


def test_a_larger_k_turns_shifted_into_reranked_and_nothing_else():
    assert classify(THREE, 6).tolist() == ["unchanged", "reranked", "reranked"]
    assert classify(THREE, 1).tolist() == ["unchanged", "shifted", "shifted"]


def test_the_categories_are_there_even_where_no_token_is():
    assert list(classify(THREE.iloc[:0], 5).cat.categories) == ["unchanged", "reranked", "shifted"]


def test_the_rows_keep_their_index():
    assert classify(THREE.set_index(pd.Index([4, 2, 9])), 5)[2] == "reranked"


def test_k_below_one_is_refused():
    with pytest.raises(BadInput, match="at least 1"):
        classify(THREE, 0)


@pytest.mark.parametrize(
    "setting",
    [{"class_k": 0}, {"answer": "best"}, {"tau": -1.0}, {"tau": float("nan")}, {"confidence": 1.0}, {"resamples": 5}],
)
def test_a_reading_that_means_nothing_is_refused(setting):
    with pytest.raises(BadInput, match=next(iter(setting)).replace("_", "-")):
        Reading(**setting)
