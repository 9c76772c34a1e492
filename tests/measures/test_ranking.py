"""The tie rule against a full sort in plain Python."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rlprobe.measures.ranking import BLOCK, best_tokens, block_maxima, greedy


def by_sorting(row: list[float], k: int) -> list[int]:
    return sorted(range(len(row)), key=lambda i: (-row[i], i))[:k]


@given(st.lists(st.sampled_from([-3.5, -1.0, -0.0, 0.0, 1.0, 2.0]), min_size=5, max_size=3 * BLOCK + 7))
def test_the_best_five_are_those_of_a_full_sort_by_logit_then_id(row):
    best = best_tokens(torch.tensor([row]), 5)
    assert best.ids[0].tolist() == by_sorting(row, 5)
    assert best.logits[0].tolist() == [row[i] for i in by_sorting(row, 5)]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=5, max_size=300))
def test_any_finite_float32_keeps_its_order(row):
    assert best_tokens(torch.tensor([row]), 5).ids[0].tolist() == by_sorting(row, 5)


@pytest.mark.parametrize("vocab", [5, BLOCK - 1, BLOCK, BLOCK + 1, 20 * BLOCK + 3])
def test_when_all_logits_are_equal_the_smallest_ids_win(vocab):
    assert best_tokens(torch.zeros(2, vocab), 5).ids.tolist() == [[0, 1, 2, 3, 4]] * 2


def test_ties_across_the_cut_and_across_blocks_go_to_the_smaller_ids():
    row = torch.zeros(1, 8 * BLOCK)
    row[0, [7 * BLOCK, 5 * BLOCK + 1]] = 2.0
    row[0, [6 * BLOCK, 3 * BLOCK, 3 * BLOCK + 9, 4 * BLOCK, 900]] = 1.0
    assert best_tokens(row, 5).ids[0].tolist() == [5 * BLOCK + 1, 7 * BLOCK, 3 * BLOCK, 3 * BLOCK + 9, 4 * BLOCK]


def test_a_vocabulary_smaller_than_k_gives_what_there_is():
    assert best_tokens(torch.tensor([[1.0, 3.0, 3.0]]), 5).ids.tolist() == [[1, 2, 0]]


def test_block_maxima_cover_a_short_last_block():
    logits = torch.randn(3, 2 * BLOCK + 5, generator=torch.Generator().manual_seed(0))
    expected = [logits[:, i : i + BLOCK].max(dim=1).values for i in range(0, 2 * BLOCK + 5, BLOCK)]
    assert torch.equal(block_maxima(logits), torch.stack(expected, dim=1))


def test_greedy_gives_the_argmax_its_logprob_and_the_margin_by_hand():
    choice = greedy(torch.tensor([[math.log(2), math.log(5), math.log(1)]]))
    assert choice.ids.tolist() == [1]
    assert choice.logprob.tolist() == pytest.approx([math.log(5 / 8)])
    assert choice.margin.tolist() == pytest.approx([math.log(5 / 2)])


def test_greedy_on_an_exact_tie_takes_the_smaller_id_with_margin_zero():
    choice = greedy(torch.tensor([[0.0, 4.0, 4.0]], dtype=torch.bfloat16))
    assert choice.ids.tolist() == [1]
    assert choice.margin.tolist() == [0.0]


def test_greedy_agrees_with_numpy_in_float64():
    logits = np.random.default_rng(0).normal(size=(50, 700)) * 4
    choice = greedy(torch.from_numpy(logits))
    logprobs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    assert choice.ids.tolist() == logprobs.argmax(1).tolist()
    np.testing.assert_allclose(choice.logprob, logprobs.max(1), atol=1e-5)
    np.testing.assert_allclose(choice.margin, np.diff(np.sort(logprobs)[:, -2:])[:, 0], atol=1e-5)
