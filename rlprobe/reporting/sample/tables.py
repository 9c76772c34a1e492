"""The tables of `rlprobe sample`: each function takes a summary of analysis/sampling.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {"base": "base", "rl": "RL"}
SETS = {"both": "both", "base_only": "base only", "rl_only": "RL only", "neither": "neither"}


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


def pass_at_k_table(summary: Summary) -> pd.DataFrame:
    """One row a k, by the reading's answer: pass@k of either model and, on the problems of both, RL's gain."""
    found = found_in(summary)
    curves = {m: found["members"][m]["pass_at_k"] for m in MEMBERS if found["members"][m]}
    ks = sorted({k for curve in curves.values() for k in curve}, key=int)
    rows = [
        {
            "k": int(k),
            **{NAMES[m]: Cell.of(curve.get(k), "%", f"sets of {k} draws") for m, curve in curves.items()},
            "RL minus base": Cell.of(gain and gain["difference"], "%"),
            "p": Cell.p(gain),
        }
        for k in ks
        for gain in [found["gain"].get(k)]
    ]
    return table_of(rows, ["k", *NAMES.values(), "RL minus base", "p"])


def solvable_table(summary: Summary) -> pd.DataFrame:
    """How many problems have a right draw from both models, from one of them, from neither."""
    found = found_in(summary)["solvable"]
    if found["problems"] == 0:
        return table_of([], ["a right draw from", "problems", "share"])
    rows = [
        {"a right draw from": name, "problems": found["counts"][key], "share": Cell.of(found["shares"][key], "%")}
        for key, name in SETS.items()
    ]
    return table_of(rows, ["a right draw from", "problems", "share"])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "sampling": sampling_table,
    "pass_at_k": pass_at_k_table,
    "solvable": solvable_table,
}
