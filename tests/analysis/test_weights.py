"""Ranks, shares and norms of a weight table, by hand, by simulation and against sums over everything."""

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.weights import (
    energy_held,
    energy_rank,
    noise_rank_share,
    numerical_rank,
    stable_rank,
    summarise_weights,
)


def table(**changes):
    """A pair of one embedding, one matrix and one norm; 8 and 6 numbers changed, of the norm none."""
    rows = {
        "name": ["e", "w", "n"],
        "kind": ["embed", "q", "norm"],
        "layer": [None, 0, 0],
        "shape": [[4, 2], [2, 3], [5]],
        "left_out": [1, 0, 0],
        "numbers": [8, 6, 5],
        "unchanged": [2, 3, 5],
        "unchanged_exact": [1, 0, 5],
        "base_squares": [16.0, 9.0, 0.0],
        "change_squares": [4.0, 25.0, 0.0],
        "singular_values": [[np.sqrt(3), 1.0], [5.0, 0.0], None],
    }
    return pd.DataFrame(rows | changes)


def test_ranks_by_hand():
    values = np.array([2.0, 1.0, 1.0])  # energies 4, 1, 1
    assert stable_rank(values) == 1.5
    assert [energy_rank(values, share) for share in (0.5, 4 / 6, 0.7, 5 / 6, 1)] == [1, 1, 2, 2, 3]
    assert energy_rank(np.ones(10), 0.9) == 9
    assert energy_held([values, np.array([1.0])], 1) == 5 / 7
    assert energy_held([values], None) == 1
    assert energy_held([values], 0) == 0


def test_what_did_not_change_has_no_rank():
    nothing = np.zeros(3)
    assert (stable_rank(nothing), energy_rank(nothing, 0.9), energy_held([nothing], 1)) == (None, None, None)
    found = summarise_weights(table(singular_values=[[0.0, 0.0], [0.0, 0.0], None]))
    assert found["tensors"][0]["reason"] is not None
    assert found["total"]["rank_90"] is None


@pytest.mark.parametrize("shape", [(40, 40), (20, 60)])
def test_the_numerical_rank_is_numpys(shape):
    rng = np.random.default_rng(1)
    for rank in (1, 7, 20):
        matrix = (rng.normal(size=(shape[0], rank)) @ rng.normal(size=(rank, shape[1]))).astype(np.float32)
        values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
        assert numerical_rank(values, shape) == np.linalg.matrix_rank(matrix) == rank
    assert numerical_rank(np.zeros(3), (3, 3)) is None


@pytest.mark.parametrize("shape", [(300, 300), (300, 900), (1200, 300)])
def test_white_noise_has_the_rank_that_is_said(shape):
    values = np.linalg.svd(np.random.default_rng(0).normal(size=shape), compute_uv=False)
    for share in (0.5, 0.9):
        assert noise_rank_share(shape, share) == pytest.approx(energy_rank(values, share) / min(shape), abs=0.02)


def test_groups_sum_what_they_hold():
    found = summarise_weights(table())
    total = found["total"]
    assert (total["tensors"], total["numbers"]) == (3, 19)
    assert total["unchanged"] == pytest.approx(10 / 19)
    assert total["unchanged_exact"] == pytest.approx(6 / 19)
    assert total["relative_norm"] == pytest.approx(np.sqrt(29 / 25))
    assert total["rank_90"] == {"value": 1.5, "low": 1.0, "high": 2.0}
    assert list(found["kinds"]) == ["embed", "q", "norm"]
    assert list(found["layers"]) == ["0"]
    assert found["layers"]["0"]["numbers"] == 11
    assert found["left_out_rows"] == {"e": 1}
    embed, matrix, norm = found["tensors"]
    assert (embed["layer"], matrix["layer"]) == (None, 0)
    assert (matrix["rank_50"], matrix["rank_90"], matrix["rank_90_share"]) == (1, 1, 0.5)
    assert (norm["full_rank"], norm["rank_90"], norm["relative_norm"], norm["reason"]) == (None, None, None, None)


def test_a_share_that_no_file_can_tell_is_missing():
    found = summarise_weights(table(unchanged_exact=[None, None, None]))
    assert found["total"]["unchanged_exact"] is None
    assert found["tensors"][1]["unchanged_exact"] is None
