"""Responses that were made elsewhere, read from a file into rollouts of the arm `responses`.

A file, the encoded prompts and a tokenizer in, rollouts out. Ids are taken as they are; text is tokenised here, which
may not give the ids its writer had, so those rollouts say GIVEN_TEXT. Nothing is decoded or graded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlprobe.errors import BadInput
from rlprobe.problems.datasets import Row, read_rows
from rlprobe.records import Made, Rollout, Stop

ARM = "responses"


@dataclass(frozen=True)
class _Reader:
    """What a row is checked against and encoded with."""

    prompts: Mapping[str, Sequence[int]]
    tokenizer: Any
    stop_ids: Collection[int]
    allowed_ids: Collection[int]

    def rollout(self, where: str, row: Row) -> Rollout:
        """The rollout of one row; `where` names the row in messages."""
        problem_id = self._problem_id(where, row)
        response_ids, made = self._response(where, row)
        prompt_ids = row.get("prompt_ids")
        return Rollout(
            arm=ARM,
            problem_id=problem_id,
            draw=_draw(where, row),
            prompt_ids=list(self.prompts[problem_id])
            if prompt_ids is None
            else self._ids(where, "prompt_ids", prompt_ids),
            response_ids=response_ids,
            host_ids=None,
            gated=[False] * len(response_ids),
            logprobs=None,
            stop=Stop.EOS if response_ids[-1] in self.stop_ids else Stop.GIVEN,
            made=made,
        )

    def _problem_id(self, where: str, row: Row) -> str:
        if row.get("problem_id") is None:
            raise BadInput(f"{where} has no problem_id")
        problem_id = str(row["problem_id"])  # a writer may have made a number of it
        if problem_id not in self.prompts:
            raise BadInput(
                f"{where} answers the problem {problem_id!r}, which is not among the {len(self.prompts)} asked"
            )
        return problem_id

    def _response(self, where: str, row: Row) -> tuple[list[int], Made]:
        ids, text = row.get("response_ids"), row.get("response")
        if (ids is None) == (text is None):
            found = "neither" if ids is None else "both"
            raise BadInput(f"{where} has {found} of response_ids and response: give one of them")
        if ids is not None:
            return self._ids(where, "response_ids", ids), Made.GIVEN
        if not isinstance(text, str):
            raise BadInput(f"{where}: response is a {type(text).__name__}, not text")
        encoded = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return self._ids(where, "response", encoded), Made.GIVEN_TEXT

    def _ids(self, where: str, field: str, ids: Any) -> list[int]:
        if not isinstance(ids, list) or not all(type(number) is int for number in ids):
            raise BadInput(f"{where}: {field} is not a list of token ids")
        if not ids:
            raise BadInput(f"{where}: {field} is empty")
        if strange := [number for number in ids if number not in self.allowed_ids]:
            raise BadInput(f"{where}: {field} holds {strange[0]}, which is no token of the common vocabulary")
        return ids


def load_responses(
    path: Path | str,
    prompts: Mapping[str, Sequence[int]],
    tokenizer: Any,
    stop_ids: Collection[int],
    allowed_ids: Collection[int],
) -> list[Rollout]:
    """The responses of a JSONL or Parquet file, in its order.

    Each row has `problem_id` and either `response_ids` or `response`; `draw` (0) and `prompt_ids` (those of `prompts`,
    by problem_id) may be left out. `allowed_ids` is the common vocabulary. Raises BadInput, naming the row.
    """
    path = Path(path).expanduser()
    if not path.is_file() or path.suffix.lower() not in (".jsonl", ".parquet"):
        raise BadInput(f"responses come from a JSONL or Parquet file, and {path} is none")
    reader = _Reader(prompts, tokenizer, frozenset(stop_ids), frozenset(allowed_ids))
    rollouts: dict[tuple[str, int], Rollout] = {}
    for position, row in read_rows(path):
        where = f"{path}, {position}"
        rollout = reader.rollout(where, row)
        key = (rollout.problem_id, rollout.draw)
        if key in rollouts:
            raise BadInput(
                f"{where}: there is a response to {key[0]!r}, draw {key[1]}, already; number them with `draw`"
            )
        rollouts[key] = rollout
    if not rollouts:
        raise BadInput(f"{path} is empty: it holds no response")
    return list(rollouts.values())


def _draw(where: str, row: Row) -> int:
    draw = row.get("draw")
    if draw is None:
        return 0
    if type(draw) is not int or draw < 0:
        raise BadInput(f"{where}: draw is {draw!r}, not a number from 0 on")
    return draw
