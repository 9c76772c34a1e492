"""The marked rows of one text, and sums over the rows of each of its problems. Knows no disk and no models."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from rlprobe.analysis.classes import CLASSES
from rlprobe.analysis.statistics import Clusters, Interval, Sums, mean, rate
from rlprobe.settings import Resampling

Mask = Bool[np.ndarray, " rows"]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """The marked rows of one arm, which problem each of them belongs to, and the names of the problems, in order."""

    rows: pd.DataFrame
    clusters: Clusters
    resampling: Resampling
    problems: np.ndarray

    def mask(self, column: str) -> Mask:
        """A yes-or-no column, or membership in the class of that name."""
        if column in CLASSES:
            return (self.rows["class"] == column).to_numpy(dtype=bool)
        return self.rows[column].to_numpy(dtype=bool)

    def rate(self, events: Mask, among: Mask, of: Callable = rate) -> Interval:
        """The share of the rows `among` that are `events`; `of` is rate (per token) or macro_rate (per problem)."""
        return of(self.clusters.sums(events & among), self.clusters.sums(among), self.resampling)

    def totals(self, column: str, among: Mask) -> tuple[Sums, Sums]:
        """Per problem the sum of a column over the rows `among`, and the number of those rows."""
        values = np.where(among, self.rows[column].to_numpy(dtype=np.float64), 0.0)
        return self.clusters.sums(values), self.clusters.sums(among)

    def mean(self, column: str, among: Mask) -> Interval:
        """The mean of a column over the rows `among`."""
        return mean(*self.totals(column, among), self.resampling)
