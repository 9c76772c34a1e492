"""What RL promotes from low probability: sparks, which the base holds possible, and noise, which it does not.

Lp-Reg (arXiv 2510.03222) calls a token noise where its probability is below κ times that of the base's best token.
Spoken of are the tokens that RL would say (argmax_rl), at every position of a text.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool

from rlprobe.analysis.statistics import rate
from rlprobe.analysis.texts import Text
from rlprobe.settings import Resampling

KAPPA = 0.02
LOW = (0.5, 0.1, 0.01)  # probabilities in the base


def promoted(text: Text, resampling: Resampling) -> list[dict[str, Any]]:
    """For each bound: how often RL says, and has made likelier, what the base gives less; and its split."""
    low, sparks = ([_low(bound, kept) for bound in LOW] for kept in (False, True))
    everywhere, *found = text.sums(lambda rows: np.ones(len(rows)), *low, *sparks)
    return [
        {
            "below": bound,
            "kappa": KAPPA,
            "count": int(events.sum()),
            "sparks": int(kept.sum()),
            "noise": int(events.sum() - kept.sum()),
            "rate": rate(events, everywhere, resampling),
            "spark_share": rate(kept, events, resampling),
        }
        for bound, events, kept in zip(LOW, found[: len(LOW)], found[len(LOW) :], strict=True)
    ]


def _low(bound: float, sparks: bool) -> Callable[[Text], Bool[np.ndarray, " rows"]]:
    """Where RL says, and has made likelier, what the base gives less than a bound; of these all, or the sparks."""

    def here(rows: Text) -> Bool[np.ndarray, " rows"]:
        logprob = rows.numbers("logprob_base_of_rl")
        spark = logprob - rows.numbers("logprob_argmax_base") >= np.log(KAPPA)
        return (rows.delta("argmax_rl") > 0) & (logprob < np.log(bound)) & (spark | (not sparks))

    return here
