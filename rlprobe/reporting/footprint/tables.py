"""The tables of `rlprobe footprint`: each function takes a summary of analysis/footprint.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.reporting.direction.tables import tail_title
from rlprobe.reporting.formats import Cell, table_of
from rlprobe.reporting.names import text_of

Summary = dict[str, Any]

FOLLOWED = {
    "disagreements": "disagreements",
    "new": "new since the step before",
    "lost": "lost since the step before",
    "new_share": "new, of these",
    "lost_share": "lost, of those before",
    "of_final": "of the last step's, there already",
    "same_of_final": "… with the same token of RL",
    "lasting": "of these, there in the last step",
}


def footprint_table(summary: Summary) -> pd.DataFrame:
    """One row a checkpoint: accuracy against the base, classes on both texts, mean divergence."""
    rows = [_checkpoint(step) for step in summary["steps"]]
    return table_of(rows, list(rows[0]))


def _checkpoint(step: dict[str, Any]) -> dict[str, Any]:
    test = step["mcnemar"]
    row = {
        "checkpoint": step["name"],
        "base's accuracy": Cell.of(step["accuracy"].get("base"), "%"),
        "base, no answer": Cell.of(step["no_answer"].get("base"), "%"),
        "accuracy": Cell.of(step["accuracy"].get("rl"), "%"),
        "no answer": Cell.of(step["no_answer"].get("rl"), "%"),
        "gain": Cell.of(step["gain"], "%"),
        "McNemar p": Cell(test["p_value"] if test else None),
        "mean length": Cell.of(step["length"].get("rl")),
    }
    for arm, rates in step["rates"].items():
        row |= {f"{name} on {text_of(arm)}": Cell.of(rates[name], "%") for name in ("reranked", "shifted")}
        row[f"mean KL on {text_of(arm)}"] = Cell.of(step["divergence"][arm], "nats")
    return row


def tails_table(summary: Summary) -> pd.DataFrame:
    """The tail masses of Δ log p of the token present, a row a checkpoint and text."""
    rows = [
        {
            "checkpoint": step["name"],
            "text": text_of(arm),
            "tokens": step["tokens"][arm],
            **{tail_title(tail): Cell.of(mass, "%") for tail, mass in masses.items()},
        }
        for step in summary["steps"]
        for arm, masses in step["tails"].items()
    ]
    return table_of(rows, list(rows[0]))


def followed_table(summary: Summary) -> pd.DataFrame:
    """Disagreements along the base's own text, the same positions for every checkpoint."""
    rows = [
        {
            "checkpoint": step["name"],
            **{title: Cell.of(step["followed"][name], "%") for name, title in FOLLOWED.items()},
        }
        for step in summary["steps"]
    ]
    return table_of(rows, ["checkpoint", *FOLLOWED.values()])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "footprint": footprint_table,
    "footprint_tails": tails_table,
    "footprint_followed": followed_table,
}
