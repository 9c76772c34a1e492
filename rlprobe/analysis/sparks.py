"""What RL promotes from low probability: sparks, which the base holds possible, and noise, which it does not.

Lp-Reg (arXiv 2510.03222) calls a token noise where its probability is below κ times that of the base's best token.
Spoken of are the tokens that RL would say (argmax_rl), at every position of a text.
"""

from typing import Any

import numpy as np

from rlprobe.analysis.statistics import rate
from rlprobe.analysis.texts import Text
from rlprobe.settings import Resampling

KAPPA = 0.02
LOW = (0.5, 0.1, 0.01)  # probabilities in the base


def promoted(text: Text, resampling: Resampling) -> list[dict[str, Any]]:
    """For each bound: how often RL says, and has made likelier, what the base gives less; and its split."""
    logprob = text.numbers("logprob_base_of_rl")
    spark = logprob - text.numbers("logprob_argmax_base") >= np.log(KAPPA)
    sums, rises, everywhere = text.clusters.sums, text.delta("argmax_rl") > 0, np.ones(len(text))
    found = []
    for bound in LOW:
        low = rises & (logprob < np.log(bound))
        found.append(
            {
                "below": bound,
                "kappa": KAPPA,
                "count": int(low.sum()),
                "sparks": int((low & spark).sum()),
                "noise": int((low & ~spark).sum()),
                "rate": rate(sums(low), sums(everywhere), resampling),
                "spark_share": rate(sums(low & spark), sums(low), resampling),
            }
        )
    return found
