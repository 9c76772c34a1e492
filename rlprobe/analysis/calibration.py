"""The threshold at which an arm edits a given share of its own tokens, found with few decodes.

What a threshold edits is known only by decoding with it: an edit changes the text, and with it what is edited later.
So a search begins where a text that is known already would be edited as often as wanted (a `Curve`), decodes with that
threshold, and closes in on the rate by interpolating between thresholds tried. The rate is a step function of the
threshold, so a rate may be out of reach; then the search says why, and how near it came.
Knows no models: decoding is a function that it is given.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rlprobe.signal import Side

TOLERANCE = 0.1  # of the rate wanted
MOST_DECODES = 8  # for one rate

GREATEST_LEAP, SMALLEST_LEAP = 4.0, 1.2  # how much more a search tries to edit where all it tried edits too little
SHRINKING = 0.8  # with every decode that edits too much, where none has edited too little
INTERPOLATED = 3  # decodes for one rate after which a search halves instead: interpolation may creep


@dataclass(frozen=True, slots=True)
class Curve:
    """Thresholds from the strictest to the loosest, and the share of a known text's tokens that each would edit.

    The shares never fall, and are above 0: an estimate, since the text does not yet feel its edits.
    """

    thresholds: Float[np.ndarray, " steps"]
    estimates: Float[np.ndarray, " steps"]

    @classmethod
    def of(cls, values: Float[np.ndarray, " tokens"], edits: Float[np.ndarray, " tokens"], side: Side) -> "Curve":
        """From a signal at every token of a text and the edits (0 to 1) to be expected there if its gate fires.

        Thresholds lie midway between neighbouring values, so that none of them is met exactly; they have six digits,
        as many as the name of an arm.
        """
        distinct, which = np.unique(values, return_inverse=True)
        share = np.bincount(which, weights=edits, minlength=len(distinct)) / max(1, len(values))
        if side == "above":
            distinct, share = distinct[::-1], share[::-1]
        midway, total = (distinct[:-1] + distinct[1:]) / 2, share.cumsum()[:-1]
        return cls(np.array([float(f"{x:g}") for x in midway[total > 0]]), total[total > 0])

    @classmethod
    def of_chances(cls, total: float) -> "Curve":
        """For a gate that fires by chance on a text of which it would edit the share `total` if it always fired."""
        chances = np.arange(1, 10_000) / 10_000
        return cls(chances, chances * total)

    def step(self, estimate: float) -> int:
        """The strictest threshold that would edit as much, or the loosest there is."""
        return min(int(np.searchsorted(self.estimates, estimate)), len(self.thresholds) - 1)


@dataclass(frozen=True, slots=True)
class Tried:
    """A threshold that was decoded with: its step on the curve, and the share of the arm's own tokens edited."""

    step: int
    threshold: float
    rate: float


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What a search for one rate ended with.

    `threshold` is None where no threshold was found, and `reason` says why; `nearest` is the threshold tried that came
    nearest in any case (None if there was none). `decodes` are those that this search added to earlier ones.
    """

    wanted: float
    threshold: float | None
    nearest: Tried | None
    decodes: int
    reason: str | None = None


def calibrate(
    curve: Curve, wanted: float, tried: list[Tried], measure: Callable[[float], float], most: int = MOST_DECODES
) -> Calibrated:
    """The threshold whose rate is within a tenth of `wanted`; `measure` decodes with a threshold and gives its rate.

    `tried` holds what earlier searches on the same curve measured, and is added to.
    """
    before = len(tried)
    while True:
        decodes = len(tried) - before
        nearest = min(tried, key=lambda t: abs(t.rate - wanted), default=None)
        if nearest and abs(nearest.rate - wanted) <= TOLERANCE * wanted:
            return Calibrated(wanted, nearest.threshold, nearest, decodes)
        step = _next(curve, wanted, tried, decodes)
        if isinstance(step, str):
            return Calibrated(wanted, None, nearest, decodes, step)
        if decodes == most:
            return Calibrated(wanted, None, nearest, decodes, f"not within a tenth of it after {most} decodes")
        threshold = float(curve.thresholds[step])
        tried.append(Tried(step, threshold, measure(threshold)))


def _next(curve: Curve, wanted: float, tried: list[Tried], decodes: int) -> int | str:
    """The next step to try, or why there is none: between the strictest that edits too much and the one before it."""
    if not len(curve.thresholds):
        return "nothing would be edited on the known text at any threshold"
    under, over = _around(wanted, tried)
    if over is None:
        return _looser(curve, wanted, under)
    if over.step == 0:
        return "the strictest threshold edits more"
    if under is None:
        return min(curve.step(float(curve.estimates[over.step] * _stricter(wanted, over, decodes))), over.step - 1)
    if under.step + 1 == over.step:
        return "between two neighbouring thresholds the rate steps over it"
    guess = _between(curve, wanted, under, over) if decodes < INTERPOLATED else _halfway(curve, under.step, over.step)
    return int(np.clip(guess, under.step + 1, over.step - 1))


def _around(wanted: float, tried: list[Tried]) -> tuple[Tried | None, Tried | None]:
    """The first crossing, from the strictest threshold on: the last one below the rate, the first one above it."""
    under = None
    for each in sorted(tried, key=lambda t: t.step):
        if each.rate > wanted:
            return under, each
        under = each
    return under, None


def _looser(curve: Curve, wanted: float, under: Tried | None) -> int | str:
    """Where everything tried edits too little: as much looser as the last one falls short."""
    if under is None:
        return curve.step(wanted)
    if under.step == len(curve.thresholds) - 1:
        return "the loosest threshold edits less"
    leap = np.clip(wanted / under.rate if under.rate else np.inf, SMALLEST_LEAP, GREATEST_LEAP)
    return max(under.step + 1, curve.step(float(leap * curve.estimates[under.step])))


def _stricter(wanted: float, over: Tried, decodes: int) -> float:
    """The factor to a stricter threshold where everything tried edits too much: more boldly each time."""
    return wanted / over.rate * SHRINKING**decodes


def _between(curve: Curve, wanted: float, under: Tried, over: Tried) -> int:
    """Between two thresholds the rate is taken for a power of the estimate."""
    if under.rate == 0:
        return _halfway(curve, under.step, over.step)
    ends = np.log([curve.estimates[under.step], curve.estimates[over.step]])
    return curve.step(float(np.exp(np.interp(np.log(wanted), np.log([under.rate, over.rate]), ends))))


def _halfway(curve: Curve, lowest: int, highest: int) -> int:
    """Half way in the estimate; where that does not move, half way in steps."""
    step = curve.step(float(np.sqrt(curve.estimates[lowest] * curve.estimates[highest])))
    return step if lowest < step < highest else (lowest + highest) // 2
