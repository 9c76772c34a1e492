"""The tables of `rlprobe consequences`: each takes a summary of analysis/consequences.py and gives one table.

Entries are strings, whole numbers and `Cell`s, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {
    "text": "back to RL's text",
    "answer": "only to its answer",
    "consequential": "consequential",
    "undecided": "undecided",
}
FINDERS = {"entropy_base": "entropy of the base", "kl_rl_base": "KL(RL || base)", "margin_base": "margin of the base"}


def consequences_table(summary: Summary) -> pd.DataFrame:
    """One row a class of disagreement: how many, in how many problems, what came of them, and the neutral share."""
    rows = [
        {
            "disagreements": name,
            "number": found["places"],
            "problems": found["problems"],
            **{words: found["counts"][outcome] for outcome, words in NAMES.items()},
            "neutral": Cell.of(found["neutral"], "%"),
        }
        for name, found in summary["classes"].items()
    ]
    return table_of(rows, ["disagreements", "number", "problems", *NAMES.values(), "neutral"])


def finders_table(summary: Summary) -> pd.DataFrame:
    """One row a signal: how well it tells consequential from neutral disagreements."""
    rows = [
        {"signal": FINDERS[name], "consequential where": where, "AUROC": Cell.of(summary["finders"][name])}
        for name, where in (("entropy_base", "high"), ("kl_rl_base", "high"), ("margin_base", "low"))
    ]
    return table_of(rows, ["signal", "consequential where", "AUROC"])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "consequences": consequences_table,
    "consequence_finders": finders_table,
}
