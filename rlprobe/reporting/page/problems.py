"""The list of problems: one line each, small enough to be there when the page opens. Knows no tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rlprobe.records import MEMBERS, Problem

Payload = Mapping[str, Any]  # of payload.response, with its "table" where it has one

# a verdict in one letter; a blank is an arm without a response
LETTERS = {"correct": "r", "wrong": "w", "no_answer": "n", "unparsed": "u", "timeout": "t", None: "-"}
WORDS = {
    "correct": "right",
    "wrong": "wrong",
    "no_answer": "no answer",
    "unparsed": "an answer that is no mathematics",
    "timeout": "out of time",
    None: "no verdict",
}


@dataclass
class ProblemList:
    """The lines of the list, column by column, in the order of the run."""

    arms: Sequence[str]
    trajectories: Sequence[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def add(self, problem: Problem, responses: Sequence[Payload], left_out: str | None = None) -> None:
        """The line of a problem and all responses to it; of several draws of an arm the first stands in the line."""
        first = {self.arms[r["arm"]]: r for r in reversed(responses)}
        self.lines.append(
            {
                "id": problem.problem_id,
                "question": problem.question,
                "answer": problem.answer,
                "left_out": left_out,
                "verdicts": "".join(LETTERS[first[a]["status"]] if a in first else " " for a in self.arms),
                "edited": [_edits(first[a]) if a in first else None for a in self.arms],
                "tokens": [len(first[a]["ids"]) if a in first else None for a in self.arms],
                "classes": [_classes(first.get(a)) for a in self.trajectories],
                "parts": first_difference(*(first[m]["ids"] for m in MEMBERS))
                if first.keys() >= set(MEMBERS)
                else None,
            }
        )


def first_difference(ids: Sequence[int], others: Sequence[int]) -> int | None:
    """The first position at which two responses differ; None if they never do."""
    if list(ids) == list(others):
        return None
    same = (a == b for a, b in zip(ids, others, strict=False))
    return next((t for t, equal in enumerate(same) if not equal), min(len(ids), len(others)))


def _edits(response: Payload) -> int | None:
    return None if response["host"] is None else len(response["host"][0])


def _classes(response: Payload | None) -> list[int] | None:
    """How many tokens are reranked and shifted."""
    table = response and response.get("table")
    return [table["classes"].count(c) for c in "12"] if table else None
