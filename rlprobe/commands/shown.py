"""Which arms and problems of a run a summary speaks of: a run may hold many more than one command asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from rlprobe.analysis.halves import half_of
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

GREEDY = {member: member for member in MEMBERS}


@dataclass(frozen=True)
class First:
    """The first problems of a run, as many as a command was asked for (None: all there are); a run grows at its end."""

    run: Run
    count: int | None = None

    @property
    def ids(self) -> list[str]:
        """Their names, those that were left out among them."""
        return [problem.problem_id for problem in self.run.problems()[: self.count]]

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that speak of them."""
        return table if self.count is None else table[table["problem_id"].isin(self.ids)]

    def left_out(self) -> dict[str, str]:
        """The reason of each of them that was left out."""
        return {name: reason for name, reason in self.run.left_out().items() if name in {*self.ids}}

    def problems(self, verdicts: pd.DataFrame, answer: str) -> dict[str, Any]:
        """How many were asked for, how many the run holds, and which of them are not in the numbers, and why."""
        ungraded = verdicts.loc[verdicts[f"status_{answer}"].isna(), "problem_id"].unique()
        told = {"asked": len(self.ids), "held": len(self.run.problems()), "left_out": self.left_out()}
        return {**told, "ungraded": sorted(ungraded)}


def first_asked(run: Run, asked: int) -> First:
    """The problems of a call that was asked for so many: all of the run, or fewer under --limit."""
    return First(run, asked if asked < len(run.problems()) else None)


@dataclass(frozen=True)
class Shown:
    """Some arms (their names), and the two ends that they stand between.

    `ends`: the arm that stands for the base and the one for RL; the greedy ones are called so themselves, sampled ones
    take their names. Of each arm the draws 0..draws-1, and only one half of the problems where `halves` names one.
    `beside`: arms that are not shown, but are as many attempts.
    """

    arms: Sequence[str]
    ends: dict[str, str]
    draws: int = 1
    beside: Sequence[str] = ()
    halves: Mapping[str, str] = field(default_factory=dict)  # by arm

    @property
    def among(self) -> list[str]:
        """The arms that belong to it, in the order in which a run has them."""
        return sorted({*self.arms, *self.ends.values(), *self.beside})

    def rows(self, table: pd.DataFrame) -> pd.DataFrame:
        """Of rows of these arms and draws those that belong to it, the ends under the names "base" and "rl"."""
        for arm, half in self.halves.items():
            table = table[(table["arm"] != arm) | (table["problem_id"].map(half_of) == half)]
        return table.assign(arm=table["arm"].replace({name: member for member, name in self.ends.items()}))
