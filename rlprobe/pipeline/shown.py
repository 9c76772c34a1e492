"""Which arms of a run a summary speaks of, under which names: a run may hold many more than one command asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from rlprobe.analysis.halves import half_of
from rlprobe.records import MEMBERS

GREEDY = {member: member for member in MEMBERS}


@dataclass(frozen=True)
class Shown:
    """Some arms (their names), and the two ends that they stand between.

    `ends`: the arm that stands for the base and the one for RL; the greedy ones are called so themselves, sampled ones
    take their names. Of each arm the draws 0..draws-1, and only one half of the problems where `halves` names one.
    """

    arms: Sequence[str]
    ends: dict[str, str]
    draws: int = 1
    halves: Mapping[str, str] = field(default_factory=dict)  # by arm

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of rollouts or grades that belong to it, the ends under the names "base" and "rl"."""
        table = table[table["arm"].isin({*self.arms, *self.ends.values()}) & (table["draw"] < self.draws)]
        for arm, half in self.halves.items():
            table = table[(table["arm"] != arm) | (table["problem_id"].map(half_of) == half)]
        return table.assign(arm=table["arm"].replace({name: member for member, name in self.ends.items()}))
