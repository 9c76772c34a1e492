"""Rollouts as the rows of a run, and responses as text."""

from collections.abc import Collection, Sequence
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from rlprobe.decoding.engine import Response, Task
from rlprobe.records import Made, Problem, Rollout, Stop, rollout_schema
from rlprobe.runs import Shard


@runtime_checkable
class Shelf(Protocol):
    """What can be read of a run: all of it, or the part that a worker was handed (work.py)."""

    def shards(self, layer: str, arm: str) -> list[Shard]:
        """The shards of an arm in a layer."""

    def read_shard(self, layer: str, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """One of them, all its columns or some."""

    def problems_of(self, shard: Shard) -> list[Problem]:
        """The problems of a shard."""


def rollouts_table(rollouts: Sequence[Rollout]) -> pa.Table:
    """Rollouts as they are stored."""
    schema = rollout_schema(any(rollout.donor_ids is not None for rollout in rollouts))
    return pa.table({name: [getattr(r, name) for r in rollouts] for name in schema.names}, schema=schema)


def rollouts_of(table: pa.Table) -> list[Rollout]:
    """The inverse of `rollouts_table`."""
    return [Rollout(**{**row, "stop": Stop(row["stop"]), "made": Made(row["made"])}) for row in table.to_pylist()]


def rollouts_in(run: Shelf, arm: str, start: int, stop: int, draw: int = 0) -> dict[str, Rollout]:
    """An arm's rollouts (one draw of them) to problems start..stop-1, by problem_id."""
    shards = [s for s in run.shards("rollouts", arm) if s.draw == draw and s.start < stop and start < s.stop]
    return {r.problem_id: r for shard in shards for r in rollouts_of(run.read_shard("rollouts", shard))}


def rollout(arm: str, task: Task, response: Response) -> Rollout:
    """A response of an arm as it is kept."""
    return Rollout(
        arm=arm,
        problem_id=task.problem_id,
        draw=task.draw,
        prompt_ids=task.prompt_ids,
        response_ids=response.ids,
        host_ids=response.host_ids,
        gated=response.gated,
        logprobs=response.logprobs,
        stop=response.stop,
        made=response.made,
        donor_ids=response.donor_ids or None,
    )


def response_text(tokenizer: Any, response_ids: Sequence[int], stop_ids: Collection[int]) -> str:
    """The response as text, without the stop id that ended it."""
    ids = list(response_ids)
    return tokenizer.decode(ids[:-1] if ids and ids[-1] in stop_ids else ids)


def tokens_until(tokenizer: Any, ids: Sequence[int], end: int | None) -> int | None:
    """How many tokens it takes until the decoded text has `end` characters (bisection: text grows with tokens)."""
    if end is None:
        return None
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(tokenizer.decode(list(ids[:middle]))) >= end else (middle + 1, high)
    return low
