"""A logistic gate on what the host alone says: which numbers it reads, and what they weigh.

The same sum serves the columns of a token table (NumPy) and the logits of a decoding (torch), so that a threshold that
was read off the one means the same in the other. Knows neither where the numbers come from nor how weights are found.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from rlprobe.records import TOP

FEATURES = ("entropy", "margin", *(f"top_logprob_{i}" for i in range(1, TOP + 1)), "log_position")

Column = TypeVar("Column")  # of NumPy or of torch: one number a position


@dataclass(frozen=True, slots=True)
class Learned:
    """One weight for each of `FEATURES`, which it speaks of in standard deviations from the mean.

    entropy, margin and the log-probabilities of the five best tokens are nats; log_position is log(1 + position).
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "Learned":
        """From a dictionary that JSON held; what else is in it is left alone."""
        means, scales, weights = (tuple(saved[name]) for name in ("means", "scales", "weights"))
        return cls(means, scales, weights, saved["intercept"])

    def log_odds(self, columns: Sequence[Column]) -> Column:
        """Of "the two models disagree here", from the columns of `FEATURES`: 0 is even, natural logarithm."""
        total = self.intercept + 0 * columns[0]  # type: ignore[operator]
        for column, mean, scale, weight in zip(columns, self.means, self.scales, self.weights, strict=True):
            total = total + (column - mean) * (weight / scale)  # type: ignore[operator]
        return total

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that stand for these weights in the name of an arm."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:8]
