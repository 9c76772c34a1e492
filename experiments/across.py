"""One number measured on several pairs: its mean, with pairs and training seeds as levels above problems.

Seeds of RL share their base, and pairs may share their problems; a claim about pairs in general rests on how many bases
it was seen on, not on how many problems or seeds. Knows no tables and no files.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from rlprobe.analysis.statistics import Interval, missing

OVER_BASES, OVER_SEEDS = "t over bases, seeds averaged", "t over seeds of one base"


@dataclass(frozen=True, slots=True)
class OnPair:
    """What was measured on a pair, and the base that its RL model was trained from."""

    base: str
    ours: Interval


def over_pairs(found: Sequence[OnPair], confidence: float = 0.95) -> Interval:
    """The mean over bases of the mean over their seeds, with an interval for other bases; of one base, for other seeds.

    Its variance is that of the means of the G bases (of the G seeds, where there is one base) over G, plus the mean
    variance that the problems leave in one number, which all pairs may share: they answer the same problems, and seeds
    have the same base's answers. So it is wide enough whether they are shared or not. Student's t, G - 1 degrees of
    freedom. Missing where it was measured on fewer than two pairs: one pair says nothing of another.
    """
    known = [each for each in found if each.ours.value is not None]
    if len(known) < 2:
        return missing(f"it was measured on {len(known)} pairs")
    bases = list(dict.fromkeys(each.base for each in known))
    groups = [[value(each) for each in known if each.base == base] for base in bases]
    units = np.array(groups[0] if len(bases) == 1 else [np.mean(group) for group in groups])
    reach = stats.norm.ppf((1 + confidence) / 2)
    of_problems = np.mean([((each.ours.high or 0) - (each.ours.low or 0)) ** 2 for each in known]) / (2 * reach) ** 2
    spread = math.sqrt(units.var(ddof=1) / len(units) + of_problems)
    half = float(stats.t.ppf((1 + confidence) / 2, len(units) - 1)) * spread
    middle = float(units.mean())
    problems = max(each.ours.n_problems for each in known)
    method = OVER_SEEDS if len(bases) == 1 else OVER_BASES
    return Interval(middle, middle - half, middle + half, problems, None, method)


def value(each: OnPair) -> float:
    """The number that is known to be there."""
    assert each.ours.value is not None
    return each.ours.value
