"""Does RL say what its base says, only more sharply? How far Δ log p is a straight line in the base's own log p.

A base that were raised to the power β (all its logits times β) would have Δ log p(v) = (β - 1) log p_base(v) + const at
every position. What the token table holds of the line that fits best at each position becomes shares here, in two
readings: one β for all positions, as a lower temperature would have, and a β for each. Any two tokens lie on a line:
where the base wavers between two of them, much is explained of whatever RL did. Knows no vocabulary and no disk.

    Reasoning with sampling     arXiv 2510.14901: the power p^α as what sharpening alone can do
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from rlprobe.analysis.classes import CLASSES
from rlprobe.analysis.statistics import Interval, Sums, explained_by_one, mean
from rlprobe.analysis.trajectory import Mask, Trajectory

COLUMNS = ("acceptance", "varentropy_base", "delta_variance", "sharpening", "sharpening_r2")
ALL = "all"


def sharpening(rows: Trajectory) -> dict[str, dict[str, Any]]:
    """By class, and of all positions: the line, and how often a token that one model draws is taken for the other's.

    `slope` is β - 1 and `r2_one` the share of the variance of Δ log p that it explains, one β for all; `r2_own` the
    share with a β for each position; `r2` the mean of the positions' own shares, each position counting alike.
    `without` counts positions where the base leaves no line to fit, or RL nothing to explain: they are in no `r2`.
    """
    return {name: _line(rows, np.ones(len(rows.rows), bool) if name == ALL else rows.mask(name)) for name in _PARTS}


_PARTS = (ALL, *CLASSES)


def _line(rows: Trajectory, kept: Mask) -> dict[str, Any]:
    """The same of the rows `kept`."""
    slopes, shares = (_numbers(rows, name) for name in ("sharpening", "sharpening_r2"))
    across, along = (_numbers(rows, name) for name in ("varentropy_base", "delta_variance"))
    known = kept & ~np.isnan(shares)
    sums = [
        rows.clusters.sums(np.where(known, column, 0.0)) for column in (across, slopes * across, along, shares * along)
    ]  # over the positions of each problem: variance, covariance, variance, and of the last what is explained
    n = int(known.sum())
    return {
        "tokens": int(kept.sum()),
        "without": int(kept.sum()) - n,
        "slope": _weighted(sums[1], sums[0], n, rows),
        "r2_one": replace(explained_by_one(sums[0], sums[1], sums[2], rows.resampling), n_tokens=n),
        "r2_own": _weighted(sums[3], sums[2], n, rows),
        "r2": rows.mean("sharpening_r2", known),
        "acceptance": rows.mean("acceptance", kept),
    }


def _weighted(totals: Sums, weights: Sums, n: int, rows: Trajectory) -> Interval:
    """A mean whose weights are no counts: it is told what it was counted on."""
    return replace(mean(totals, weights, rows.resampling), n_tokens=n)


def _numbers(rows: Trajectory, name: str) -> Float[np.ndarray, " rows"]:
    return rows.rows[name].to_numpy(dtype=np.float64)
