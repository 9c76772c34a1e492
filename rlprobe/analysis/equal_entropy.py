"""RL alone, as spread out as a published arm: how much of what the arm does is only that it is sharper than RL?

A fresh draw of RL's after a rejection makes an arm say RL's best token oftener than RL does. So beside the arm stands
RL at the temperature at which its mean entropy is the arm's: found on one half of the problems, told for the other.
Knows no models: entropies come from a function that it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rlprobe.analysis.statistics import Interval, bootstrap_p_value, mean_difference, missing
from rlprobe.records import Status
from rlprobe.settings import Reading

TOLERANCE = 0.02  # of the entropy wanted
WARMEST = 4.0  # temperature


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with: `temperature` is None where none was found, and `reason` says why."""

    wanted: float  # nats a token
    temperature: float | None
    reached: float | None  # by the temperature tried that came nearest
    decodes: int
    reason: str | None = None


def search(wanted: float, entropy_at: Callable[[float], float], most: int) -> Found:
    """The temperature whose entropy is within a fiftieth of `wanted`; entropies rise with the temperature.

    Between the nearest two tried the entropy is taken for a straight line, from 0 at temperature 0.
    """
    tried: dict[float, float] = {}
    while True:
        nearest = min(tried, key=lambda t: abs(tried[t] - wanted), default=None)
        reached = None if nearest is None else tried[nearest]
        if reached is not None and abs(reached - wanted) <= TOLERANCE * wanted:
            return Found(wanted, nearest, reached, len(tried))
        guess = _next(wanted, tried)
        if guess in tried or not guess:
            return Found(wanted, None, reached, len(tried), "no temperature between two that were tried comes nearer")
        if len(tried) == most:
            return Found(wanted, None, reached, len(tried), f"not within a fiftieth of it after {most} decodes")
        tried[guess] = entropy_at(guess)


def _next(wanted: float, tried: dict[float, float]) -> float:
    """Three digits, as the name of an arm has."""
    below = max((t for t, entropy in tried.items() if entropy < wanted), default=0.0)
    above = min((t for t, entropy in tried.items() if entropy >= wanted and t > below), default=None)
    if above is None:
        return min(WARMEST, 1.5 * below) if below else 1.0
    low = tried.get(below, 0.0)
    return float(f"{below + (above - below) * (wanted - low) / (tried[above] - low):.3g}")


def compared(grades: pd.DataFrame, arm: str, rl: str, reading: Reading) -> dict[str, Any]:
    """Both accuracies and the arm's less RL's, on the problems on which both have verdicts, in pairs."""
    known = grades[grades[f"status_{reading.answer}"].notna()]
    right = (
        (known[f"status_{reading.answer}"] == Status.CORRECT.value).groupby([known["arm"], known["problem_id"]]).mean()
    )
    both = [right[right.index.get_level_values("arm") == name].droplevel("arm") for name in (arm, rl)]
    mine, theirs = pd.concat(both, axis=1, keys=["mine", "theirs"]).dropna().to_numpy().T
    shares = {"accuracy": mine, "accuracy_rl": theirs, "difference": mine - theirs}
    found: dict[str, Interval] = {name: mean_difference(values, reading.resampling) for name, values in shares.items()}
    if not len(mine):
        found = dict.fromkeys(shares, missing("no problem has both verdicts"))
    return {**found, "problems": len(mine), "p_value": bootstrap_p_value(mine - theirs, reading.resampling)}
