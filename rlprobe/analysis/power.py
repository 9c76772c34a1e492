"""What a test of this size can see: the smallest difference of accuracies that exact McNemar finds. Knows no run.

Of n problems each is discordant (one model right, the other wrong) with some probability, and of the discordant ones a
share p speaks for the better model. Given d discordant pairs the test rejects where the rarer kind has at most c(d) of
them; the power sums over d, exactly. Nothing is simulated.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from rlprobe.errors import BadInput

POWER = 0.8
DISCORDANT = (0.1, 0.2, 0.4)  # shares of problems on which two arms differ, over which a plan is told


def detectable(n: int, discordant: float, confidence: float = 0.95, power: float = POWER) -> float | None:
    """The smallest difference of accuracies found with this power; None where no difference is, as there are too few.

    A difference is at most the share of `discordant` problems, which is reached where all of them speak for one model.
    Raises BadInput for a share, a confidence or a power that is not between 0 and 1.
    """
    for name, value in (("discordant", discordant), ("confidence", confidence), ("power", power)):
        if not 0 < value < 1:
            raise BadInput(f"{name} is {value}: it lies between 0 and 1")
    counts = np.arange(n + 1)
    weights = stats.binom.pmf(counts, n, discordant)
    critical = _critical(counts, 1 - confidence)
    if _power(counts, weights, critical, 1.0) < power:
        return None
    low, high = 0.5, 1.0  # the power grows with p
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if _power(counts, weights, critical, middle) >= power else (middle, high)
    return float(discordant * (2 * high - 1))


def _critical(discordant: Int[np.ndarray, " n"], level: float) -> Int[np.ndarray, " n"]:
    """The most of the rarer kind at which the exact two-sided test rejects; -1 where it never does."""
    most = stats.binom.ppf(level / 2, discordant, 0.5).astype(np.int64)
    return np.where(stats.binom.cdf(most, discordant, 0.5) <= level / 2, most, most - 1).clip(-1)


def _power(
    counts: Int[np.ndarray, " n"], weights: Float[np.ndarray, " n"], critical: Int[np.ndarray, " n"], share: float
) -> float:
    """P(the test rejects), where a `share` of discordant pairs speaks for the better model."""
    rejected = stats.binom.cdf(critical, counts, 1 - share) + stats.binom.cdf(critical, counts, share)
    return float((weights * np.where(critical >= 0, rejected, 0)).sum())


def words(n: int, confidence: float = 0.95) -> str:
    """What `--dry-run` says of it: one line for the shares of DISCORDANT."""
    found = {share: detectable(n, share, confidence) for share in DISCORDANT}
    said = (
        f"{'not at any' if d is None else f'{100 * d:.1f} points'} if {100 * share:g} % of the verdicts differ"
        for share, d in found.items()
    )
    return (
        f"with {n} graded problems exact McNemar (two-sided, {100 * (1 - confidence):.3g} %, one comparison) finds "
        f"with {100 * POWER:g} % power a difference of accuracies from: {', '.join(said)}"
    )
