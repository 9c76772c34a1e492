"""Counts of right answers, from a table that somebody made: problem_id, model, n draws, c of them right, and a family.

A CSV, JSON, JSONL or Parquet file in, a DataFrame out; a cell that cannot be a count is refused with its place. Knows
no responses and no statistics.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from rlprobe.errors import BadInput
from rlprobe.problems.datasets import read_rows, whole_text
from rlprobe.problems.matching import id_text

COLUMNS = ("problem_id", "model", "n", "c")
FAMILY = "family"
MOST = 2**16  # draws of a problem: every k up to there is computed


def load_counts(path: Path) -> pd.DataFrame:
    """The rows of a table with the columns `COLUMNS` and, where it has one, `FAMILY`; one row a problem and model.

    Raises BadInput for an empty table, a column that is not there, a problem twice for one model, and for a count that
    is no whole number, is negative, or is more than the draws.
    """
    rows, seen = [], dict[tuple[str, str], str]()
    for where, row in _rows(path, COLUMNS):
        problem_id, model = (_name(row, column, where) for column in ("problem_id", "model"))
        n, c = (_count(row, column, where) for column in ("n", "c"))
        if n == 0:
            raise BadInput(f"{where}: n is 0; leave out a problem that was never drawn for")
        if c > n:
            raise BadInput(f"{where}: c is {c} and n is {n}; c counts the right ones of n draws")
        if (problem_id, model) in seen:
            raise BadInput(
                f"{where}: {problem_id!r} is there for {model!r} already ({seen[problem_id, model]}); "
                "give one row for a problem and a model, n and c over all of its draws"
            )
        seen[problem_id, model] = where.rpartition(", ")[2]
        family = {FAMILY: _name(row, FAMILY, where)} if FAMILY in row else {}
        rows.append({"problem_id": problem_id, "model": model, "n": n, "c": c, **family})
    table = pd.DataFrame(rows)
    if FAMILY in table:
        _check_families(path, table)
    return table


def load_families(path: Path) -> dict[str, str]:
    """problem_id -> family, of a table with these two columns. Raises BadInput as `load_counts`."""
    rows = [(_name(row, "problem_id", where), _name(row, FAMILY, where)) for where, row in _rows(path, (FAMILY,))]
    table = pd.DataFrame(rows, columns=["problem_id", FAMILY])
    _check_families(path, table)
    return dict(rows)


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[str, Mapping[str, Any]]]:
    """(where, row) of each row, where in words. Raises BadInput where there is none, or a column is not there."""
    rows = [(f"{path}, {where}", row) for where, row in read_rows(path)]
    if not rows:
        raise BadInput(f"{path} is empty: it holds no row")
    for where, row in rows:
        if lacking := [column for column in columns if column not in row]:
            raise BadInput(f"{where} has no column {lacking[0]!r}: it has {', '.join(row)}")
    return rows


def _check_families(path: Path, table: pd.DataFrame) -> None:
    if table[FAMILY].isna().any():
        lacking = table.loc[table[FAMILY].isna(), "problem_id"].iloc[0]
        raise BadInput(f"{path}: {lacking!r} has no family, and others have one")
    several = table.groupby("problem_id")[FAMILY].nunique()
    if (several > 1).any():
        raise BadInput(f"{path}: {several[several > 1].index[0]!r} is of two families; a problem is of one")


def _name(row: Mapping[str, Any], column: str, where: str) -> str:
    name = id_text(row.get(column))
    if name is None:
        raise BadInput(f"{where}: the column {column!r} is empty")
    return whole_text(name, f"{where}: the column {column!r}")


def _count(row: Mapping[str, Any], column: str, where: str) -> int:
    """A whole number from 0 up, as a number or as its digits; 2.0 is one: so do tables have it that lack an entry."""
    value = row[column]
    text = re.sub(r"(?<=[0-9])\.0+$", "", str(value).strip())
    if isinstance(value, bool) or not text.removeprefix("-").isdecimal() or not text.isascii():
        raise BadInput(f"{where}: {column} is {value!r}, which is no whole number")
    if text.startswith("-") and int(text):
        raise BadInput(f"{where}: {column} is {text}; a count is from 0 up")
    if len(text) > 9 or int(text) > MOST:
        raise BadInput(f"{where}: {column} is {text[:20]}; at most {MOST:,} draws of a problem are read")
    return int(text)
