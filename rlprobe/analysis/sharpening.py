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

from rlprobe.analysis.classes import CLASSES
from rlprobe.analysis.statistics import Interval, Sums, explained_by_one, mean
from rlprobe.analysis.texts import Of, Text, every_row, in_class, only
from rlprobe.settings import Resampling

COLUMNS = ("acceptance", "varentropy_base", "delta_variance", "sharpening", "sharpening_r2")
PARTS: dict[str, Of] = {"all": every_row, **{name: in_class(name) for name in CLASSES}}


def sharpening(text: Text, resampling: Resampling) -> dict[str, dict[str, Any]]:
    """By class, and of all positions: the line, and how often a token that one model draws is taken for the other's.

    `slope` is β - 1 and `r2_one` the share of the variance of Δ log p that it explains, one β for all; `r2_own` the
    share with a β for each position; `r2` the mean of the positions' own shares, each position counting alike.
    `without` counts positions where the base leaves no line to fit, or RL nothing to explain: they are in no `r2`.
    """
    return {name: _line(text, kept, resampling) for name, kept in PARTS.items()}


def _line(text: Text, kept: Of, resampling: Resampling) -> dict[str, Any]:
    """The same of the rows `kept`."""

    def known(rows: Text) -> np.ndarray:
        return kept(rows) & ~np.isnan(rows.rows["sharpening_r2"])

    # over the positions of each problem: how many; variance, covariance, variance, and of the last what is explained
    size, read, across, both, along, explained, shares, accepted = text.sums(
        *(kept, known, only(known, "varentropy_base"), only(known, "sharpening", "varentropy_base")),
        *(only(known, "delta_variance"), only(known, "sharpening_r2", "delta_variance")),
        *(only(known, "sharpening_r2"), only(kept, "acceptance")),
    )
    tokens, n = int(size.sum()), int(read.sum())

    def weighted(totals: Sums, weights: Sums) -> Interval:
        return replace(mean(totals, weights, resampling), n_tokens=n)  # weights are no counts

    return {
        "tokens": tokens,
        "without": tokens - n,
        "slope": weighted(both, across),
        "r2_one": replace(explained_by_one(across, both, along, resampling), n_tokens=n),
        "r2_own": weighted(explained, along),
        "r2": mean(shares, read, resampling),
        "acceptance": mean(accepted, size, resampling),
    }
