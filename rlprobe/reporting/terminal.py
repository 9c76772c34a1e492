"""How a table looks at the terminal, and the console that shows it. Knows nothing of what it holds."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from rlprobe.printable import printable
from rlprobe.reporting.formats import MISSING, Cell, written
from rlprobe.reporting.table import Column, Row, Way


def blocks(parts: Iterable[RenderableType], notes: Iterable[RenderableType]) -> Group:
    """Everything that a command says: the parts with a blank line under each, then the notes."""
    return Group(*(line for part in parts for line in (part, Text())), *notes)


def share(title: str, way: Way, is_bare: bool = False) -> Column:
    """A share in percent under a header that says so; if bare, without its interval."""

    def entry(row: Row) -> Cell:
        cell = Column(title, way, "%").entry(row)
        value, low, high = (end and 100 * end for end in (cell.value, cell.low, cell.high))
        return Cell(value) if is_bare else Cell(value, low, high)

    return Column(title, entry)


def stacked(column: Column) -> Column:
    """The same with a number above its interval, for a narrow column."""
    return Column(column.title, lambda row: str(column.entry(row)).replace(" [", "\n["))


class SafeConsole(Console):
    """A console that shows data: styles are rich's own, nothing else that a terminal obeys gets through."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """What is printed, piece by piece."""
        for segment in super().render(renderable, options):
            yield segment if segment.is_control else Segment(printable(segment.text), segment.style)


def open_table(*titles: str, texts: int = 1) -> Table:
    """An open table whose first columns hold text and whose others hold numbers."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, 1), pad_edge=False, show_edge=False)
    for i, title in enumerate(titles):
        table.add_column(title, justify="left" if i < texts else "right", no_wrap=i < texts)
    return table


def screen(columns: Sequence[Column], rows: Iterable[Row], texts: int = 1, parted: Way | None = None) -> Table:
    """The rows as an open table, with a line under those that are alike in `parted`."""
    table, way = open_table(*(column.title for column in columns), texts=texts), Column("", parted or (lambda _: None))
    for _, alike in groupby(rows, way.entry):
        for row in alike:
            table.add_row(*texts_of([column.entry(row) for column in columns]))
        table.add_section()
    return table


def texts_of(entries: Sequence[Any]) -> list[Text]:
    """As Text, which rich does not search for markup: a token may well be [/b]."""
    return [Text(printable(entry.brief if isinstance(entry, Cell) else written(entry))) for entry in entries]


def first_alone(summary: dict[str, Any]) -> Iterator[Text]:
    """A sentence where a summary speaks of fewer problems than its run holds."""
    if first := summary.get("first"):
        yield Text(f"The first {first:,} of the run's {summary['problems']['held']:,} problems alone, in every row.")


FEW = 50  # problems


def few_problems(problems: int) -> Iterator[Text]:
    """A warning: of numbers that lean to one side, percentile intervals are too narrow (figures/coverage_rates.md)."""
    if 1 < problems < FEW:
        said = f"{problems} problems are few to resample: percentile intervals may be too narrow below {FEW}."
        yield Text(said, style="yellow")


def bounds_of(named: Iterable[tuple[str, Any]]) -> Iterator[Text]:
    """A sentence for each of these cells that was never, or always, seen: the tables have room for "0 of 91,895"."""
    for name, cell in named:
        if isinstance(cell, Cell) and cell.problems_bound is not None:
            yield Text(printable(f"{name}: {cell}."))


def percent(interval: dict[str, Any] | None) -> str:
    """A share in percent with one decimal, under a header that says so."""
    value = interval["value"] if interval else None
    return MISSING if value is None else f"{100 * value:.1f}"


def fixed(interval: dict[str, Any], decimals: int, scale: int = 1) -> str:
    """A number and its interval with the same decimals in every line; of what was never seen, how often it was not."""
    if (never := Cell.of(interval)).problems_bound is not None:
        return never.brief
    value, low, high = (
        None if interval[end] is None else f"{round(scale * interval[end], decimals) + 0.0:.{decimals}f}"
        for end in ("value", "low", "high")  # + 0.0, since -0.0 is 0
    )
    return MISSING if value is None else value if low is None else f"{value} [{low}, {high}]"
