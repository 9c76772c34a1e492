"""The tables of `rlprobe passk`: each function takes what analysis/passk.py found and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import MISSING, Cell, table_of

Found = dict[str, Any]

NAMES = {"base": "base", "rl": "RL"}
SETS = {"both": "both", "base_only": "base only", "rl_only": "RL only", "neither": "neither"}
OTHER = {"base_only": "rl", "rl_only": "base"}  # whose draws show no right answer


def curves_of(found: Found) -> dict[str, dict[str, Any]]:
    """pass@k of each model that was drawn from, at the k that are shown."""
    return {m: found["members"][m]["pass_at_k"] for m in MEMBERS if found["members"][m]}


def shown_k(found: Found) -> list[str]:
    """The k that any model is shown at, in order."""
    return sorted({k for curve in curves_of(found).values() for k in curve}, key=int)


def pass_at_k_table(found: Found) -> pd.DataFrame:
    """One row a k: pass@k of either model and, on the problems of both, RL's gain and on how many problems it wins."""
    rows = [
        {
            "k": int(k),
            **{NAMES[m]: Cell.of(curve.get(k), "%", f"sets of {k} draws") for m, curve in curves_of(found).items()},
            "RL minus base": Cell.of(gain and gain["difference"], "%"),
            "p": Cell.p(gain),
            "RL wins / ties / loses": gain and record(gain),
        }
        for k in shown_k(found)
        for gain in [found["gain"].get(k)]
    ]
    return table_of(rows, ["k", *NAMES.values(), "RL minus base", "p", "RL wins / ties / loses"])


def record(gain: dict[str, Any]) -> str | None:
    """On how many problems RL's pass@k is higher, the same, and lower; nothing in summaries of once."""
    return " / ".join(f"{gain[name]:,}" for name in ("wins", "ties", "losses")) if "wins" in gain else None


def solvable_table(found: Found) -> pd.DataFrame:
    """How many problems have a right draw from both models, from one of them, from neither.

    What only one solves is not out of the other's reach: the last column bounds its chance of a right draw.
    """
    solvable = found["solvable"]
    columns = ["a right draw from", "problems", "share", "the other's chance a draw"]
    rows = [
        {
            columns[0]: name,
            "problems": solvable["counts"][key],
            "share": Cell.of(solvable["shares"][key], "%"),
            columns[3]: unseen(solvable, key),
        }
        for key, name in SETS.items()
        if solvable["problems"]
    ]
    return table_of(rows, columns)


def unseen(solvable: dict[str, Any], key: str) -> str | None:
    """The most that a model's chance of a right draw can be on a problem that only the other solves."""
    bound = (solvable.get("unseen_at_most") or {}).get(OTHER.get(key))
    return f"at most {Cell(bound, unit='%')}" if bound is not None else None


def crossing_table(found: Found) -> pd.DataFrame:
    """Who is ahead at small k, and the k at which the other takes over."""
    crossing = found["crossing"]
    row = {
        "ahead at small k": NAMES.get(crossing["ahead"], MISSING),
        "the other takes over at k": crossing_of(crossing),
        "changes of the lead": crossing["changes"],
        "read up to k": crossing["up_to"],
    }
    return table_of([row] if crossing["up_to"] else [], list(row))


def crossing_of(crossing: dict[str, Any]) -> str:
    """The k of a crossing with its interval, an open end in words; or that there is none, and what is not excluded."""
    if crossing["k"] is None:
        where = _from(crossing["open_from"])
        return f"{crossing['reason']}" + (f"; not excluded {where}" if where else "") if crossing["ahead"] else "–"
    low = "below 1" if crossing["low"] is None else f"{crossing['low']:.1f}"
    high = f"beyond {crossing['up_to']}" if crossing["high"] is None else f"{crossing['high']:.1f}"
    return f"{crossing['k']:.1f} [{low}, {high}]"


def _from(k: float | None) -> str | None:
    return None if k is None else "at any k" if k <= 1 else f"from k = {k:.1f} on"


def regimes_table(found: Found) -> pd.DataFrame:
    """One row a family of problems: what RL gained at k = 1 and at the largest k, and its regime (arXiv 2505.24864)."""
    late = any("late" in row for row in found["regimes"])
    rows = [
        {
            "family": row["family"],
            "problems": row["problems"],
            "RL minus base, k = 1": Cell.of(row["first"], "%"),
            "at the largest k": Cell.of(row["most"], "%"),
            "since the model between": Cell.of(row.get("late"), "%"),
            "k": row["k"],
            "regime": row["regime"],
            "the interval allows": ", ".join(row["possible"]),
        }
        for row in found["regimes"]
    ]
    names = ["family", "problems", "RL minus base, k = 1", "at the largest k", "k", "regime", "the interval allows"]
    return table_of(rows, [*names[:4], *(["since the model between"] if late else []), *names[4:]])


# name of the table: what was found -> table
TABLES: dict[str, Callable[[Found], pd.DataFrame]] = {
    "passk": pass_at_k_table,
    "passk_crossing": crossing_table,
    "passk_solvable": solvable_table,
    "passk_regimes": regimes_table,
}
