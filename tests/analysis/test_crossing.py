"""The k where two curves cross: by hand on short curves, and how often its interval holds the true one."""

import numpy as np
import pytest

from rlprobe.analysis.crossing import crossing
from rlprobe.analysis.passk import pass_at_every_k
from rlprobe.analysis.statistics import Interval, mean_differences
from rlprobe.settings import Resampling

RESAMPLING = Resampling(resamples=300)


def given(*rows):
    return [Interval(value, low, high, 9, None, None) for value, low, high in rows]


def test_the_other_takes_over_where_the_straight_line_between_two_k_is_0():
    found = crossing(given((0.3, 0.2, 0.4), (0.1, -0.1, 0.2), (-0.3, -0.5, 0.1), (-0.4, -0.6, -0.1)))
    assert (found["ahead"], found["changes"], found["up_to"]) == ("rl", 1, 4)
    assert found["k"] == pytest.approx(2.25)
    assert found["low"] == pytest.approx(1 + 2 / 3)
    assert found["high"] == pytest.approx(3.5)


def test_a_base_that_leads_first_is_the_mirror_image():
    rows = ((0.3, 0.2, 0.4), (0.1, -0.1, 0.2), (-0.3, -0.5, 0.1), (-0.4, -0.6, -0.1))
    mirrored = crossing(given(*((-value, -high, -low) for value, low, high in rows)))
    assert mirrored == crossing(given(*rows)) | {"ahead": "base"}


def test_an_interval_that_nothing_bounds_is_open():
    found = crossing(given((0.1, -0.1, 0.3), (-0.1, -0.3, 0.1)))
    assert found["k"] == pytest.approx(1.5)
    assert (found["low"], found["high"]) == (None, None)


def test_no_crossing_is_an_answer_and_says_what_is_not_excluded():
    sure = crossing(given((0.2, 0.1, 0.3), (0.1, 0.05, 0.2)))
    assert (sure["k"], sure["open_from"], sure["reason"]) == (None, None, "no crossing up to k = 2")
    unsure = crossing(given((0.2, 0.1, 0.3), (0.1, -0.1, 0.2)))
    assert (unsure["k"], unsure["open_from"]) == (None, pytest.approx(1.5))
    assert crossing(given((0.2, -0.1, 0.3), (0.1, -0.1, 0.2)))["open_from"] == 1
    assert crossing([Interval(0.5, None, None, 1, None, None)])["open_from"] == 1


def test_curves_that_are_the_same_or_absent_do_not_cross():
    assert crossing(given((0, -0.1, 0.1), (0, -0.1, 0.1)))["reason"] == "the curves are the same up to k = 2"
    assert crossing([])["reason"] == "nothing to compare"
    both_reach_1 = crossing(given((0.2, 0.1, 0.3), (0, -0.1, 0.1)))
    assert (both_reach_1["ahead"], both_reach_1["k"], both_reach_1["changes"]) == ("rl", None, 0)


def test_of_several_changes_the_first_is_told_and_they_are_counted():
    found = crossing(given((0.1, -1, 1), (-0.1, -1, 1), (0, -1, 1), (0.1, -1, 1), (-0.1, -1, 1)))
    assert (found["changes"], found["k"]) == (3, pytest.approx(1.5))


def chances(rng, problems):
    """RL is sure of three fifths of the problems and has nothing of the others; the base has a little of all."""
    base = rng.beta(0.8, 4, problems)
    return base, np.where(rng.random(problems) < 0.6, 0.35 + 0.3 * rng.random(problems), 0.0)


def true_crossing():
    base, rl = chances(np.random.default_rng(99), 400_000)
    k = np.linspace(1, 32, 311)
    gap = np.array([((1 - base) ** each - (1 - rl) ** each).mean() for each in k])
    first = int(np.flatnonzero(gap < 0)[0])
    return k[first - 1] + 0.1 * gap[first - 1] / (gap[first - 1] - gap[first])


@pytest.mark.parametrize("problems", [60, 200])
def test_the_interval_of_the_crossing_holds_the_true_one(problems):
    truth, rng, worlds = true_crossing(), np.random.default_rng(5), 300
    assert 4 < truth < 16
    covered, crossed, missed = 0, 0, [0, 0]
    for _ in range(worlds):
        base, rl = (pass_at_every_k(np.full(problems, 32), rng.binomial(32, p), 32) for p in chances(rng, problems))
        found = crossing(mean_differences(rl - base, RESAMPLING)[0])
        low, high = (found["low"], found["high"]) if found["k"] else (found["open_from"] or 32, None)
        covered += (low or 0) <= truth <= (high or np.inf)
        crossed += found["k"] is not None
        missed[0] += (low or 0) > truth
        missed[1] += truth > (high or np.inf)
    assert crossed > 0.9 * worlds
    assert 0.92 <= covered / worlds <= 0.98
    assert max(missed) < 0.05 * worlds
