"""A table, declared: the rows it has and, for each column, a title, the way to its entry in a row, and a unit.

Every table of a command is one, on the disk, on the page and at the terminal. Knows nothing of what the numbers mean.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]
Row = Mapping[str, Any]
Way = str | Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """What stands over it; where in a row its entry is (keys joined by dots, or a function of the row); its unit.

    Without a unit an entry stands as it is: text, a whole number. With one ("", "%", "×", "nats") it is a `Cell`: of an
    interval, or of a number. `units` is what an interval counts, where that is not tokens.
    """

    title: str
    way: Way
    unit: str | None = None
    units: str | None = None

    def entry(self, row: Row) -> Any:
        """The entry in a row; what is a `Cell` or a word already stays so."""
        found = walk(row, self.way) if isinstance(self.way, str) else self.way(row)
        if self.unit is None or isinstance(found, Cell | str):
            return found
        if found is None or isinstance(found, Mapping):
            return Cell.of(found, self.unit, self.units)
        return Cell(found, unit=self.unit)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a summary, and their columns: the same for every summary, or a function of it."""

    rows: Callable[[Summary], Iterable[Row]]
    columns: Sequence[Column] | Callable[[Summary], Sequence[Column]]

    def __call__(self, summary: Summary) -> pd.DataFrame:
        """The table of a summary."""
        columns = self.columns(summary) if callable(self.columns) else self.columns
        rows = [{column.title: column.entry(row) for column in columns} for row in self.rows(summary)]
        return table_of(rows, [column.title for column in columns])


def walk(found: Any, way: str) -> Any:
    """What is at the end of a way; None where it ends early."""
    for key in way.split("."):
        found = found.get(key) if found else None
    return found


def each(found: Mapping[str, Any], key: str, **more: Any) -> list[dict[str, Any]]:
    """A row for each entry of a mapping, which holds its name under `key`, and `more`."""
    return [{**entry, key: name, **more} for name, entry in found.items()]


def plain(*names: str) -> tuple[Column, ...]:
    """Columns that are called what their entries are, which stand as they are."""
    return tuple(Column(name.replace("_", " "), name) for name in names)
