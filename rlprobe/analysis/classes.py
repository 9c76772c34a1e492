"""How a token table is read: the class of each position.

Classes are computed from the ranks in the table whenever it is read, so that another k needs no model.
Knows nothing of rates, intervals or files.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

from rlprobe.errors import BadInput

CLASSES = ("unchanged", "reranked", "shifted")
ANSWERS = ("last", "first")


def classify(tokens: pd.DataFrame, k: int) -> pd.Series:
    """The class of each row (arXiv 2605.06241, §3.1), as a categorical series with the categories of `CLASSES`.

    Unchanged: both models have the same argmax. Reranked: they differ, and RL's is among the base's k best.
    Shifted: it is not. Needs the columns argmax_base, argmax_rl and rank_base_of_rl. Raises BadInput for k < 1.
    """
    return pd.Series(pd.Categorical.from_codes(class_codes(tokens, k), pd.Index(CLASSES)), tokens.index, name="class")


def class_codes(tokens: Mapping[str, Any] | pd.DataFrame, k: int) -> Int[np.ndarray, " rows"]:
    """The same as numbers in `CLASSES`."""
    if k < 1:
        raise BadInput(f"class_k is {k}: the largest base rank that is still reranked is at least 1")
    base, rl, rank = (np.asarray(tokens[name]) for name in ("argmax_base", "argmax_rl", "rank_base_of_rl"))
    differs = rl != base
    return differs.astype(np.int8) + (differs & (rank > k))
