"""How few positions hold what changed: shares of the divergence, and whether both models waver at the same places.

Which positions are the top ones depends on the sample. The intervals allow for that to first order: a resample moves
the threshold, and what crosses it weighs as much as the threshold itself (as in inference for Lorenz curves).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rlprobe.analysis.statistics import Interval, Sums, mean, missing, rate
from rlprobe.analysis.streams import at_ranks
from rlprobe.analysis.texts import Text
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

SHARES = (0.01, 0.05, 0.2)
FORKS = 0.2  # the share of positions of highest entropy; arXiv 2506.01939 finds at least 87 % of them in both models


def divergence_share(text: Text, resampling: Resampling) -> dict[str, Any]:
    """KL(π_RL ‖ π_base): its mean (nats), and the share of its sum at the top positions and at the disagreements."""
    tops = {f"{share:g}": _top(text, "kl_rl_base", share) for share in SHARES}
    kl, rows, differing, disagreeing, *linearised = text.sums(
        _kl,
        lambda rows: np.ones(len(rows)),
        lambda rows: _kl(rows) != 0,
        lambda rows: np.where(rows.disagrees, _kl(rows), 0.0),
        *(_linearised(top) for top in tops.values()),
    )

    def share(part: Sums) -> Interval:
        if not differing.any():
            return missing("the two models do not differ at any position")
        return replace(mean(part, kl, resampling), n_tokens=len(text))

    return {
        "mean": mean(kl, rows, resampling),
        "top": {name: share(part) for name, part in zip(tops, linearised, strict=True)},
        "at_disagreements": share(disagreeing),
    }


def entropy_overlap(text: Text, resampling: Resampling) -> Interval:
    """Of the 20 % of positions where the base's entropy is highest: the share that is among RL's 20 % too.

    The interval holds the two thresholds fixed.
    """
    tops = [_top(text, f"entropy_{m}", FORKS) for m in MEMBERS]
    base, rl, alone = *(top.begun() for top in tops), tops[0].begun()
    both, of_base = text.sums(lambda rows: base(rows) & rl(rows), alone)
    return rate(both, of_base, resampling)


def _kl(rows: Text) -> Float[np.ndarray, " rows"]:
    return rows.numbers("kl_rl_base")


def _linearised(top: "_Top") -> Callable[[Text], Float[np.ndarray, " rows"]]:
    """Adds up to the divergence at the top positions; resampled, also to what a moved threshold lets in or out."""
    inside, mean = top.begun(), top.count / top.among

    def of(rows: Text) -> Float[np.ndarray, " rows"]:
        here = inside(rows)
        return _kl(rows) * here - top.threshold * (here - mean)

    return of


@dataclass(frozen=True)
class _Top:
    """The `count` largest values of a column among `among`; of those equal to the smallest of them the first `ties`."""

    column: str
    threshold: float
    count: int
    among: int
    ties: int

    def begun(self) -> Callable[[Text], Bool[np.ndarray, " rows"]]:
        """Which rows are among them, for a way through the text from its begin on."""
        left = self.ties

        def inside(rows: Text) -> Bool[np.ndarray, " rows"]:
            nonlocal left
            values = rows.numbers(self.column)
            equal = np.flatnonzero(values == self.threshold)[:left]
            left -= len(equal)
            here = values > self.threshold
            here[equal] = True
            return here

        return inside


def _top(text: Text, column: str, share: float) -> _Top:
    """The largest values, as many as the share says and at least one; of equal ones, those that come first."""
    n = len(text)
    count = max(1, round(share * n))
    (found,) = at_ranks(lambda: ((rows.numbers(column),) for rows in text.stretches()), [[n - count]])
    threshold = float(found[0])
    above = sum(int((rows.numbers(column) > threshold).sum()) for rows in text.stretches())
    return _Top(column, threshold, count, n, count - above)
