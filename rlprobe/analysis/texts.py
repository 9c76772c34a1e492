"""The positions of each text in a run, column by column, and the ways in which they are split.

A text is what one arm wrote, read by both models. Its rows stand in the order of problem, draw and position, whatever
the order of the table they come from. It may be longer than memory: it is gone through in stretches of whole problems,
each of them a text of its own. Knows no intervals.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from rlprobe.analysis.classes import CLASSES, class_codes
from rlprobe.analysis.statistics import Clusters, Sums
from rlprobe.columns import STRETCH, Columns, Stored
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
    """What one arm wrote, or a stretch of it: `rows` from `begin` of the whole on.

    The column `problem` of the rows says which of the run's `n` problems (not only of this text) each belongs to;
    `cuts` are the rows at which a stretch may begin, the first row and the end among them.
    """

    arm: str
    rows: Columns = field(repr=False)
    n: int
    class_k: int
    cuts: Sequence[int] = field(repr=False)
    begin: int = 0

    def __len__(self) -> int:
        return self.cuts[-1]

    def stretches(self) -> Iterator["Text"]:
        """The text in order, some problems at a time."""
        for start, stop in pairwise(self.cuts):
            yield replace(self, rows=self.rows.part(start, stop), cuts=(0, stop - start), begin=start)

    def sums(self, *of: "Of") -> list[Sums]:
        """By problem the sum of what each function says of every row of a stretch; one way through the text."""
        found = [np.zeros(self.n) for _ in of]
        for stretch in self.stretches():
            found = [stretch.clusters.sums(values(stretch), before) for values, before in zip(of, found, strict=True)]
        return found

    @cached_property
    def clusters(self) -> Clusters:
        """The problem of each row."""
        return Clusters(self.rows["problem"].astype(np.int64), self.n)

    @cached_property
    def kinds(self) -> Int[np.ndarray, " rows"]:
        """The class of each row, a number in CLASSES."""
        return class_codes(self.rows, self.class_k).astype(np.int64)

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
        if len(self.cuts) > 2:
            return np.concatenate([stretch.starts + stretch.begin for stretch in self.stretches()])
        keys = self.response_keys
        return np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(self) else np.zeros(0, np.int64)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " responses"]:
        """The number of tokens of each response."""
        return np.diff(np.r_[self.starts, len(self)])

    @cached_property
    def response_keys(self) -> Int[np.ndarray, " rows"]:
        """A number for each row, that of its response: the same in every text of the run, it tells problem and draw."""
        return (self.clusters.codes << 32) + self.rows["draw"]

    @cached_property
    def responses(self) -> Int[np.ndarray, " responses"]:
        """The number of each response."""
        found = [stretch.response_keys[stretch.starts] for stretch in self.stretches()]
        return np.concatenate([np.zeros(0, np.int64), *found])

    @property
    def n_problems(self) -> int:
        """Problems with at least one token in this text."""
        return len(np.unique(self.responses >> 32))

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


Of = Callable[[Text], np.ndarray]  # a stretch of a text -> something of each of its rows


def every_row(rows: Text) -> Bool[np.ndarray, " rows"]:
    """Every row."""
    return np.ones(len(rows), bool)


def in_class(name: str) -> Of:
    """The rows of one of `CLASSES`."""
    return lambda rows: rows.kinds == CLASSES.index(name)


def only(kept: Of, *columns: str) -> Of:
    """A column, or the product of several, in the rows `kept`; 0 elsewhere."""
    return lambda rows: np.where(kept(rows), math.prod(map(rows.numbers, columns)), 0.0)


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
    return {arm: text_of(tokens[tokens["arm"] == arm], problems, reading.class_k) for arm in present}


def text_of(rows: pd.DataFrame, problems: np.ndarray, class_k: int) -> Text:
    """The text of one arm from rows of a token table in any order; `problems` are those of the run, in order."""
    codes = pd.Categorical(rows["problem_id"], categories=problems).codes.astype(np.int64)
    order = np.lexsort((rows["position"], rows["draw"], codes))
    kept = [name for name in rows if name not in ("arm", "problem_id")]
    arrays = {str(name): rows[name].to_numpy()[order] for name in kept} | {"problem": codes[order]}
    sizes = np.bincount(codes, minlength=len(problems))
    arm = "" if rows.empty else str(rows["arm"].iloc[0])
    return Text(arm, Stored.held(arrays).whole(), len(problems), class_k, cuts_of(sizes))


def cuts_of(sizes: Int[np.ndarray, " problems"]) -> tuple[int, ...]:
    """Where to cut rows that are ordered by problem: stretches of whole problems of about `STRETCH` rows."""
    ends = np.cumsum(sizes).tolist() or [0]
    cuts = [0]
    for end, later in zip(ends, [*ends[1:], np.inf], strict=True):
        if later - cuts[-1] > STRETCH and end > cuts[-1]:
            cuts.append(end)
    return tuple(cuts) if len(cuts) > 1 else (0, 0)
