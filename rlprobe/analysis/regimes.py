"""What longer RL did to each family of problems: pass@k at the largest k diminished, reached a plateau, or still grew.

ProRL (arXiv 2505.24864, §4) tells the three apart by looking at curves; here each has a rule, a margin and an interval
over the family's problems, and where the interval allows several regimes all of them are named.

    diminish    RL is below its base by more than the margin
    sustained   RL is above its base by more than the margin and, where a model from the middle of the training is
                given, above that one too
    plateau     anything else: nothing gained, or all of it by the middle of the training
"""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis.statistics import Interval, mean_differences
from rlprobe.settings import Resampling

REGIMES = ("diminish", "plateau", "sustained")
Gains = Float[np.ndarray, " problems"]


def regimes(
    gains: dict[str, Gains], families: pd.Series, margin: float, resampling: Resampling
) -> list[dict[str, Any]]:
    """The regime of each family, in their order: one row each, and what it rests on.

    `gains` has an entry a problem: "first" is what RL gained at k = 1, "most" at the largest k, and "late" (left out
    where no model from between is given) what it gained at the largest k since then. `families` names the problems'.
    """
    found = []
    for family in dict.fromkeys(families):
        mine = (families == family).to_numpy()
        every, _ = mean_differences(np.stack([gain[mine] for gain in gains.values()], axis=1), resampling)
        told = dict(zip(gains, every, strict=True))
        found.append({"family": family, "problems": int(mine.sum()), **told, **_regime(told, margin)})
    return found


def _regime(told: dict[str, Interval], margin: float) -> dict[str, Any]:
    """The regime of the estimates, and all that the intervals allow."""
    most, late = told["most"], told.get("late", told["most"])
    (regime,) = _allowed((most.value, most.value), (late.value, late.value), margin)
    if most.low is None or late.low is None:
        return {"regime": regime, "possible": list(REGIMES)}
    return {"regime": regime, "possible": _allowed((most.low, most.high), (late.low, late.high), margin)}


def _allowed(most: Any, late: Any, margin: float) -> list[str]:
    """The regimes of all pairs of gains that lie between these ends."""
    allowed = {
        "diminish": most[0] < -margin,
        "plateau": most[1] >= -margin and (most[0] <= margin or late[0] <= margin),
        "sustained": most[1] > margin and late[1] > margin,
    }
    return [regime for regime in REGIMES if allowed[regime]]
