"""Percentiles, signals and rank counts by hand."""

import pandas as pd
import pytest

from rlprobe.analysis.thresholds import percentile, rank_counts, signal
from rlprobe.errors import BadInput


def test_a_percentile_lies_midway_between_two_observed_values():
    values = pd.Series([4.0, 1.0, 2.0, 3.0, 2.0])
    assert percentile(values, 20) == 1.5
    assert percentile(values, 50) == 2.5
    assert percentile(values, 80) == 3.5
    assert sum(values > percentile(values, 80)) == 1


@pytest.mark.parametrize("q", [0, 100, -5, 99.9, float("nan")])
def test_a_percentile_with_no_place_is_refused(q):
    with pytest.raises(BadInput):
        percentile(pd.Series([1.0, 2.0]), q)


def test_no_positions_have_no_percentile():
    with pytest.raises(BadInput, match="at least one position"):
        percentile(pd.Series([], dtype=float), 50)


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "arm": ["base", "base", "base", "rl"],
            "argmax_base": [1, 2, 3, 4],
            "argmax_rl": [1, 9, 8, 7],
            "rank_base_of_rl": [1, 2, 4, 2],
            "rank_rl_of_base": [1, 3, 3, 30],
            "entropy_base": [0.1, 0.2, 0.3, 0.4],
            "entropy_rl": [1.1, 1.2, 1.3, 1.4],
            "kl_rl_base": [0.0, 1.0, 2.0, 3.0],
            "kl_base_rl": [0.0, 4.0, 5.0, 6.0],
            "logprob_rl_of_base": [-0.1, -3.0, -4.0, -5.0],
            "logprob_argmax_base": [-0.1, -1.0, -1.0, -1.0],
            "logprob_base_of_rl": [-0.1, -2.0, -2.0, -6.0],
            "logprob_argmax_rl": [-0.1, -0.5, -0.5, -1.0],
        }
    )


def test_signals_speak_of_donor_against_host_on_the_hosts_own_text():
    assert signal(table(), "entropy", "base").tolist() == [0.1, 0.2, 0.3]
    assert signal(table(), "entropy", "rl").tolist() == [1.4]
    assert signal(table(), "kl", "base").tolist() == [0.0, 1.0, 2.0]
    assert signal(table(), "kl", "rl").tolist() == [6.0]
    assert signal(table(), "delta", "base").tolist() == [0.0, -2.0, -3.0]
    assert signal(table(), "delta", "rl").tolist() == [-5.0]
    with pytest.raises(BadInput, match="no signal"):
        signal(table(), "colour", "base")


def test_ranks_are_counted_at_disagreements_on_the_hosts_own_text():
    assert rank_counts(table(), "base", most=5) == (1, 0, 1, 0)
    assert rank_counts(table(), "rl", most=5) == (0, 0, 0, 1)  # rank 30: none is dropped
