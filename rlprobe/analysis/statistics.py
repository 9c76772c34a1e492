"""Intervals that belong to their clusters, and the few tests that go with them.

Tokens of one problem are not independent, so problems are what is resampled: every function here takes sums that
were made per problem, one entry a problem. A number that cannot be had is None with a reason, never 0 and never nan.
Knows nothing of tables, classes or models.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, Num
from scipy import special, stats

from rlprobe.analysis import streams
from rlprobe.settings import Resampling

Sums = Num[np.ndarray, " problems"]  # one entry a problem: a count of its tokens, or a sum over them

SMALLEST_DENOMINATOR = 1e-6  # nats; a mean entropy below it is float noise, and a ratio over it says nothing


@dataclass(frozen=True, slots=True)
class Interval:
    """A number with its interval and with what it was counted on.

    `value` is None where there is nothing to count, `low` and `high` where no interval can be had; `reason` says why.
    `n_problems` and `n_tokens` are those of the denominator (n_tokens is None where responses are counted, not tokens).
    `method` is one of the names below, or None. `dropped` counts the resamples that had no denominator.
    `n_units` is what a rate is a share of (tokens, responses, places). Where none of them, or all, is an event, `low`
    and `high` hold if the units were independent, and `problems_bound` is what needs no such thing: at most that share
    of *problems* has one (or has another). It is a share of problems and never stands for a share of tokens.
    """

    value: float | None
    low: float | None
    high: float | None
    n_problems: int
    n_tokens: int | None
    method: str | None
    reason: str | None = None
    dropped: int = 0
    n_units: int | None = None
    problems_bound: float | None = None


def missing(reason: str) -> Interval:
    """The interval of a number that could not be measured at all."""
    return Interval(None, None, None, 0, None, None, reason)


BOOTSTRAP, CLOPPER_PEARSON = "bootstrap over problems", "Clopper-Pearson over problems"
KORN_GRAUBARD = "Korn-Graubard over problems"
INDEPENDENT = "Clopper-Pearson, if tokens were independent"
FIELLER = "Fieller over problems"


@dataclass(frozen=True, slots=True)
class Clusters:
    """Which of `n` problems each row of a table belongs to. A problem may have no row."""

    codes: Int[np.ndarray, " rows"]
    n: int

    def sums(
        self, values: Num[np.ndarray, " rows"] | Bool[np.ndarray, " rows"], before: Sums | None = None
    ) -> Float[np.ndarray, " problems"]:
        """The sum of a column over the rows of each problem, in float64; `before` is what earlier rows came to.

        However rows are cut into stretches, the sums are the same to the bit: a row is added to those before it.
        """
        if before is not None:
            codes, values = np.r_[np.arange(self.n), self.codes], np.r_[before, values]
            return np.bincount(codes, weights=values, minlength=self.n).astype(np.float64)
        return np.bincount(self.codes, weights=values, minlength=self.n).astype(np.float64)  # int64 without rows


# what starts rows anew, in stretches: their scores, which are positive, and the problems that they belong to
Scored = Callable[[], Iterable[tuple[np.ndarray, np.ndarray, Clusters]]]


def rate(events: Sums, among: Sums, resampling: Resampling) -> Interval:
    """Events per token (micro), with Korn and Graubard's interval: one rule from one event to all but one.

    Clopper and Pearson's interval with the tokens that would be worth as much if they were independent: their number
    over the design effect (the variance of the rate between problems, over that of independent tokens), less what so
    few problems say of a variance (t quantiles), and never more than there are. So it is never narrower than if tokens
    were independent, which is the interval where no token or every token is an event: it does not jump there.
    A percentile bootstrap would end at 0 with few events, and covers less (`figures/coverage_rates.md`).
    """
    total = float(among.sum())
    value = float(events.sum() / total) if total else None
    return _share(value, (events - (value or 0) * among) / (total or 1), (events, among), resampling)


def macro_rate(events: Sums, among: Sums, resampling: Resampling) -> Interval:
    """The mean over problems of each problem's own rate (macro); a problem without tokens has none and is left out."""
    tried = among > 0
    value = float((events[tried] / among[tried]).mean()) if tried.any() else None
    own = np.where(tried, events / np.maximum(among, 1) - (value or 0), 0.0)
    return _share(value, own / max(1, np.count_nonzero(tried)), (events, among), resampling)


def _share(value: float | None, pulls: Sums, sums: tuple[Sums, Sums], resampling: Resampling) -> Interval:
    """Korn and Graubard's interval of a rate `value`; `pulls`: by how much each problem draws it to its side."""
    events, among = sums
    tried, n = int(np.count_nonzero(among)), int(among.sum())
    found = Interval(value, None, None, tried, n, None, n_units=n)
    if tried < 2:
        return replace(found, reason="one problem cannot be resampled" if tried else "there is nothing to count")
    if not events.any() or np.array_equal(events, among):
        return _unseen(found, resampling)
    assert value is not None  # there is something to count
    spread = float((pulls**2).sum()) * tried / (tried - 1)  # the variance of the rate between problems
    worth = (n / (n - 1)) * value * (1 - value) / spread if spread > 0 else np.inf
    few = special.stdtrit([n - 1, tried - 1], resampling.tails[1])
    worth = min(n, worth * (few[0] / few[1]) ** 2)
    hits = value * worth
    low = special.betaincinv(hits, worth - hits + 1, resampling.tails[0])
    high = special.betaincinv(hits + 1, worth - hits, resampling.tails[1])
    return replace(found, low=float(low), high=float(high), method=KORN_GRAUBARD)


def _unseen(found: Interval, resampling: Resampling) -> Interval:
    """A rate of 0 (or 1), seen from either side: of tokens if they were independent, and of problems in any case."""
    assert found.value is not None
    assert found.n_units is not None
    reach = _rarest(found.n_units, resampling)
    low, high = max(0.0, found.value - reach), min(1.0, found.value + reach)
    if found.n_units == found.n_problems:  # one a problem: the two bounds are the same
        return replace(found, low=low, high=high, method=CLOPPER_PEARSON)
    bound = _rarest(found.n_problems, resampling)
    return replace(found, low=low, high=high, method=INDEPENDENT, problems_bound=bound)


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

    Where every problem's own difference is one value, so would every resample's be: then the interval is that of
    `mean_difference` if tokens were independent, and at most `problems_bound` of problems have another difference.
    """
    tried = among > 0
    own = (events - others)[tried] / among[tried]
    if len(own) > 1 and np.ptp(own) == 0:
        n, value = int(among.sum()), float(own[0])
        low, high = _around(value, _rarest(n, resampling))
        bound = _rarest(len(own), resampling)
        return Interval(value, low, high, len(own), n, INDEPENDENT, n_units=n, problems_bound=bound)
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


def explained_by_one(across: Sums, both: Sums, along: Sums, resampling: Resampling) -> Interval:
    """(Σ both)² / (Σ across · Σ along): the share of a variance that one slope explains for all, problems resampled.

    `across` and `along` are sums of squares of what stands on either axis, `both` of their products.
    """
    tried = int(np.count_nonzero(along))
    found = Interval(None, None, None, tried, None, None)
    if not across.any() or not along.any():
        return replace(found, reason="there is nothing to explain")
    found = replace(found, value=float(_share_of_one(across, both, along)))
    if tried == 1:
        return replace(found, reason="one problem cannot be resampled")
    return _resampled(_share_of_one, (across, both, along), replace(found, method=BOOTSTRAP), resampling)


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
    if n > 1 and np.ptp(differences) == 0:
        value = float(differences[0])
        return Interval(value, *_around(value, _rarest(n, resampling)), n, None, CLOPPER_PEARSON)
    return replace(mean(differences, np.ones(n), resampling), n_tokens=None)


def mean_differences(
    differences: Float[np.ndarray, "problems columns"], resampling: Resampling
) -> tuple[list[Interval], list[float | None]]:
    """`mean_difference` and `bootstrap_p_value` of every column, by the same resamples of the problems for all."""
    n, columns = differences.shape
    if n < 2:
        return [mean_difference(column, resampling) for column in differences.T], [None] * columns
    intervals, p_values = list[Interval](), list[float | None]()
    step = max(1, 2**24 // resampling.resamples)  # 128 MiB of means at a time
    for some in (differences[:, start : start + step] for start in range(0, columns, step)):
        means = resampled_means(some, resampling)
        ends = np.quantile(means, resampling.tails, axis=0).T.tolist()
        values, same = some.mean(axis=0).tolist(), np.ptp(some, axis=0) == 0
        intervals += [
            mean_difference(some[:, i], resampling) if same[i] else Interval(value, low, high, n, None, BOOTSTRAP)
            for i, (value, (low, high)) in enumerate(zip(values, ends, strict=True))
        ]
        p_values += [_two_sided(means[:, i], some[:, i]) for i in range(some.shape[1])]
    return intervals, p_values


def resampled_means(
    columns: Float[np.ndarray, "problems columns"], resampling: Resampling
) -> Float[np.ndarray, "resamples columns"]:
    """The mean of each column over each resample of the problems: a product with how often each problem was picked."""
    n, rng = len(columns), resampling.generator()
    found, step = np.empty((resampling.resamples, columns.shape[1])), max(1, 2**20 // n)
    for start in range(0, len(found), step):
        rows = min(step, len(found) - start)
        picked = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(picked.ravel(), minlength=rows * n).reshape(rows, n)
        found[start : start + rows] = times.astype(np.float64) @ columns / n
    return found


def _around(value: float, share: float) -> tuple[float, float]:
    """Where a mean in [-1, 1] lies if at most this share of what it is taken over is not `value`."""
    return value - share * (1 + value), value + share * (1 - value)


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
    """(mean(arm) - mean(base)) / (mean(rl) - mean(base)), signed, with Fieller's interval of a ratio of paired means.

    Undefined where an interval of rl - base contains 0 (or cannot be had): Fieller's own is unbounded exactly where
    that of Student's t does. Where the arm has one end's accuracies on every problem, nothing varies: then at most a
    share u of problems (Clopper and Pearson) would tell them apart, and the recovery lies within u / |rl - base| of
    that end's. Coverage for few problems and small gains: `figures/coverage_recovery.md`.
    """
    gain, n = mean_difference(rl - base, resampling), len(arm)
    if gain.low is None or gain.high is None or gain.value is None:
        return Interval(None, None, None, n, None, None, gain.reason)
    ends = _fieller(arm - base, rl - base, resampling)
    if gain.low <= 0 <= gain.high or ends is None:
        return Interval(None, None, None, n, None, None, "the interval of rl - base contains 0")
    value = float((arm - base).mean() / (rl - base).mean())
    if np.array_equal(arm, base) or np.array_equal(arm, rl):
        reach = _rarest(n, resampling) / abs(gain.value)
        return Interval(value, value - reach, value + reach, n, None, CLOPPER_PEARSON)
    return Interval(value, *ends, n, None, FIELLER)


def _fieller(above: Sums, below: Sums, resampling: Resampling) -> tuple[float, float] | None:
    """Where mean(above) - r mean(below) may be 0, by Student's t; None where that is no interval."""
    n = len(below)
    (va, vab), (_, vb) = np.cov(above, below) / n
    reach = float(special.stdtrit(n - 1, resampling.tails[1])) ** 2
    top, bottom = above.mean(), below.mean()
    a, b, c = bottom**2 - reach * vb, top * bottom - reach * vab, top**2 - reach * va  # a r² - 2 b r + c <= 0
    if a <= 0:
        return None
    root = np.sqrt(max(0.0, b * b - a * c))  # float noise alone can make it negative: r = the ratio fits always
    return float((b - root) / a), float((b + root) / a)


def bootstrap_p_value(differences: Float[np.ndarray, " problems"], resampling: Resampling) -> float | None:
    """Two-sided: twice the share of resampled means on the other side of 0, both shares with one added (never 0).

    Never below what the sign test has where all problems that differ do so one way: m of them cannot show less than
    2 ** (1 - m), however often they are resampled. None where fewer than two problems leave nothing to resample.
    """
    if len(differences) < 2:
        return None
    return _two_sided(resampled_means(differences[:, None], resampling)[:, 0], differences)


def _two_sided(means: Float[np.ndarray, " resamples"], differences: Float[np.ndarray, " problems"]) -> float:
    means = np.where(np.isclose(means, 0, atol=1e-12), 0, means)  # thirds that cancel are 0
    rarer = min((means <= 0).sum(), (means >= 0).sum())
    floor = 2.0 ** (1 - np.count_nonzero(differences))
    return float(min(1.0, max(floor, 2 * (1 + rarer) / (1 + len(means)))))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (1979): the chance of any false finding among all of them stays below the level."""
    order, adjusted, largest = np.argsort(p_values), [0.0] * len(p_values), 0.0
    for place, which in enumerate(order.tolist()):
        largest = max(largest, min(1.0, (len(order) - place) * p_values[which]))
        adjusted[which] = largest
    return adjusted


def auroc(
    scores: Float[np.ndarray, " rows"], positive: Bool[np.ndarray, " rows"], clusters: Clusters, resampling: Resampling
) -> Interval:
    """P(a positive row scores above a negative one) + half of P(equal), with an interval that resamples problems.

    Ranking all rows anew in each resample would cost too much. What is resampled is the first-order part of the
    AUROC: the mean share of negatives below a positive, plus the mean share of positives above a negative, less the
    AUROC itself (the structural components of DeLong et al. 1988, summed over clusters as in Obuchowski 1997).
    """
    return streamed_auroc(lambda: [(scores, positive, clusters)], clusters.n, resampling)


def streamed_auroc(stream: Scored, n_problems: int, resampling: Resampling) -> Interval:
    """`auroc` of rows that come in stretches: a function that starts them anew, each with its scores and labels."""
    p = n = 0
    for _, positive, _ in stream():
        p, n = p + int(positive.sum()), n + int((~positive).sum())
    if p == 0 or n == 0:
        return missing("one of the two groups is empty")
    columns = tuple(np.zeros(n_problems) for _ in range(4))

    def of_positives() -> Iterator[np.ndarray]:
        told = streams.shares(lambda: ((scores, positive) for scores, positive, _ in stream()), p, n)
        for (_, positive, clusters), share in zip(stream(), told, strict=True):
            for column, values in zip(columns, (share * positive, positive, share * ~positive, ~positive), strict=True):
                column[:] = clusters.sums(values, column)
            yield share[positive]

    value = streams.total(of_positives(), p) / p
    return _first_order(value, columns, p + n, resampling)


def _first_order(value: float, columns: tuple[Sums, ...], rows: int, resampling: Resampling) -> Interval:
    """An AUROC with its interval, from each problem's shares of positives and of negatives, and their numbers."""
    found = Interval(value, None, None, int(np.count_nonzero(columns[1])), rows, None)
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


def _share_of_one(across: np.ndarray, both: np.ndarray, along: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.asarray(both.sum(axis) ** 2 / (across.sum(axis) * along.sum(axis)))


def _ratio_of_ratios(a: np.ndarray, n_a: np.ndarray, b: np.ndarray, n_b: np.ndarray, axis: int = -1) -> np.ndarray:
    below = b.sum(axis) / n_b.sum(axis)
    return np.where(below < SMALLEST_DENOMINATOR, np.nan, a.sum(axis) / n_a.sum(axis) / below)


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
