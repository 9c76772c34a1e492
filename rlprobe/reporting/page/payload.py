"""One response as the page keeps it: ids, flags and verdict, and for a trajectory its token table in 8 bits.

Ids are numbers of a lexicon that all responses of a page share. Classes are those of analysis/classes.py. Rollouts and
tables in, plain lists out; knows no disk and nothing of how a token looks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from rlprobe.analysis.classes import classify
from rlprobe.records import MEMBERS, TOP, Rollout
from rlprobe.reporting.page.scales import SCALES

TABLE_COLUMNS = (
    *("arm", "problem_id", "draw", "position", "token_id", "rank_base_of_rl", "kl_rl_base"),
    *(f"{name}_{m}" for name in ("logprob", "rank", "argmax", "entropy", "top_ids", "top_logprobs") for m in MEMBERS),
)


class Lexicon:
    """The token ids of a page in the order in which they are met: the number of an id is its place."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._numbers = np.full(1024, -1)  # by id

    def numbers(self, ids: Sequence[int] | Int[np.ndarray, "..."]) -> Int[np.ndarray, "..."]:
        """The number of each id; new ids get the next ones."""
        wanted = np.asarray(ids, dtype=np.int64)
        if wanted.size and wanted.max() >= len(self._numbers):
            more = np.full(2 * int(wanted.max()) - len(self._numbers), -1)
            self._numbers = np.concatenate([self._numbers, more])
        met, first = np.unique(wanted[self._numbers[wanted] < 0], return_index=True)
        new = met[np.argsort(first)]
        self._numbers[new] = np.arange(len(new)) + len(self.ids)
        self.ids += new.tolist()
        return self._numbers[wanted]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the grader said of the answer that counts; None where it said nothing, or there is no answer.

    `end` is the first position behind the answer.
    """

    status: str | None = None
    answer: str | None = None
    end: int | None = None


def response(rollout: Rollout, arm: int, verdict: Verdict, lexicon: Lexicon) -> dict[str, Any]:
    """A rollout of the arm that the page calls by the number `arm`.

    "host" lists the positions that were edited, and the host's own choices there; None where no host was asked.
    "gated" lists the runs of gated positions: start, length, start, length, ...
    """
    edited = np.flatnonzero(rollout.edited)
    host = None
    if rollout.host_ids is not None:
        host = [edited.tolist(), lexicon.numbers(np.asarray(rollout.host_ids)[edited]).tolist()]
    return {
        "arm": arm,
        "draw": rollout.draw,
        "stop": str(rollout.stop),
        "made": str(rollout.made),
        "status": verdict.status,
        "answer": verdict.answer,
        "ids": lexicon.numbers(rollout.response_ids).tolist(),
        "host": host,
        "gated": runs_of(np.asarray(rollout.gated, dtype=bool)),
    }


def token_table(tokens: pd.DataFrame, k: int, end: int | None, lexicon: Lexicon) -> dict[str, Any]:
    """The rows of one response, in order of position, column by column; numbers are codes of `SCALES`.

    RL's best tokens are written as their places 0..4 among the base's five or, where they are not among them, as their
    number + 5: the two lists nearly coincide. "after" is `end`, the first position behind the answer, where there is
    one.
    """
    base, rl = (_stacked(tokens[f"top_ids_{m}"], int) for m in MEMBERS)
    numbers = [lexicon.numbers(ids) for ids in (base, rl)]
    delta = tokens["logprob_rl"] - tokens["logprob_base"]
    return {
        "classes": "".join(map(str, classify(tokens, k).cat.codes)),
        "entropy": [_codes("entropy", tokens[f"entropy_{m}"]) for m in MEMBERS],
        "delta": _codes("delta", delta),
        "kl": _codes("divergence", tokens["kl_rl_base"]),
        "surprise": [_codes("surprise", -tokens[f"logprob_{m}"]) for m in MEMBERS],
        "rank": [tokens[f"rank_{m}"].tolist() for m in MEMBERS],
        "rank_of_rl": tokens["rank_base_of_rl"].tolist(),
        "top": [numbers[0].ravel().tolist(), _by_place(*numbers).ravel().tolist()],
        "top_surprise": [
            SCALES["surprise"].encode(-_stacked(tokens[f"top_logprobs_{m}"], float)).ravel().tolist() for m in MEMBERS
        ],
        "after": end if end is not None and end < len(tokens) else None,
    }


def runs_of(flags: Bool[np.ndarray, " n"]) -> list[int]:
    """The runs of true flags: start, length, start, length, ..."""
    ends = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return np.stack([ends[:, 0], ends[:, 1] - ends[:, 0]], axis=1).ravel().tolist()


def _by_place(base: Int[np.ndarray, "n top"], rl: Int[np.ndarray, "n top"]) -> Int[np.ndarray, "n top"]:
    same = rl[:, :, None] == base[:, None, :]  # (n, RL's five, the base's five)
    return np.where(same.any(2), same.argmax(2), rl + TOP)


def _codes(scale: str, values: pd.Series) -> list[int]:
    return SCALES[scale].encode(values.to_numpy(np.float64)).tolist()


def _stacked(column: pd.Series, kind: type) -> np.ndarray:
    """A column of lists as one array, (n, TOP)."""
    return np.array(column.tolist(), dtype=kind).reshape(-1, TOP)
