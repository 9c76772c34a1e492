"""Intervals that belong to their clusters, and the few tests that go with them.

Tokens of one problem are not independent, so problems are what is resampled: every function here takes sums that
were made per problem, one entry a problem. A number that cannot be had is None with a reason, never 0 and never nan.
Knows nothing of tables, classes or models.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy import stats

from rlprobe.errors import BadInput

Sums = Num[np.ndarray, " problems"]  # one entry a problem: a count of its tokens, or a sum over them

SMALLEST_DENOMINATOR = 1e-6  # nats; a mean entropy below it is float noise, and a ratio over it says nothing


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are made. Every interval starts its own generator, so that none depends on what else is asked."""

    seed: int = 0
    resamples: int = 2000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise BadInput(f"resamples is {self.resamples}: an interval needs at least 100")
        if not 0 < self.confidence < 1:
            raise BadInput(f"confidence is {self.confidence}: it lies between 0 and 1")
        if self.seed < 0:
            raise BadInput(f"seed is {self.seed}: it is a whole number from 0 up")

    @property
    def tails(self) -> tuple[float, float]:
        """The two quantile levels between which the interval lies."""
        return (1 - self.confidence) / 2, (1 + self.confidence) / 2

    def generator(self) -> np.random.Generator:
        """A fresh generator, the same one each time."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval and with what it was counted on.

    `value` is None where there is nothing to count, `low` and `high` where no interval can be had; `reason` says why.
    `n_problems` and `n_tokens` are those of the denominator (n_tokens is None where responses are counted, not tokens).
    `method` is "bootstrap over problems", "Clopper-Pearson over problems", or None. `dropped` counts the resamples
    that had no denominator.
    """

    value: float | None
    low: float | None
    high: float | None
    n_problems: int
    n_tokens: int | None
    method: str | None
    reason: str | None = None
    dropped: int = 0


def missing(reason: str) -> Interval:
    """The interval of a number that could not be measured at all."""
    return Interval(None, None, None, 0, None, None, reason)


BOOTSTRAP, CLOPPER_PEARSON = "bootstrap over problems", "Clopper-Pearson over problems"


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which of `n` problems each row of a table belongs to. A problem may have no row."""

    codes: Int[np.ndarray, " rows"]
    n: int

    def sums(self, values: Num[np.ndarray, " rows"] | Bool[np.ndarray, " rows"]) -> Float[np.ndarray, " problems"]:
        """The sum of a column over the rows of each problem, in float64."""
        return np.bincount(self.codes, weights=values, minlength=self.n).astype(np.float64)  # int64 without rows


def rate(events: Sums, among: Sums, resampling: Resampling) -> Interval:
    """Events per token (micro), with an interval that resamples problems.

    Where no token, or every token, is an event, resampling has nothing to vary and would claim certainty. Then the
    interval is Clopper and Pearson's for the share of problems with any event (or with any non-event, seen from 1).
    It holds the rate: a problem without an event has rate 0 and any other at most 1, so the mean rate of problems
    is at most that share; the rate per token likewise, as far as long responses are no likelier to hold an event than
    short ones. The bound is wide because nothing is assumed about the tokens inside a problem.
    """
    tried = int(np.count_nonzero(among))
    if tried > 1 and not events.any():
        return Interval(0.0, 0.0, _rarest(tried, resampling), tried, int(among.sum()), CLOPPER_PEARSON)
    if tried > 1 and np.array_equal(events, among):
        return Interval(1.0, 1.0 - _rarest(tried, resampling), 1.0, tried, int(among.sum()), CLOPPER_PEARSON)
    return mean(events, among, resampling)


def macro_rate(events: Sums, among: Sums, resampling: Resampling) -> Interval:
    """The mean over problems of each problem's own rate (macro); a problem without tokens has none and is left out."""
    has_tokens = (among > 0).astype(np.float64)
    own_rate = events / np.maximum(among, 1)
    return replace(rate(own_rate, has_tokens, resampling), n_tokens=int(among.sum()))


def mean(totals: Sums, counts: Sums, resampling: Resampling) -> Interval:
    """Σ totals / Σ counts, a ratio of sums, with an interval that resamples problems."""
    tried, n = int(np.count_nonzero(counts)), int(counts.sum())
    if tried == 0:
        return Interval(None, None, None, 0, n, None, "there is nothing to count")
    value = float(totals.sum() / counts.sum())
    if tried == 1:
        return Interval(value, None, None, 1, n, None, "one problem cannot be resampled")
    return _resampled(_ratio_of_sums, (totals, counts), Interval(value, None, None, tried, n, BOOTSTRAP), resampling)


def rate_difference(events: Sums, others: Sums, among: Sums, resampling: Resampling) -> Interval:
    """Events less other events per token (micro), paired, with an interval that resamples problems.

    Where every problem's own difference is one value, the interval is that of `mean_difference`: see `rate`.
    """
    tried = among > 0
    own = (events - others)[tried] / among[tried]
    if len(own) > 1 and np.ptp(own) == 0:
        return replace(mean_difference(own, resampling), n_tokens=int(among.sum()))
    return mean(events - others, among, resampling)


def ratio_of_means(above: tuple[Sums, Sums], below: tuple[Sums, Sums], resampling: Resampling) -> Interval:
    """mean(above) / mean(below), each given as (totals, counts), with an interval that resamples problems.

    A ratio of means, not a mean of ratios. Where the mean below is less than `SMALLEST_DENOMINATOR` the ratio is None;
    resamples in which that happens, or in which a count is empty, are dropped and counted.
    """
    tried, n = int(np.count_nonzero(above[1])), int(above[1].sum())
    found = Interval(None, None, None, tried, n, None)
    if not above[1].any() or not below[1].any():
        return replace(found, reason="one of the two groups is empty")
    if below[0].sum() / below[1].sum() < SMALLEST_DENOMINATOR:
        return replace(found, reason=f"the mean below is less than {SMALLEST_DENOMINATOR:g}")
    columns = (*above, *below)
    value = float(_ratio_of_ratios(*columns))
    if tried == 1:
        return replace(found, value=value, reason="one problem cannot be resampled")
    return _resampled(_ratio_of_ratios, columns, replace(found, value=value, method=BOOTSTRAP), resampling)


def proportion(successes: int, n: int, resampling: Resampling) -> Interval:
    """The share of n problems, one trial each, with Clopper and Pearson's exact interval."""
    if n == 0:
        return missing("there is nothing to count")
    exact = stats.binomtest(successes, n).proportion_ci(resampling.confidence, method="exact")
    return Interval(successes / n, float(exact.low), float(exact.high), n, None, CLOPPER_PEARSON)


def mean_difference(differences: Float[np.ndarray, " problems"], resampling: Resampling) -> Interval:
    """The mean of paired differences in [-1, 1], one a problem, with an interval that resamples problems.

    Where all differences are one value v, at most a share u of problems (Clopper and Pearson) has another one, and
    the mean lies between v - u(1 + v) and v + u(1 - v).
    """
    n = len(differences)
    found = replace(mean(differences, np.ones(n), resampling), n_tokens=None)
    if n > 1 and np.ptp(differences) == 0:
        value, share = float(differences[0]), _rarest(n, resampling)
        low, high = value - share * (1 + value), value + share * (1 - value)
        return Interval(value, low, high, n, None, CLOPPER_PEARSON)
    return found


@dataclass(frozen=True, slots=True)
class McNemar:
    """The 2 × 2 counts of paired verdicts, and the exact two-sided p-value of the two that differ."""

    both: int
    only_base: int
    only_rl: int
    neither: int
    p_value: float


def mcnemar(base: Bool[np.ndarray, " pairs"], rl: Bool[np.ndarray, " pairs"]) -> McNemar:
    """McNemar's exact test: were the discordant pairs a fair coin? Without any, every outcome is as likely: p = 1."""
    only_base, only_rl = int((base & ~rl).sum()), int((rl & ~base).sum())
    discordant = only_base + only_rl
    p_value = float(stats.binomtest(only_rl, discordant).pvalue) if discordant else 1.0
    return McNemar(int((base & rl).sum()), only_base, only_rl, int((~base & ~rl).sum()), p_value)


def recovery(
    arm: Float[np.ndarray, " problems"],
    base: Float[np.ndarray, " problems"],
    rl: Float[np.ndarray, " problems"],
    resampling: Resampling,
) -> Interval:
    """(mean(arm) - mean(base)) / (mean(rl) - mean(base)), signed; each problem's own accuracies are resampled together.

    Undefined where the interval of rl - base contains 0 (or cannot be had). Where the arm has one end's accuracies on
    every problem, resampling has nothing to vary: then at most a share u of problems (Clopper and Pearson) would tell
    them apart, and the recovery lies within u / |rl - base| of that end's.
    """
    gain, n = mean_difference(rl - base, resampling), len(arm)
    if gain.low is None or gain.high is None or gain.value is None:
        return Interval(None, None, None, n, None, None, gain.reason)
    if gain.low <= 0 <= gain.high:
        return Interval(None, None, None, n, None, None, "the interval of rl - base contains 0")
    value = float(_recovered(arm, base, rl))
    if np.array_equal(arm, base) or np.array_equal(arm, rl):
        reach = _rarest(n, resampling) / abs(gain.value)
        return Interval(value, value - reach, value + reach, n, None, CLOPPER_PEARSON)
    return _resampled(_recovered, (arm, base, rl), Interval(value, None, None, n, None, BOOTSTRAP), resampling)


def bootstrap_p_value(differences: Float[np.ndarray, " problems"], resampling: Resampling) -> float | None:
    """Two-sided: twice the share of resampled means on the other side of 0, both shares with one added (never 0).

    None where fewer than two problems leave nothing to resample.
    """
    n = len(differences)
    if n < 2:
        return None
    means = differences[resampling.generator().integers(n, size=(resampling.resamples, n))].mean(axis=1)
    means = np.where(np.isclose(means, 0, atol=1e-12), 0, means)  # thirds that cancel are 0
    rarer = min((means <= 0).sum(), (means >= 0).sum())
    return float(min(1.0, 2 * (1 + rarer) / (1 + resampling.resamples)))


def auroc(
    scores: Float[np.ndarray, " rows"], positive: Bool[np.ndarray, " rows"], clusters: Clusters, resampling: Resampling
) -> Interval:
    """P(a positive row scores above a negative one) + half of P(equal), with an interval that resamples problems.

    Ranking all rows anew in each resample would cost too much. What is resampled is the first-order part of the
    AUROC: the mean share of negatives below a positive, plus the mean share of positives above a negative, less the
    AUROC itself (the structural components of DeLong et al. 1988, summed over clusters as in Obuchowski 1997).
    """
    p, n = int(positive.sum()), int((~positive).sum())
    if p == 0 or n == 0:
        return missing("one of the two groups is empty")
    order = np.argsort(scores, kind="stable")
    values, is_positive = scores[order], positive[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])  # of each run of equal scores
    tied = {kind: np.add.reduceat(np.int64(is_positive == kind), starts) for kind in (True, False)}
    below = {kind: np.cumsum(counts) - counts / 2 for kind, counts in tied.items()}  # half of the equal ones count
    run, share = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)])), np.empty(len(scores))
    # of the negatives, those below a positive; of the positives, those above a negative
    share[order] = np.where(is_positive, below[False][run] / n, 1 - below[True][run] / p)
    columns = tuple(clusters.sums(x) for x in (share * positive, positive, share * ~positive, ~positive))
    value = float(share[positive].mean())
    found = Interval(value, None, None, int(np.count_nonzero(columns[1])), len(scores), None)
    if found.n_problems == 1:
        return replace(found, reason="one problem cannot be resampled")
    if value in (0, 1):
        return replace(found, reason="the two groups do not overlap: there is nothing to resample")

    def first_order(a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray, axis: int = -1) -> np.ndarray:
        both = _ratio_of_sums(a, n_a, axis) + _ratio_of_sums(b, n_b, axis)
        return np.clip(both - value, 0, 1)

    return _resampled(first_order, columns, replace(found, method=BOOTSTRAP), resampling)


def _rarest(n: int, resampling: Resampling) -> float:
    """The upper Clopper-Pearson bound of a share that was 0 in n trials."""
    return float(stats.binomtest(0, n).proportion_ci(resampling.confidence, method="exact").high)


def _ratio_of_sums(totals: np.ndarray, counts: np.ndarray, axis: int = -1) -> np.ndarray:
    return totals.sum(axis) / counts.sum(axis)


def _ratio_of_ratios(a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray, axis: int = -1) -> np.ndarray:
    below = b.sum(axis) / n_b.sum(axis)
    return np.where(below < SMALLEST_DENOMINATOR, np.nan, a.sum(axis) / n_a.sum(axis) / below)


def _recovered(arm: np.ndarray, base: np.ndarray, rl: np.ndarray, axis: int = -1) -> np.ndarray | np.float64:
    return (arm.mean(axis) - base.mean(axis)) / (rl.mean(axis) - base.mean(axis))


def _resampled(statistic: Callable, columns: tuple[Sums, ...], found: Interval, resampling: Resampling) -> Interval:
    """`found` with its percentile interval; columns are resampled together, one problem being one entry of each."""
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # a resample without a denominator; see below
        distribution = stats.bootstrap(
            columns,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=resampling.resamples,
            batch=max(1, 2**20 // len(columns[0])),  # 8 MiB a column at a time, whatever the number of problems
            method="percentile",
            rng=resampling.generator(),
        ).bootstrap_distribution
    kept = distribution[np.isfinite(distribution)]
    dropped = len(distribution) - len(kept)
    if len(kept) == 0:
        return replace(found, method=None, reason="no resample had a denominator", dropped=dropped)
    low, high = np.quantile(kept, resampling.tails)
    return replace(found, low=float(low), high=float(high), dropped=dropped)
