"""Many means at once against the same means one by one."""

import numpy as np
import pytest

from rlprobe.analysis.statistics import mean, rate
from rlprobe.analysis.together import means, rates
from rlprobe.settings import Resampling

RESAMPLING = Resampling(seed=3, resamples=400)


def close(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.n_problems, ours.n_tokens, ours.method) == (theirs.n_problems, theirs.n_tokens, theirs.method)
        assert (ours.reason, ours.dropped) == (theirs.reason, theirs.dropped)
        for end in ("value", "low", "high"):
            a, b = getattr(ours, end), getattr(theirs, end)
            assert a is b is None or a == pytest.approx(b, rel=1e-12)
    return True


@pytest.fixture
def columns():
    """Events and sizes of six groups over thirty problems: usual, sparse, none, all, in one problem, empty."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 50, (30, 6)).astype(float)
    sizes[5:, 1], sizes[1:, 4], sizes[:, 5] = 0, 0, 0
    events = np.floor(sizes * rng.random((30, 6)))
    events[:, 2], events[:, 3] = 0, sizes[:, 3]
    return events, sizes


def test_many_rates_are_the_single_ones(columns):
    assert close(
        rates(*columns, RESAMPLING), [rate(e, n, RESAMPLING) for e, n in zip(*(x.T for x in columns), strict=True)]
    )


def test_many_means_are_the_single_ones(columns):
    totals = columns[0] * -0.3
    found = means(totals, columns[1], RESAMPLING)
    assert close(found, [mean(t, n, RESAMPLING) for t, n in zip(totals.T, columns[1].T, strict=True)])


def test_more_problems_than_fit_at_once_are_the_same_draws():
    rng = np.random.default_rng(1)
    totals, counts = rng.random((5000, 2)), np.ones((5000, 2))
    assert close(
        means(totals, counts, RESAMPLING), [mean(t, c, RESAMPLING) for t, c in zip(totals.T, counts.T, strict=True)]
    )
