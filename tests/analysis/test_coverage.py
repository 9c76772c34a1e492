"""Do the intervals hold the truth as often as they say? On simulated problems whose tokens are not independent."""

from math import erf

import numpy as np

from rlprobe.analysis.statistics import Clusters, auroc, mean, mean_difference, rate
from rlprobe.settings import Resampling

RESAMPLING = Resampling(resamples=400)
WORLDS, PROBLEMS = 1000, 100


def covered(intervals, truth):
    return np.mean([found.low <= truth <= found.high for found in intervals])


def problems(rng):
    """Tokens and events of a problem: long responses have a rate of their own, and problems differ."""
    tokens = rng.integers(20, 120, PROBLEMS)
    return rng.binomial(tokens, rng.beta(2, 18, PROBLEMS)).astype(float), tokens.astype(float)


def test_a_rate_per_token_is_covered():
    rng = np.random.default_rng(0)
    found = [rate(*problems(rng), RESAMPLING) for _ in range(WORLDS)]
    assert 0.92 <= covered(found, 0.1) <= 0.98


def test_tokens_taken_as_independent_would_not_be_covered():
    """Why problems are resampled: the binomial interval of the same rates is far too narrow."""
    rng, hits = np.random.default_rng(0), []
    for _ in range(WORLDS):
        events, tokens = (x.sum() for x in problems(rng))
        p = events / tokens
        hits.append(abs(p - 0.1) < 1.96 * np.sqrt(p * (1 - p) / tokens))
    assert np.mean(hits) < 0.8


def test_a_mean_over_tokens_is_covered():
    rng, found = np.random.default_rng(1), []
    for _ in range(WORLDS):
        tokens = rng.integers(20, 120, PROBLEMS).astype(float)
        totals = tokens * (0.3 + rng.normal(0, 0.5, PROBLEMS)) + rng.normal(0, np.sqrt(tokens))
        found.append(mean(totals, tokens, RESAMPLING))
    assert 0.92 <= covered(found, 0.3) <= 0.98


def test_a_paired_difference_is_covered():
    rng = np.random.default_rng(2)
    found = [mean_difference(rng.choice([-1.0, 0, 1], PROBLEMS, p=[0.1, 0.6, 0.3]), RESAMPLING) for _ in range(WORLDS)]
    assert 0.92 <= covered(found, 0.2) <= 0.98


def test_an_auroc_is_covered():
    rng, found = np.random.default_rng(3), []
    codes = np.repeat(np.arange(PROBLEMS), 12)
    truth = (1 + erf(1 / np.sqrt(1 + 0.25) / 2)) / 2  # two normals one apart, of variance 1 + 0.25 each
    for _ in range(400):
        positive = rng.random(len(codes)) < 0.3
        scores = positive + rng.normal(0, 1, len(codes)) + rng.normal(0, 0.5, PROBLEMS)[codes]
        found.append(auroc(scores, positive, Clusters(codes, PROBLEMS), RESAMPLING))
    assert 0.92 <= covered(found, truth) <= 0.98
