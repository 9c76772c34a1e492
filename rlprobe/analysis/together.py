"""Many means over the same problems at once: what `statistics.mean` and `rate` give one by one, in a matrix product.

Every number is resampled with the same draws of problems as there, so the intervals are the same ones. Knows no tables.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from rlprobe.analysis.statistics import BOOTSTRAP, Interval, mean, rate
from rlprobe.settings import Resampling

Columns = Float[np.ndarray, "problems columns"]  # one statistic a column, its sum over one problem an entry


def rates(events: Columns, among: Columns, resampling: Resampling) -> list[Interval]:
    """`rate` of each column: events per token."""
    return [rate(e, a, resampling) for e, a in zip(events.T, among.T, strict=True)]


def means(totals: Columns, counts: Columns, resampling: Resampling) -> list[Interval]:
    """`mean` of each column: Σ totals / Σ counts, with an interval that resamples problems."""
    found = [mean(t, c, resampling) if _is_special(c) else None for t, c in zip(totals.T, counts.T, strict=True)]
    return _filled(found, totals, counts, resampling)


def _is_special(counts: np.ndarray) -> bool:
    """Nothing to resample: the plain functions say why."""
    return int(np.count_nonzero(counts)) < 2


def _filled(found: list[Interval | None], above: Columns, below: Columns, resampling: Resampling) -> list[Interval]:
    """`found`, with the intervals of the columns that have none yet."""
    open_ = [i for i, interval in enumerate(found) if interval is None]
    ratios = _resampled(above[:, open_], below[:, open_], resampling)
    by_column = {
        i: _interval(above[:, i], below[:, i], ratio, resampling) for i, ratio in zip(open_, ratios.T, strict=True)
    }
    return [by_column[i] if interval is None else interval for i, interval in enumerate(found)]


def _interval(above: np.ndarray, below: np.ndarray, ratios: np.ndarray, resampling: Resampling) -> Interval:
    tried, n = int(np.count_nonzero(below)), int(below.sum())
    whole = Interval(float(above.sum() / below.sum()), None, None, tried, n, BOOTSTRAP)
    kept = ratios[np.isfinite(ratios)]
    if not len(kept):
        return replace(whole, method=None, reason="no resample had a denominator", dropped=len(ratios))
    low, high = np.quantile(kept, resampling.tails)
    return replace(whole, low=float(low), high=float(high), dropped=len(ratios) - len(kept))


def _resampled(above: Columns, below: Columns, resampling: Resampling) -> Float[np.ndarray, "resamples columns"]:
    """The ratio of sums of each column in each resample; nan or infinite where it had no denominator."""
    generator, n = resampling.generator(), len(above)
    at_once = max(1, 2**20 // n)
    parts = []
    for start in range(0, resampling.resamples, at_once):
        drawn = generator.integers(n, size=(min(at_once, resampling.resamples - start), n))
        times = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts.append((times @ above) / (times @ below))
    return np.concatenate(parts)
