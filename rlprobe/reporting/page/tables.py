"""The tables of a run as it holds them, read back from Markdown: whatever a command wrote there has its place here.

Knows the form of formats.py and the names of some tables; a table that it has never heard of is shown as well.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

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

_PART = re.compile(r"\\.|\||[^\\|]+")  # an escaped character, the border of a cell, or text


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table as text: its columns, which of them are numbers, and its rows."""

    name: str
    heading: str
    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]

    def only(self, columns: Iterable[str]) -> "PageTable":
        """The same with some of its columns."""
        at = [self.columns.index(column) for column in columns if column in self.columns]
        rows = tuple(tuple(row[i] for i in at) for row in self.rows)
        kept = tuple(self.columns[i] for i in at)
        return replace(self, columns=kept, numeric=tuple(self.numeric[i] for i in at), rows=rows)


def read(name: str, markdown: str) -> PageTable:
    """One table from the text that `formats.markdown` made."""
    header, rules, *rows = [_cells(line) for line in markdown.splitlines() if line.strip()]
    heading = OPEN.get(name, name.replace("_", " ").replace("-", " ").capitalize())
    return PageTable(name, heading, header, tuple(rule.endswith(":") for rule in rules), tuple(rows))


def arranged(texts: Mapping[str, str]) -> tuple[Sequence[PageTable], Sequence[PageTable]]:
    """(the tables to show at once, all tables in full), from name -> Markdown."""
    tables = {name: read(name, text) for name, text in sorted(texts.items())}
    shown = [tables[name].only(HEADLINE.get(name, tables[name].columns)) for name in OPEN if name in tables]
    first = [name for name in OPEN if name in tables]
    return shown, [tables[name] for name in dict.fromkeys((*first, *tables))]


def _cells(line: str) -> tuple[str, ...]:
    cells = [""]
    for part in _PART.findall(line.strip().removeprefix("|").removesuffix("|")):
        if part == "|":
            cells.append("")
        else:
            cells[-1] += part[1:] if part[0] == "\\" else part
    return tuple(cell.strip() for cell in cells)
