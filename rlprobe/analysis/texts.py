"""The positions of each text in a run, column by column, and the ways in which they are split.

A text is what one arm wrote, read by both models. Its rows stand in the order of problem, draw and position, whatever
the order of the table they come from. Knows no intervals.
"""

from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.analysis.statistics import Clusters
from rlprobe.records import MEMBERS
from rlprobe.settings import Reading

TRAJECTORIES = (*MEMBERS, "responses")  # the arms that are texts; interventions are not

# What is read of a token table.
COLUMNS = (
    *("arm", "problem_id", "draw", "position", "token_id", "logprob_base", "logprob_rl", "argmax_base", "argmax_rl"),
    *("logprob_argmax_base", "logprob_argmax_rl", "logprob_base_of_rl", "logprob_rl_of_base", "rank_base_of_rl"),
    *("margin_base", "entropy_base", "entropy_rl", "kl_rl_base", "js"),
)
# the token that Δ log p speaks of: its logprob in RL, its logprob in the base
DELTAS = {
    "token": ("logprob_rl", "logprob_base"),
    "argmax_base": ("logprob_rl_of_base", "logprob_argmax_base"),
    "argmax_rl": ("logprob_argmax_rl", "logprob_base_of_rl"),
}
ENTROPY_BANDS = (0.01, 0.1, 0.5, 1.2)  # nats of the base, the edges between five bands
PARTS = 4  # equal parts of a response


@dataclass(frozen=True)
class Split:
    """A group for each position, by number; -1 is in none."""

    labels: tuple[str, ...]
    codes: Int[np.ndarray, " rows"]


@dataclass(frozen=True)
class Text:
    """What one arm wrote. `clusters` says which problem of the run (not only of this text) each row belongs to."""

    arm: str
    rows: dict[str, np.ndarray] = field(repr=False)
    clusters: Clusters = field(repr=False)
    kinds: Int[np.ndarray, " rows"] = field(repr=False)  # the class of each row, a number in CLASSES

    def __len__(self) -> int:
        return len(self.kinds)

    def delta(self, of: str = "token") -> Float[np.ndarray, " rows"]:
        """Δ log p = log π_RL - log π_base (nats; arXiv 2603.22117) of the token present, or of either argmax."""
        rl, base = DELTAS[of]
        return self.numbers(rl) - self.numbers(base)

    def numbers(self, column: str) -> Float[np.ndarray, " rows"]:
        """A column in float64."""
        return self.rows[column].astype(np.float64)

    @property
    def disagrees(self) -> Bool[np.ndarray, " rows"]:
        """Where the two models have different argmaxes."""
        return self.kinds > 0

    @cached_property
    def starts(self) -> Int[np.ndarray, " responses"]:
        """The row at which each response starts."""
        keys = self.response_keys
        return np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(self) else np.zeros(0, np.int64)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " responses"]:
        """The number of tokens of each response."""
        return np.diff(np.r_[self.starts, len(self)])

    @cached_property
    def response_keys(self) -> Int[np.ndarray, " rows"]:
        """A number for each response, the same in every text of the run: it tells problem and draw."""
        return (self.clusters.codes << 32) + self.rows["draw"]

    @cached_property
    def n_problems(self) -> int:
        """Problems with at least one token in this text."""
        return len(np.unique(self.clusters.codes))

    def splits(self) -> dict[str, Split]:
        """All positions, and the same by class, the base's entropy, place and, where it is known, by the answer."""
        splits = {
            "all": Split(("all",), np.zeros(len(self), np.int64)),
            "class": Split(CLASSES, self.kinds),
            "entropy": Split(BAND_LABELS, np.searchsorted(ENTROPY_BANDS, self.rows["entropy_base"], side="right")),
            "position": Split(PART_LABELS, self._parts()),
        }
        if "after_answer" in self.rows:
            behind = self.rows["after_answer"].astype(np.int64)
            splits["answer"] = Split(("up to the answer", "after the answer"), behind)
        return splits

    def _parts(self) -> Int[np.ndarray, " rows"]:
        length = np.repeat(self.lengths, self.lengths)
        return self.rows["position"].astype(np.int64) * PARTS // np.maximum(length, 1)


BAND_LABELS = (
    f"below {ENTROPY_BANDS[0]:g}",
    *(f"{low:g} to {high:g}" for low, high in pairwise(ENTROPY_BANDS)),
    f"from {ENTROPY_BANDS[-1]:g}",
)
PART_LABELS = ("first quarter", "second quarter", "third quarter", "last quarter")


def texts_of(tokens: pd.DataFrame, reading: Reading) -> dict[str, Text]:
    """The texts in a token table, base and rl first; other arms are left out.

    `tokens` has the columns `COLUMNS` and, where answers are known, after_answer (analysis/answered.py).
    """
    problems = np.unique(tokens["problem_id"].unique().astype(str))
    present = [arm for arm in TRAJECTORIES if (tokens["arm"] == arm).any()]
    return {arm: _text(arm, tokens[tokens["arm"] == arm], problems, reading) for arm in present}


def _text(arm: str, rows: pd.DataFrame, problems: np.ndarray, reading: Reading) -> Text:
    codes = pd.Categorical(rows["problem_id"], categories=problems).codes.astype(np.int64)
    order = np.lexsort((rows["position"], rows["draw"], codes))
    kinds = classify(rows, reading.class_k).cat.codes.to_numpy().astype(np.int64)
    kept = [name for name in (*COLUMNS, "after_answer") if name in rows and name not in ("arm", "problem_id")]
    columns = {name: rows[name].to_numpy()[order] for name in kept}
    return Text(arm, columns, Clusters(codes[order], len(problems)), kinds[order])
