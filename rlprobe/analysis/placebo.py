"""Where the placebos of single flips stand, and what is written there: another token, at that place or one like it.

Each flip (RL's token once, at a disagreement along the base's own text) has two placebos, decoded and graded alike:

    same     at the flip's own place the base's best token that is neither the one that stands there nor RL's
    agreed   the base's second token at a place of the same response where both models would say what stands there, the
             one whose entropy is nearest; no place serves twice, and the flips of largest entropy choose first

A token table in, rows out. Knows no models and no disk.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

KINDS = SAME, AGREED = "same", "agreed"
COLUMNS = ["problem_id", "position", "token_id", "argmax_base", "argmax_rl", "entropy_base", "top_ids_base"]


@dataclass(frozen=True, slots=True)
class Placebo:
    """A token to be written once, at one position, for the flip with that ordinal."""

    kind: str
    ordinal: int
    position: int
    token_id: int
    entropy: float  # the base's there, nats


def disagreements(tokens: pd.DataFrame) -> pd.DataFrame:
    """The places of one response's flips, in order: RL's best token is neither the base's nor the one that is there."""
    differs = (tokens["argmax_rl"] != tokens["argmax_base"]) & (tokens["argmax_rl"] != tokens["token_id"])
    return tokens[differs].sort_values("position")


def placebos(tokens: pd.DataFrame) -> list[Placebo]:
    """Those of one response's flips, in order of kind and ordinal; a flip has none for which no place or token is left.

    `tokens` has the `COLUMNS` of the base's own text.
    """
    flips = disagreements(tokens)
    agree = (tokens["argmax_base"] == tokens["argmax_rl"]) & (tokens["argmax_base"] == tokens["token_id"])
    places = tokens[agree].sort_values("position")
    same = [_placebo(SAME, n, row) for n, row in enumerate(flips.itertuples())]
    agreed = [_placebo(AGREED, n, places.iloc[at]) for n, at in sorted(_matched(flips, places))]
    return [placebo for placebo in (*same, *agreed) if placebo]


def _matched(flips: pd.DataFrame, places: pd.DataFrame) -> Iterator[tuple[int, int]]:
    """(ordinal of a flip, number of its place): of places equally near the earlier, of equal flips the earlier."""
    wanted, free = flips["entropy_base"].to_numpy(np.float64), places["entropy_base"].to_numpy(np.float64).copy()
    for n in np.argsort(-wanted, kind="stable")[: len(free)]:
        at = int(np.abs(free - wanted[n]).argmin())
        yield int(n), at
        free[at] = np.inf  # taken


def _placebo(kind: str, ordinal: int, row: Any) -> Placebo | None:
    """The base's best token but for those that either model would say, and the one that stands there."""
    taken = {row.token_id, row.argmax_base, row.argmax_rl}
    left = [int(i) for i in row.top_ids_base if i not in taken]
    return Placebo(kind, ordinal, int(row.position), left[0], float(row.entropy_base)) if left else None
