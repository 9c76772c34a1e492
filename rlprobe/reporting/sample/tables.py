"""The tables of `rlprobe sample`: each function takes a summary of analysis/sampling.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, table_of
from rlprobe.reporting.passk.tables import NAMES, pass_at_k_table, solvable_table

Summary = dict[str, Any]


def found_in(summary: Summary) -> dict[str, Any]:
    """What was found by the answer policy of the reading."""
    return summary["answers"][summary["reading"]["answer"]]


def sampling_table(summary: Summary) -> pd.DataFrame:
    """One row a model: how right its draws were by either answer, how long, how many cut, how surprising to itself."""
    rows = [_member(summary, member) for member in MEMBERS if summary["members"][member]]
    shares = [f"{what}, {answer} answer" for answer in summary["answers"] for what in ("accuracy", "none found")]
    return table_of(
        rows,
        ["model", *shares, "mean length", "truncated", "nats a token", "draws", "problems", "responses", "ungraded"],
    )


def _member(summary: Summary, member: str) -> dict[str, Any]:
    text, graded = summary["members"][member], found_in(summary)["members"][member]
    return {
        "model": NAMES[member],
        **{
            f"{words}, {answer} answer": Cell.of(found["members"][member] and found["members"][member][name], "%")
            for answer, found in summary["answers"].items()
            for name, words in (("accuracy", "accuracy"), ("no_answer", "none found"))
        },
        "mean length": Cell.of(text["length"]),
        "truncated": Cell.of(text["truncated"], "%"),
        "nats a token": Cell.of(text["surprisal"]),
        **{name: text[name] for name in ("draws", "problems", "responses")},
        "ungraded": text["responses"] - (graded["graded"] if graded else 0),
    }


def power_table(summary: Summary) -> pd.DataFrame:
    """What it took to draw from a power of the base; no row where it was drawn from as it is."""
    power, cost = summary.get("power"), summary.get("cost", {})
    columns = ("power", "block", "moves a block", "moves taken", "tokens drawn for one of the text", "for one taken in")
    row = power and (
        *(f"{power['alpha']:g}", power["block"], power["moves"]),
        *(Cell.of(cost["accepted"], "%", "moves"), Cell.of(cost["per_token"]), Cell.of(cost["per_accepted"])),
    )
    return table_of([dict(zip(columns, row, strict=True))] if row else [], list(columns))


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "sampling": sampling_table,
    "pass_at_k": lambda summary: pass_at_k_table(found_in(summary)),
    "power": power_table,
    "solvable": lambda summary: solvable_table(found_in(summary)),
}
