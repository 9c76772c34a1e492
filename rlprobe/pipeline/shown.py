"""Which arms of a run a summary speaks of, under which names: a run may hold many more than one command asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from rlprobe.records import MEMBERS

GREEDY = {member: member for member in MEMBERS}


@dataclass(frozen=True)
class Shown:
    """Some arms (their names), and the two ends that they stand between.

    `ends`: the arm that stands for the base and the one for RL; the greedy ones are called so themselves, sampled ones
    take their names. Of each arm the draws 0..draws-1.
    """

    arms: Sequence[str]
    ends: dict[str, str]
    draws: int = 1

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of rollouts or grades that belong to it, the ends under the names "base" and "rl"."""
        table = table[table["arm"].isin({*self.arms, *self.ends.values()}) & (table["draw"] < self.draws)]
        return table.assign(arm=table["arm"].replace({name: member for member, name in self.ends.items()}))
