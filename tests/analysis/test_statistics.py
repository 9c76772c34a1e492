"""Each statistic against another way to the same number."""

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from rlprobe.analysis.statistics import (
    Clusters,
    auroc,
    bootstrap_p_value,
    macro_rate,
    mcnemar,
    mean,
    mean_difference,
    mean_differences,
    proportion,
    rate,
    ratio_of_means,
    recovery,
    resampled_means,
)
from rlprobe.settings import Resampling

RESAMPLING = Resampling(seed=0, resamples=2000)


@pytest.fixture
def sums():
    """Events and tokens of forty problems."""
    rng = np.random.default_rng(1)
    tokens = rng.integers(20, 200, 40)
    return rng.binomial(tokens, rng.beta(1, 20, 40)).astype(float), tokens.astype(float)


def by_a_loop(statistic, n, seed=5, resamples=4000):
    """A percentile interval, one resample at a time."""
    rng = np.random.default_rng(seed)
    found = [statistic(rng.integers(0, n, n)) for _ in range(resamples)]
    return np.quantile(found, [0.025, 0.975])


def by_beta_tails(value, worth, find=optimize.brentq):
    """Clopper and Pearson's ends of `value` among `worth` trials, from what they are defined by."""
    hits = value * worth
    low = find(lambda p: stats.beta(hits, worth - hits + 1).cdf(p) - 0.025, 1e-9, 1 - 1e-9)
    return low, find(lambda p: stats.beta(hits + 1, worth - hits).sf(p) - 0.025, 1e-9, 1 - 1e-9)


def by_leaving_one_out(statistic, n):
    """The variance of a statistic over problems, by the jackknife."""
    left = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    return (n - 1) / n * ((left - left.mean()) ** 2).sum()


@pytest.mark.parametrize("of", [rate, macro_rate])
def test_a_rate_has_the_exact_interval_of_as_many_trials_as_its_tokens_are_worth(sums, of):
    events, tokens = sums
    by_hand = {
        rate: lambda i: events[i].sum() / tokens[i].sum(),
        macro_rate: lambda i: (events[i] / tokens[i]).mean(),
    }[of]
    found, value = of(events, tokens, RESAMPLING), by_hand(np.arange(40))
    worth = (
        value * (1 - value) / by_leaving_one_out(by_hand, 40) * (stats.t.ppf(0.975, 1e9) / stats.t.ppf(0.975, 39)) ** 2
    )
    assert found.value == pytest.approx(value)
    assert (found.low, found.high) == pytest.approx(by_beta_tails(value, worth), rel=0.03)
    assert (found.n_problems, found.n_tokens, found.n_units, found.dropped) == (40, tokens.sum(), tokens.sum(), 0)
    low, high = by_a_loop(by_hand, 40)
    assert found.low == pytest.approx(low, rel=0.1)
    assert high < found.high < 1.15 * high  # a bootstrap of a skewed rate ends too early


def test_one_response_a_problem_has_the_interval_of_a_share_of_problems():
    events = np.r_[np.ones(7), np.zeros(23)]
    found, exact = rate(events, np.ones(30), RESAMPLING), proportion(7, 30, RESAMPLING)
    assert (found.low, found.high) == pytest.approx((exact.low, exact.high))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), min_size=2, max_size=30))
def test_no_rate_has_a_bound_below_that_of_no_event(problems):
    """However few the events, and however they cluster; and its mirror image."""
    tokens = np.array([n for n, _ in problems], float)
    events = np.minimum(tokens, [k for _, k in problems])
    for of in (rate, macro_rate):
        found, none = of(events, tokens, RESAMPLING), of(tokens * 0, tokens, RESAMPLING)
        mirrored = of(tokens - events, tokens, RESAMPLING)
        assert found.low <= found.value <= found.high
        assert found.high >= none.high - 1e-12
        assert (1 - found.high, 1 - found.low) == pytest.approx((mirrored.low, mirrored.high), abs=1e-9)


def test_problems_without_tokens_have_no_rate_of_their_own_and_are_not_counted():
    found = macro_rate(np.array([1.0, 3.0, 0.0]), np.array([2.0, 4.0, 0.0]), RESAMPLING)
    assert found.value == pytest.approx((0.5 + 0.75) / 2)
    assert (found.n_problems, found.n_tokens) == (2, 6)


def test_a_ratio_of_means_is_bootstrapped_with_its_four_sums_together(sums):
    events, tokens = sums
    above, below = (events * 3 + 1, events + 1), (tokens * 0.2, tokens)
    found = ratio_of_means(above, below, RESAMPLING)

    def by_hand(i):
        return (above[0][i].sum() / above[1][i].sum()) / (below[0][i].sum() / below[1][i].sum())

    assert found.value == pytest.approx(by_hand(np.arange(40)))
    assert (found.low, found.high) == pytest.approx(by_a_loop(by_hand, 40), rel=0.04)


def test_a_ratio_over_almost_nothing_is_missing_with_a_reason():
    one = np.ones(5)
    found = ratio_of_means((one, one), (one * 1e-9, one), RESAMPLING)
    assert found.value is None
    assert "less than" in found.reason
    empty = ratio_of_means((one * 0, one * 0), (one, one), RESAMPLING)
    assert (empty.value, empty.reason) == (None, "one of the two groups is empty")


@pytest.mark.parametrize("n", [2, 10, 500])
def test_no_event_at_all_has_the_closed_form_of_clopper_and_pearson(n):
    found = rate(np.zeros(n), np.full(n, 100.0), RESAMPLING)
    assert (found.value, found.low, found.n_units) == (0, 0, 100 * n)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / (100 * n)))
    assert found.problems_bound == pytest.approx(1 - 0.025 ** (1 / n))
    assert found.method == "Clopper-Pearson, if tokens were independent"
    one_each = rate(np.zeros(n), np.ones(n), RESAMPLING)
    assert (one_each.high, one_each.problems_bound) == (pytest.approx(found.problems_bound), None)
    assert one_each.method == "Clopper-Pearson over problems"


def test_nothing_but_events_is_the_mirror_image_of_none():
    none, all_ = (rate(np.full(20, k), np.full(20, 7.0), RESAMPLING) for k in (0.0, 7.0))
    assert (all_.value, all_.high) == (1, 1)
    assert all_.low == pytest.approx(1 - none.high)
    assert macro_rate(np.full(20, 7.0), np.full(20, 7.0), RESAMPLING).low == pytest.approx(all_.low)


def test_problems_without_tokens_do_not_tighten_the_bound():
    tokens = np.array([5.0, 5.0, 0.0, 0.0])
    assert rate(np.zeros(4), tokens, RESAMPLING).problems_bound == pytest.approx(1 - 0.025 ** (1 / 2))


def test_one_problem_has_a_rate_but_no_interval():
    for found in (rate(np.array([3.0]), np.array([10.0]), RESAMPLING), rate(np.zeros(1), np.ones(1), RESAMPLING)):
        assert found.value is not None
        assert (found.low, found.high, found.method) == (None, None, None)
        assert "one problem" in found.reason


def test_nothing_to_count_is_missing():
    found = rate(np.zeros(3), np.zeros(3), RESAMPLING)
    assert (found.value, found.low, found.n_problems) == (None, None, 0)


def test_resamples_without_a_denominator_are_dropped_and_counted():
    totals, counts = np.array([2.0, 6.0, 0, 0]), np.array([1.0, 2.0, 0, 0])
    found = mean(totals, counts, RESAMPLING)
    assert found.dropped == pytest.approx(2000 * 0.5**4, rel=0.4)  # all four draws fall on the two empty problems
    assert 2 <= found.low <= found.high <= 3


def test_the_same_seed_gives_the_same_interval_and_another_seed_another(sums):
    assert mean(*sums, RESAMPLING) == mean(*sums, RESAMPLING)
    assert mean(*sums, RESAMPLING).low != mean(*sums, Resampling(seed=1)).low


def test_more_confidence_is_a_wider_interval(sums):
    narrow, wide = (rate(*sums, Resampling(confidence=c)) for c in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def binomial_tail(k, n):
    """P(a fair coin shows at most k heads in n throws)."""
    return sum(comb(n, i) for i in range(k + 1)) / 2**n


@pytest.mark.parametrize(("only_base", "only_rl"), [(3, 12), (12, 3), (0, 6), (5, 5), (0, 0)])
def test_mcnemar_is_the_binomial_of_the_discordant_pairs(only_base, only_rl):
    base = np.array([True] * only_base + [False] * only_rl + [True] * 4 + [False] * 2)
    rl = np.array([False] * only_base + [True] * only_rl + [True] * 4 + [False] * 2)
    found = mcnemar(base, rl)
    assert (found.both, found.only_base, found.only_rl, found.neither) == (4, only_base, only_rl, 2)
    assert found.p_value == pytest.approx(min(1, 2 * binomial_tail(min(only_base, only_rl), only_base + only_rl)))


def test_a_proportion_has_the_exact_interval():
    assert proportion(0, 50, RESAMPLING).high == pytest.approx(1 - 0.025 ** (1 / 50))
    found = proportion(7, 10, RESAMPLING)
    at_least_7 = sum(comb(10, i) * found.low**i * (1 - found.low) ** (10 - i) for i in range(7, 11))
    assert at_least_7 == pytest.approx(0.025)  # what the lower end is defined by
    assert proportion(0, 0, RESAMPLING).value is None


def test_a_mean_difference_is_never_certain():
    same = mean_difference(np.zeros(20), RESAMPLING)
    bound = 1 - 0.025 ** (1 / 20)
    assert (same.value, same.low, same.high) == (0, pytest.approx(-bound), pytest.approx(bound))
    always = mean_difference(np.ones(20), RESAMPLING)
    assert (always.low, always.high) == (pytest.approx(1 - 2 * bound), 1)
    mixed = mean_difference(np.array([0.0, 1, 1, -1, 0, 1, 1, 0]), RESAMPLING)
    assert mixed.value == pytest.approx(3 / 8)
    assert mixed.low < mixed.value < mixed.high


def by_pairs(positive, negative):
    """The AUROC by its definition."""
    return np.mean([(p > n) + (p == n) / 2 for p in positive for n in negative])


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.3]), st.booleans()), max_size=16))
def test_auroc_counts_pairs(rows):
    scores, positive = np.array([r[0] for r in rows]), np.array([r[1] for r in rows], dtype=bool)
    found = auroc(scores, positive, Clusters(np.zeros(len(rows), np.int64), 1), RESAMPLING)
    if positive.all() or not positive.any():
        assert found.value is None
        assert found.reason
    else:
        assert found.value == pytest.approx(by_pairs(scores[positive], scores[~positive]))
        assert (found.low, found.reason) == (None, "one problem cannot be resampled")


def test_auroc_is_bootstrapped_as_a_plain_loop_that_ranks_anew_does():
    rng = np.random.default_rng(2)
    problem = np.repeat(np.arange(40), 25)
    positive = rng.random(1000) < rng.beta(1, 6, 40)[problem]
    scores = np.round(rng.normal(0.8 * positive + rng.normal(0, 0.5, 40)[problem]), 1)
    found = auroc(scores, positive, Clusters(problem, 40), RESAMPLING)

    def anew(i):
        rows = np.concatenate([np.flatnonzero(problem == k) for k in i])
        ours, theirs = scores[rows][positive[rows]], scores[rows][~positive[rows]]
        return stats.mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs))

    low, high = by_a_loop(anew, 40, resamples=500)
    assert found.value == pytest.approx(anew(np.arange(40)))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.02)
    assert found.high - found.low == pytest.approx(high - low, rel=0.2)


def test_sums_go_to_their_problems():
    clusters = Clusters(np.array([2, 0, 2, 2]), 4)
    assert clusters.sums(np.array([1.5, 2, 3, 4])).tolist() == [2, 0, 8.5, 0]
    assert clusters.sums(np.array([True, False, True, False])).tolist() == [0, 0, 2, 0]


@pytest.fixture
def three():
    """The accuracies of an arm, of base and of RL on fifty problems."""
    rng = np.random.default_rng(3)
    hard = rng.random(50)
    base, rl = (hard + 0.2 * rng.random(50) < 0.3).astype(float), (hard < 0.9).astype(float)
    return np.where(rng.random(50) < 0.5, rl, base), base, rl


def test_recovery_is_what_a_paired_t_test_does_not_reject_near_a_plain_loop_over_problems(three):
    arm, base, rl = three
    found = recovery(arm, base, rl, RESAMPLING)
    low, high = by_a_loop(lambda i: (arm[i] - base[i]).sum() / (rl[i] - base[i]).sum(), 50)
    for end in (found.low, found.high):  # where a paired t test of arm - base against its share of the gain just fails
        assert stats.ttest_1samp(arm - base - end * (rl - base), 0).pvalue == pytest.approx(0.05)
    assert found.value == pytest.approx((arm.sum() - base.sum()) / (rl.sum() - base.sum()))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06)
    assert found.n_problems == 50


def test_recovery_keeps_its_sign(three):
    _, base, rl = three
    worse = np.where(np.arange(50) < 30, 0.0, base)
    assert recovery(worse, base, rl, RESAMPLING).value < 0
    assert recovery(worse, rl, base, RESAMPLING).value > 1  # the gain is negative, and so is what is above it


def test_recovery_is_undefined_where_the_gain_may_be_nothing(three):
    arm, base, _ = three
    rl = base.copy()
    rl[:2] = 1 - rl[:2]
    found = recovery(arm, base, rl, RESAMPLING)
    assert (found.value, found.low, found.high) == (None, None, None)
    assert "contains 0" in found.reason


def test_recovery_of_an_arm_that_is_always_as_right_as_an_end_is_not_certain(three):
    _, base, rl = three
    share = 1 - 0.025 ** (1 / 50)  # Clopper and Pearson's bound of 0 in 50
    for end, value in ((base, 0), (rl, 1)):
        found = recovery(end, base, rl, RESAMPLING)
        assert found.value == value
        assert found.high - value == pytest.approx(share / (rl.mean() - base.mean()))
        assert found.method == "Clopper-Pearson over problems"


@pytest.mark.parametrize("n", [0, 1])
def test_recovery_of_almost_nothing_is_missing_with_a_reason(n):
    found = recovery(np.ones(n), np.zeros(n), np.ones(n), RESAMPLING)
    assert found.value is None
    assert found.reason


def test_the_p_value_of_a_bootstrap_is_below_the_level_where_the_interval_leaves_0_out():
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.15, 0.4):
        differences = np.clip(rng.normal(shift, 0.5, 60), -1, 1)
        found = mean_difference(differences, RESAMPLING)
        by_normal = 2 * stats.norm.sf(abs(differences.mean()) / (differences.std() / np.sqrt(60)))
        assert bootstrap_p_value(differences, RESAMPLING) == pytest.approx(by_normal, abs=0.02)
        assert (bootstrap_p_value(differences, RESAMPLING) < 0.05) == (not found.low <= 0 <= found.high)


def test_the_p_value_of_a_bootstrap_is_1_without_a_difference_and_never_0():
    assert bootstrap_p_value(np.zeros(9), RESAMPLING) == 1
    assert bootstrap_p_value(np.array([1 / 3, 1 / 3, -2 / 3]), RESAMPLING) > 0.5
    assert bootstrap_p_value(np.ones(20), RESAMPLING) == 2 / 2001
    for differing in (2, 5, 9):  # fewer cannot show more than the exact test of their signs
        one_way = np.concatenate([np.linspace(0.1, 1, differing), np.zeros(3)])
        exact = stats.binomtest(differing, differing).pvalue
        assert bootstrap_p_value(one_way, RESAMPLING) >= exact
        assert bootstrap_p_value(np.ones(differing), RESAMPLING) == pytest.approx(exact)
    assert bootstrap_p_value(np.ones(1), RESAMPLING) is None


def test_means_over_resamples_are_those_of_the_picked_problems():
    columns = np.random.default_rng(3).normal(size=(7, 3))
    resampling = Resampling(seed=4, resamples=100)
    picked = resampling.generator().integers(7, size=(100, 7))
    expected = [[np.mean([columns[i, j] for i in row]) for j in range(3)] for row in picked]
    np.testing.assert_allclose(resampled_means(columns, resampling), expected, atol=1e-12)


def test_many_differences_are_as_good_as_one_at_a_time():
    rng, resampling = np.random.default_rng(5), Resampling(resamples=4000)
    columns = np.stack([rng.uniform(-1, 1, 40), np.full(40, 0.25), rng.choice([0.0, 1.0], 40)], axis=1)
    intervals, p_values = mean_differences(columns, resampling)
    for column, interval, p in zip(columns.T, intervals, p_values, strict=True):
        alone = mean_difference(column, resampling)
        assert (interval.value, interval.method) == (pytest.approx(alone.value), alone.method)
        assert (interval.low, interval.high) == pytest.approx((alone.low, alone.high), abs=0.03)
        assert p == bootstrap_p_value(column, resampling)
    assert mean_differences(columns[:1], resampling)[1] == [None] * 3
    assert mean_differences(columns[:0], resampling)[0][0].value is None
