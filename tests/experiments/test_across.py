"""What is said of pairs in general: means over bases and seeds, and intervals that hold what they should."""

import numpy as np
import pytest
from scipy import stats

from experiments.across import OVER_BASES, OVER_SEEDS, OnPair, over_pairs
from rlprobe.analysis.statistics import Interval, missing


def on(base: str, value: float, half: float = 0.0) -> OnPair:
    return OnPair(base, Interval(value, value - half, value + half, 10, None, None))


def test_seeds_are_averaged_before_bases():
    found = over_pairs([on("a", 0.0), on("a", 0.2), on("a", 0.1), on("b", 0.5)])
    assert found.value == pytest.approx((0.1 + 0.5) / 2)
    assert found.method == OVER_BASES


def test_without_noise_from_problems_it_is_students_interval_of_the_bases():
    values = [0.1, 0.4, 0.3]
    found = over_pairs([on(str(n), value) for n, value in enumerate(values)])
    low, high = stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))


def test_one_base_is_told_for_other_seeds_and_one_pair_for_none():
    assert over_pairs([on("a", 0.1), on("a", 0.2)]).method == OVER_SEEDS
    one = on("a", 0.1, 0.02)
    assert over_pairs([one, OnPair("b", missing("not run"))]).value is None
    assert over_pairs([]).reason == "it was measured on 0 pairs"


@pytest.mark.parametrize("shared", [False, True], ids=["own problems", "the same problems"])
@pytest.mark.parametrize("seeds", [(3, 3), (3, 1), (1, 1, 1, 1), (3,)], ids=str)
def test_the_interval_holds_the_truth_at_least_as_often_as_it_says(seeds, shared):
    """Of 0.3 in general; bases differ by 0.05, seeds by 0.03, and 200 problems leave 0.03."""
    rng = np.random.default_rng(len(seeds) + shared)
    held = 0
    for _ in range(600):
        together = rng.normal(0, 0.03)
        found = []
        for base, count in enumerate(seeds):
            middle = 0.3 + (rng.normal(0, 0.05) if len(seeds) > 1 else 0)
            for _ in range(count):
                value = middle + rng.normal(0, 0.03) + (together if shared else rng.normal(0, 0.03))
                found.append(on(str(base), value, 1.96 * 0.03))
        told = over_pairs(found)
        held += told.low <= 0.3 <= told.high
    assert held / 600 > 0.95 - 3 * (0.95 * 0.05 / 600) ** 0.5
