"""A response as a token view shows it: its ids, what both models say along it, and what an arm did to it.

Both models have read a text up to where it leaves a trajectory: what stands at a position depends on what stands before
it only. So an arm's tokens have the numbers of the trajectory that they share the longest opening with, and behind it
their ids alone; at the token where the two part the numbers hold, but not those of the token present. Token tables and
rollouts in, nothing but lookups out; the page does the same in reader.js.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np
import pandas as pd

from rlprobe.analysis.classes import classify
from rlprobe.records import MEMBERS
from rlprobe.reporting.page.problems import first_difference

_OF_THE_TOKEN = tuple(f"{name}_{m}" for name in ("logprob", "rank") for m in MEMBERS)


@dataclass(frozen=True, eq=False)
class Passage:
    """One response.

    `table` holds what both models say at its first positions, in order (columns of records.TOKEN_SCHEMA), `own` of them
    also of the token present; `after` is the first position behind the answer. `host` is the host's own choice at each
    edited position, `gated` where the gate fired.
    """

    ids: Sequence[int]
    table: pd.DataFrame
    own: int
    after: int | None = None
    host: Mapping[int, int] = field(default_factory=dict)
    gated: frozenset[int] = frozenset()
    is_of_an_arm: bool = False

    @classmethod
    def of_table(cls, tokens: pd.DataFrame, end: int | None = None) -> "Passage":
        """A response with a token table of its own; `end` is the first position behind its answer."""
        table = tokens.sort_values("position").reset_index(drop=True)
        after = end if end is not None and end < len(table) else None
        return cls(table["token_id"].tolist(), table, len(table), after)

    @classmethod
    def of_arm(cls, rollout: Mapping[str, Any], trajectories: Sequence["Passage"]) -> "Passage":
        """An arm's response (a row of records.ROLLOUT_SCHEMA), and the trajectories of the same problem."""
        ids = [int(i) for i in rollout["response_ids"]]
        hosts = ids if rollout["host_ids"] is None else rollout["host_ids"]
        host = {t: int(theirs) for t, (mine, theirs) in enumerate(zip(ids, hosts, strict=True)) if mine != theirs}
        shared = [(_shared(ids, text.ids), text) for text in trajectories]
        until, nearest = max(shared, key=lambda pair: pair[0])
        return cls(
            ids=ids,
            table=nearest.table.iloc[: min(until + 1, len(ids))],
            own=until,
            host=host,
            gated=frozenset(np.flatnonzero(rollout["gated"]).tolist()),
            is_of_an_arm=True,
        )

    @property
    def shown_ids(self) -> set[int]:
        """Every id that is shown: present, the host's own, or among a model's best."""
        best = (top for m in MEMBERS for top in self.table[f"top_ids_{m}"])
        return {int(i) for some in (self.ids, self.host.values(), *best) for i in some}

    def row(self, t: int) -> dict[str, Any] | None:
        """What both models say at position t; None where they have not read so far."""
        return self._rows[t] if t < len(self._rows) else None

    def classes(self, k: int) -> list[str | None]:
        """The class of each position; None where the models have not read so far."""
        known = classify(self.table, k).astype(str).tolist()
        return [*known, *[None] * (len(self.ids) - len(known))]

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        rows = cast("list[dict[str, Any]]", self.table.to_dict("records"))
        return [row if t < self.own else row | dict.fromkeys(_OF_THE_TOKEN) for t, row in enumerate(rows)]


def _shared(ids: Sequence[int], others: Sequence[int]) -> int:
    """How many tokens of their opening two texts share."""
    at = first_difference(ids, others)
    return len(ids) if at is None else at
