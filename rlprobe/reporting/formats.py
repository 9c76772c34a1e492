"""How a number is written, and how a table of them is: CSV, Markdown, LaTeX, and JSON, which alone is read back.

A table is a DataFrame whose entries are strings, whole numbers, `Cell`s or None. JSON keeps them all as they are; CSV
keeps full precision, with an interval in columns of its own; the other two are for reading. Knows nothing of what the
numbers mean.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import ceil, floor, log10
from typing import Any

import pandas as pd

MISSING = "–"
_SUFFIX = {"": "", "%": " %", "×": "×", "nats": " nats"}


@dataclass(frozen=True, slots=True)
class Cell:
    """A number with its interval, or (without `value`) a range; in its unit, which is one of "", "%", "×", "nats".

    A percentage is held as a share from 0 to 1. Of what was never (or always) seen among `n` units, called `units`, the
    interval holds if they were independent, and `problems_bound` is the share of problems that may have one (another).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    units: str = "tokens"
    problems_bound: float | None = None
    sign: str | None = None

    @classmethod
    def p(cls, test: Mapping[str, Any] | None, key: str = "p_value") -> "Cell":
        """The p-value of a test; "<" where it is the least that so many resamples can show, and may be smaller."""
        if not test or test[key] is None:
            return cls(None)
        least = test.get("p_floor")
        return cls(test[key], sign="<" if least is not None and test["p_value"] <= least and test[key] < 1 else None)

    @classmethod
    def of(cls, interval: Mapping[str, Any] | None, unit: str = "", units: str | None = None) -> "Cell":
        """From an interval of a summary; None (not measured) gives an empty cell."""
        if not interval:
            return cls(None, unit=unit)
        units = units or ("responses" if interval.get("n_tokens") is None else "tokens")
        never = (interval.get("n_units"), units, interval.get("problems_bound"))  # older summaries lack both
        return cls(interval["value"], interval["low"], interval["high"], unit, *never)

    def __str__(self) -> str:
        """2.11 % [1.90, 2.35]; a range as 1.0–4.1 %; an empty cell as a dash; what was never seen in words."""
        number, sure = self.parts
        return number + ("" if not sure else f" {sure}" if sure.startswith("[") else f"; {sure}")

    @property
    def parts(self) -> tuple[str, str]:
        """The number, and how sure it is: its interval, or its bounds in words; nothing where there is neither."""
        if self._is_unseen:
            return f"{self.brief} {self.units}", self.bounds
        value, _, interval = self.number.partition(" [")
        sure = f"[{interval}" if interval else ""
        return value, sure if self.problems_bound is None else "; ".join(filter(None, (sure, self.bounds)))

    @property
    def brief(self) -> str:
        """The same where room is short: 0 of 91,895."""
        seen = {0.0: "0", 1.0: "all"}.get(self.value) if self._is_unseen else None  # type: ignore[arg-type]
        return f"{seen} of {self.n:,}" if seen else self.number

    @property
    def bounds(self) -> str:
        """Both bounds of what was never (or always) seen, each with what it is a share of."""
        problems, if_so = Cell(self.problems_bound, unit="%"), f"if {self.units} were independent"
        if not self._is_unseen:
            return f"the interval holds {if_so}; at most {problems} of problems differ"
        reach = Cell(self.high if self.value == 0 else 1 - (self.low or 0), unit="%")
        one = "one" if self.value == 0 else "another"
        return f"at most {problems} of problems have {one}; at most {reach} of {self.units} {if_so}"

    @property
    def _is_unseen(self) -> bool:
        """Whether this is a share of 0 or 1 with its bounds; a difference of two such shares can be negative."""
        return self.problems_bound is not None and self.value in (0, 1) and self.low is not None and self.low >= 0

    @property
    def number(self) -> str:
        """Value, unit and interval."""
        scale, suffix = (100 if self.unit == "%" else 1), _SUFFIX[self.unit]
        value, low, high = (None if x is None else scale * x for x in (self.value, self.low, self.high))
        if value is None:
            return MISSING if low is None or high is None else _range(low, high) + suffix
        write = _writer(value or high or 0.0, fewest=1 if self.unit == "%" else 0)
        if self.sign:
            return f"{self.sign} {_no_less(value)}{suffix}"
        return write(value) + suffix + ("" if low is None or high is None else f" [{write(low)}, {write(high)}]")


def _no_less(value: float) -> str:
    """Two significant digits, rounded up: what lies below the number lies below this."""
    step = 10.0 ** (floor(log10(value)) - 1)
    return f"{ceil(value / step - 1e-9) * step:.2g}"


def _range(low: float, high: float) -> str:
    """Both ends with the decimals that the longer one needs."""
    decimals = max(len(f"{x:.6g}".partition(".")[2]) for x in (low, high))
    return f"{low:.{decimals}f}–{high:.{decimals}f}"


def _writer(leading: float, fewest: int) -> Callable[[float], str]:
    """Three significant digits of the leading number (two below 0.1), and the same decimals for its interval."""
    exponent = floor(log10(abs(leading))) if leading else 0
    decimals = max(fewest, (2 if exponent >= -1 else 1) - exponent)
    form = ".1e" if exponent < -4 else f".{decimals}f"
    return lambda x: "0" if x == 0 else format(x, form)


def table_of(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """A table of these columns; what a row lacks is None, and whole numbers stay whole beside it."""
    return pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in columns})


def quoted(token: str) -> str:
    """A token as people can see it, written as Python would: spaces show, newlines and the unprintable are escaped."""
    return repr(token)


def written(entry: Any) -> str:
    """One entry of a table as people read it."""
    if entry is None:
        return MISSING
    return f"{entry:,}" if isinstance(entry, int) else str(entry)


def csv(table: pd.DataFrame) -> str:
    """Comma-separated, numbers in full precision, shares from 0 to 1, nothing where a number is missing."""
    columns: dict[str, list] = {}
    for name in table.columns:
        entries, header = list(table[name]), str(name).replace(" ", "_")
        columns[header] = [e.value if isinstance(e, Cell) else e for e in entries]
        for end in ("low", "high", "problems_bound", "sign"):
            ends = [getattr(e, end, None) for e in entries]
            if any(e is not None for e in ends):
                columns[f"{header}_{end}"] = ends
    return pd.DataFrame(columns, dtype=object).to_csv(index=False, lineterminator="\n")


def markdown(table: pd.DataFrame) -> str:
    """A pipe table; what Markdown would take for markup is escaped."""
    rules = [("---:" if is_number(table[name]) else "---") for name in table.columns]
    rows = [list(map(str, table.columns)), *([written(e) for e in row] for row in table.itertuples(index=False))]
    lines = ["| " + " | ".join(map(_escaped, row)) + " |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join(rules) + " |", *lines[1:]]) + "\n"


def latex(table: pd.DataFrame) -> str:
    """A tabular with the rules of booktabs, for a document with UTF-8 input and the T1 font encoding."""
    alignment = "".join("r" if is_number(table[name]) else "l" for name in table.columns)
    text = pd.DataFrame({str(name): [written(e) for e in table[name]] for name in table.columns}, dtype=object)
    return text.to_latex(index=False, escape=True, column_format=alignment)


def as_json(table: pd.DataFrame) -> str:
    """The columns' titles, and a line for each row: a `Cell` as the fields that it has, all else as it stands."""
    lines = [json.dumps([_plain(entry) for entry in row], ensure_ascii=False) for row in table.itertuples(index=False)]
    head = json.dumps([str(name) for name in table.columns], ensure_ascii=False)
    return f'{{"columns": {head}, "rows": [' + ",".join(f"\n{line}" for line in lines) + "\n]}\n"


def from_json(found: Any) -> pd.DataFrame:
    """The table that `as_json` wrote, from its parsed text, with the very entries it had."""
    rows = [[Cell(**entry) if isinstance(entry, dict) else entry for entry in row] for row in found["rows"]]
    return table_of([dict(zip(found["columns"], row, strict=True)) for row in rows], found["columns"])


def _plain(entry: Any) -> Any:
    if not isinstance(entry, Cell):
        return entry.item() if hasattr(entry, "item") else entry
    held = {each.name: _plain(getattr(entry, each.name)) for each in fields(Cell)}
    return {
        each.name: held[each.name] for each in fields(Cell) if each.name == "value" or held[each.name] != each.default
    }


def is_number(column: pd.Series) -> bool:
    """Whether a column holds numbers, which stand to the right."""
    return any(isinstance(entry, int | Cell) for entry in column)


def _escaped(text: str) -> str:
    marks = r"\`*_|<>$~"
    return "".join(f"\\{c}" if c in marks else c for c in text.replace("\n", " "))


# suffix of the file: table -> text
FORMATS: dict[str, Callable[[pd.DataFrame], str]] = {"csv": csv, "md": markdown, "tex": latex, "json": as_json}
