"""The tables of a run: whatever a command wrote there has its place on the page.

Knows the names of some tables; one that it has never heard of is shown as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, is_number, written

# the tables that are open when the page opens, in this order, and their headings
OPEN = {
    "claims": "Own claims",
    "classes": "Where they disagree",
    "accuracy": "Accuracy",
    "interventions": "What the substituted tokens do",
    "flips": "Single flips",
    "needed_edits": "Edits that RL's right answer needs",
    "consequences": "Disagreements with and without consequences",
    "tails": "Signed Δ log p",
    "equal-edits": "Signals at equal edits",
    "equal-replaced": "Signals at equal replacement",
    "sampling": "Sampled answers",
    "pass_at_k": "pass@k",
    "power": "Drawing from a power of the base",
    "passk": "pass@k of all draws",
    "passk_crossing": "Where pass@k crosses",
    "passk_solvable": "What either model solves at all",
    "passk_regimes": "What longer RL did to each family",
    "footprint": "Over the training",
    "steering": "Steering",
    "patching": "Patching",
    "factorial": "Residual stream x later layers",
    "lens": "Through the layers",
    "weights_by_kind": "What RL changed in the weights",
    "low_rank_answers": "Answers with a low-rank part of the change",
    "low_rank_choices": "Choices with a low-rank part of the change",
}
# of a table too wide to read, the columns that are shown at first
HEADLINE = {
    "interventions": ("arm", "accuracy", "no answer", "gated", "edited", "recovery", "p against base", "p against RL")
}


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table: its columns, which of them are numbers, and the entries of its rows, as formats.py has them."""

    name: str
    heading: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[Any, ...], ...]

    def only(self, columns: Iterable[str]) -> "PageTable":
        """The same with some of its columns."""
        at = [self.columns.index(column) for column in columns if column in self.columns]
        rows = tuple(tuple(row[i] for i in at) for row in self.rows)
        kept = tuple(self.columns[i] for i in at)
        return replace(self, columns=kept, numeric=tuple(self.numeric[i] for i in at), rows=rows)


def page_table(name: str, table: pd.DataFrame) -> PageTable:
    """A table of a run as the page shows it."""
    heading = OPEN.get(name, name.replace("_", " ").replace("-", " ").capitalize())
    numeric = tuple(is_number(table[column]) for column in table.columns)
    return PageTable(name, heading, tuple(table.columns), numeric, tuple(table.itertuples(index=False, name=None)))


def arranged(found: Mapping[str, pd.DataFrame]) -> tuple[Sequence[PageTable], Sequence[PageTable]]:
    """(the tables to show at once, all tables in full), by name."""
    tables = {name: page_table(name, table) for name, table in sorted(found.items())}
    shown = [tables[name].only(HEADLINE.get(name, tables[name].columns)) for name in OPEN if name in tables]
    first = [name for name in OPEN if name in tables]
    return shown, [tables[name] for name in dict.fromkeys((*first, *tables))]


def parts(entry: Any) -> tuple[str, str]:
    """An entry as it is read, and what is said of how sure a number is; with a minus sign where a hyphen stood."""
    if not isinstance(entry, Cell):
        return written(entry), ""
    value, sure = entry.parts
    return re.sub(r"^-(?=\d)", "−", value), re.sub(r"(?<=[\[ ])-(?=\d)", "−", sure)
