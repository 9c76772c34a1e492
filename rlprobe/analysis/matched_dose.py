"""The difference in accuracy between two signals at matched dose, where neither was realised at the dose wanted.

A signal was decoded at a few thresholds: the knots of its curve. Over the problems it is told for, knot j has a
realised dose x_j and an accuracy a_j; the first knot is the host alone, with dose 0. The dose is what a share of tokens
was changed, relative to a `whole`: the oracle's own share on the same problems, or 1. Between neighbouring knots, in
the order of their doses, accuracy is taken to be linear in the dose, and beyond the last one it is not known:

    A(d) = a_j + (a_k - a_j) · (d - x_j) / (x_k - x_j)    for x_j ≤ d ≤ x_k, k the next knot
    D(t) = A_first(d) - A_other(d),    d = min(t, max x_first, max x_other)

is the difference at the wanted dose t; over several t it is the mean of D(t). Each resample of problems gives doses,
order and accuracies anew, and D from them. So what a calibration missed on other problems moves no difference where
accuracy is linear between knots, and what a realised dose is uncertain by is in the interval. Where accuracy bends, the
straight line is off by at most (x_k - x_j)²/8 times its second derivative. Knows no tables and no signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from rlprobe.analysis.statistics import BOOTSTRAP, Interval, mean_difference, missing
from rlprobe.settings import Resampling

TEST = "paired bootstrap at matched dose"
PerKnot = Float[np.ndarray, "knots problems"]
PerProblem = Float[np.ndarray, " problems"]


@dataclass(frozen=True, slots=True)
class Knots:
    """What a signal did at each threshold, the host alone first: changed tokens, tokens, share of right answers."""

    changed: PerKnot
    tokens: PerKnot
    right: PerKnot


@dataclass(frozen=True, slots=True)
class Matched:
    """Doses and differences at the wanted doses: of the problems themselves in row 0, below it of the resamples."""

    at: Float[np.ndarray, "rows wanted"]
    differences: Float[np.ndarray, "rows wanted"]
    n_problems: int

    def over(self, wanted: Sequence[int], resampling: Resampling) -> tuple[Interval, float | None]:
        """The mean difference over some of the wanted doses (their numbers), and its two-sided p-value.

        The p-value is twice the share of resamples on the other side of 0, both shares with one added. Where no
        resample differs, the interval is that of problems that are all alike (`statistics.mean_difference`).
        """
        if not self.n_problems:
            return missing("no problem has every verdict"), None
        means = self.differences[:, list(wanted)].mean(axis=1)
        value, resampled = float(means[0]), means[1:][np.isfinite(means[1:])]
        if not np.isfinite(value):
            return missing("nothing is edited on these problems, which leaves no dose"), None
        dropped = len(means) - 1 - len(resampled)
        found = Interval(value, None, None, self.n_problems, None, BOOTSTRAP, dropped=dropped)
        if self.n_problems == 1:
            return replace(found, method=None, reason="one problem cannot be resampled"), None
        resampled = np.where(np.isclose(resampled, 0, atol=1e-12), 0, resampled)
        rarer = min((resampled <= 0).sum(), (resampled >= 0).sum())
        p_value = float(min(1.0, 2 * (1 + rarer) / (1 + len(resampled))))
        if np.ptp(resampled) < 1e-12:
            return mean_difference(np.full(self.n_problems, value), resampling), p_value
        low, high = np.quantile(resampled, resampling.tails)
        return replace(found, low=float(low), high=float(high)), p_value


def match(
    first: Knots, other: Knots, whole: tuple[PerProblem, PerProblem], wanted: Sequence[float], resampling: Resampling
) -> Matched:
    """Both signals on the same problems at the `wanted` doses; `whole` is (changed tokens, tokens) of dose 1."""
    n = first.right.shape[1]
    if not n:
        return Matched(np.empty((1, len(wanted))), np.empty((1, len(wanted))), 0)
    times = resampling.generator().multinomial(n, np.full(n, 1 / n), resampling.resamples)
    times = np.vstack([np.ones(n), times])  # how often each problem is drawn: (1 + resamples, problems)
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = (times @ whole[0]) / (times @ whole[1])
        unit[unit == 0] = np.nan  # a resample in which the oracle edits nothing has no doses
        curves = [_curve(knots, times, unit) for knots in (first, other)]
        reached = np.minimum(*(doses[:, -1] for doses, _ in curves))
        at = np.minimum(np.asarray(wanted)[None, :], reached[:, None])  # (1 + resamples, wanted)
        mine, theirs = (_along(doses, accuracies, at) for doses, accuracies in curves)
    return Matched(at, mine - theirs, n)


def _curve(knots: Knots, times: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Doses in ascending order and their accuracies: (1 + resamples, knots) each."""
    doses = (times @ knots.changed.T) / (times @ knots.tokens.T) / unit[:, None]
    accuracies = (times @ knots.right.T) / times.sum(axis=1, keepdims=True)
    order = np.argsort(doses, axis=1, kind="stable")
    return np.take_along_axis(doses, order, axis=1), np.take_along_axis(accuracies, order, axis=1)


def _along(doses: np.ndarray, accuracies: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Piecewise linear interpolation, row by row, between the knots around each dose."""
    right = (doses[:, None, :] < at[:, :, None]).sum(axis=2).clip(1, doses.shape[1] - 1)
    (x0, x1), (a0, a1) = (
        [np.take_along_axis(values, side, axis=1) for side in (right - 1, right)] for values in (doses, accuracies)
    )
    return a0 + (a1 - a0) * np.where(x1 == x0, 1.0, (at - x0) / (x1 - x0))
