"""The words of a tail, and what is promoted from low probability, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from synthetic_texts import token_table

from rlprobe.analysis.sparks import promoted
from rlprobe.analysis.texts import texts_of
from rlprobe.analysis.words import words_behind
from rlprobe.settings import Reading, Resampling

RESAMPLING = Resampling(resamples=200)


@pytest.fixture(scope="module")
def tokens():
    return token_table(problems=30, seed=5, arms=("base",))


@pytest.fixture(scope="module")
def text(tokens):
    return texts_of(tokens, Reading())["base"]


def test_words_are_counted_by_hand(tokens, text):
    delta = tokens["logprob_rl"].astype(float) - tokens["logprob_base"]
    found = words_behind(text, 1.0, "#{}".format, RESAMPLING)
    for side, inside in (("suppressed", delta <= -1), ("promoted", delta >= 1)):
        counts, everywhere = Counter(tokens["token_id"][inside]), Counter(tokens["token_id"])
        assert {w["token_id"]: w["count"] for w in found[side]} == dict(counts)
        for word in found[side]:
            rows = inside & (tokens["token_id"] == word["token_id"])
            assert word["in_text"] == everywhere[word["token_id"]]
            assert word["problems"] == tokens["problem_id"][rows].nunique()
            assert word["per_problem"].value == pytest.approx(rows.sum() / 30)
            assert word["mean_delta"] == pytest.approx(delta[rows].mean())
        assert [w["count"] for w in found[side]] == sorted(counts.values(), reverse=True)


def test_a_tail_that_nothing_reaches_has_no_words(text):
    assert words_behind(text, 99.0, str, RESAMPLING) == {"suppressed": [], "promoted": []}


def test_sparks_are_held_possible_by_the_base_and_noise_is_not(tokens, text):
    p, p_max = np.exp(tokens["logprob_base_of_rl"].astype(float)), np.exp(tokens["logprob_argmax_base"].astype(float))
    rises = tokens["logprob_argmax_rl"].astype(float) > tokens["logprob_base_of_rl"]
    for found in promoted(text, RESAMPLING):
        low = rises & (p < found["below"])
        sparks = low & (p >= 0.02 * p_max)
        assert (found["count"], found["sparks"]) == (low.sum(), sparks.sum())
        assert found["noise"] == found["count"] - found["sparks"]
        assert found["rate"].value == pytest.approx(low.mean())


def test_no_promoted_token_leaves_no_share_of_sparks(tokens):
    certain = tokens.assign(logprob_base_of_rl=np.float32(-1e-6))
    for found in promoted(texts_of(certain, Reading())["base"], RESAMPLING):
        assert found["count"] == 0
        assert (found["spark_share"].value, found["spark_share"].reason) == (None, "there is nothing to count")
