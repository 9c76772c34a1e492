"""How a token table is read: the settings of a reading, and the class of each position.

Classes are computed from the ranks in the table whenever it is read, so that another k needs no model.
Knows nothing of rates, intervals or files.
"""

from dataclasses import dataclass
from math import isfinite

import numpy as np
import pandas as pd

from rlprobe.analysis.statistics import Resampling
from rlprobe.errors import BadInput

CLASSES = ("unchanged", "reranked", "shifted")
ANSWERS = ("last", "first")


@dataclass(frozen=True, slots=True)
class Reading:
    """What changes the numbers that are read off a run, but not the run itself.

    `class_k`: the base rank up to which another argmax counts as reranked; `answer`: which answer ends a response, the
    "last" or the "first"; `tau` (nats): the entropy above which a position would be gated; the rest is `Resampling`.
    """

    class_k: int = 5
    answer: str = "last"
    tau: float = 1.2
    seed: int = 0
    resamples: int = 2000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.class_k < 1:
            raise BadInput(f"class_k is {self.class_k}: the largest base rank that is still reranked is at least 1")
        if self.answer not in ANSWERS:
            raise BadInput(f"answer is {self.answer!r}: choose one of {', '.join(ANSWERS)}")
        if not (isfinite(self.tau) and self.tau >= 0):
            raise BadInput(f"tau is {self.tau}: an entropy in nats is a finite number from 0 up")
        _ = self.resampling  # refuses settings that cannot be resampled with

    @property
    def resampling(self) -> Resampling:
        """The part of the reading that intervals need."""
        return Resampling(self.seed, self.resamples, self.confidence)


def classify(tokens: pd.DataFrame, k: int) -> pd.Series:
    """The class of each row (arXiv 2605.06241, §3.1), as a categorical series with the categories of `CLASSES`.

    Unchanged: both models have the same argmax. Reranked: they differ, and RL's is among the base's k best.
    Shifted: it is not. Needs the columns argmax_base, argmax_rl and rank_base_of_rl. Raises BadInput for k < 1.
    """
    if k < 1:
        raise BadInput(f"class_k is {k}: the largest base rank that is still reranked is at least 1")
    differs = (tokens["argmax_rl"] != tokens["argmax_base"]).to_numpy(dtype=bool)
    outside = (tokens["rank_base_of_rl"] > k).to_numpy(dtype=bool)
    codes = differs.astype(np.int8) + (differs & outside)
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(CLASSES)), index=tokens.index, name="class")
