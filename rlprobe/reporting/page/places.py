"""The list of all disagreements: every place at which base and RL would say different tokens, column by column.

Made of what the page keeps of each response (payload.token_table); numbers stay codes of scales.py. Knows no disk.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rlprobe.records import TOP

NAMES = ("problem", "text", "position", "class", "base", "rl", "entropy", "rank", "outcome")


@dataclass
class Places:
    """Columns of equal length; a token is its number in the lexicon, a text the number of its trajectory."""

    columns: dict[str, list[Any]] = field(default_factory=lambda: {name: [] for name in NAMES})

    def add(self, problem: int, text: int, table: Mapping[str, Any], outcomes: Mapping[int, str]) -> None:
        """The disagreements of one response, the number `problem` of the list; `outcomes` by position."""
        for t, name in enumerate(table["classes"]):
            if name == "0":
                continue
            base = table["top"][0][TOP * t]
            place = table["top"][1][TOP * t]
            rl = table["top"][0][TOP * t + place] if place < TOP else place - TOP
            entropy, rank = table["entropy"][0][t], table["rank_of_rl"][t]
            row = (problem, text, t, int(name), base, rl, entropy, rank, outcomes.get(t))
            for column, entry in zip(self.columns.values(), row, strict=True):
                column.append(entry)
