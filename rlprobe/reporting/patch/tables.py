"""The tables of `rlprobe patch`: each function takes a summary of analysis/patching.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {"base": "base", "rl": "RL"}
SOURCES = {"same": "same place", "other": "another problem", "other_host": "another problem, host's own"}
WHERES = {"0": "decision point", "earlier": "all before", "prompt": "the prompt"}
COLUMNS = ("share of the gap", "flips", "breaks")
# of the factorial: log p(RL's choice) - log p(base's choice), with whose residual stream under whose later layers
GAPS = {
    "base_under_base": "gap, the base",
    "rl_under_base": "gap, RL's residuals, base's layers",
    "base_under_rl": "gap, base's residuals, RL's layers",
    "rl_under_rl": "gap, RL",
}
CONTRASTS = {
    "residual": "RL's residuals add",
    "layers": "RL's later layers add",
    "interaction": "interaction",
}
BEYOND = ("control", "share minus control", "flips minus control")


def where_name(where: str) -> str:
    """What a part of the text is called in print."""
    return WHERES.get(where, f"{where.lstrip('-')} before")


def donor_of(summary: Summary) -> str:
    """Whose activations are put in."""
    return "rl" if summary["patches"]["host"] == "base" else "base"


def patching_table(summary: Summary) -> pd.DataFrame:
    """One row a patch of a whole site: where its activation comes from and goes to, and what it does."""
    rows = [
        {
            "activation from": SOURCES[cell["source"]],
            "put in at": where_name(cell["where"]),
            "site": cell["site"],
            "layer": cell["layer"],
            **_effects(cell),
        }
        for cell in summary["cells"]
        if cell["head"] < 0
    ]
    return table_of(rows, ["activation from", "put in at", "site", "layer", *COLUMNS, *BEYOND, "places", "problems"])


def heads_table(summary: Summary) -> pd.DataFrame:
    """One row a head, at the decision point; its control is in the differences alone."""
    cells = [cell for cell in summary["cells"] if cell["head"] >= 0 and cell["source"] == "same"]
    rows = [{"layer": cell["layer"], "head": cell["head"], **_effects(cell)} for cell in cells]
    return table_of(rows, ["layer", "head", *COLUMNS[:2], *BEYOND, "places", "problems"])


def factorial_table(summary: Summary) -> pd.DataFrame:
    """One row a layer boundary: the four gaps, what RL's residual stream and later layers add, and the interaction."""
    found = summary.get("factorial") or {"boundaries": []}
    rows = [
        {
            "boundary": f"after layer {at['layer']}",
            **{name: Cell.of(at["gaps"][key], "nats") for key, name in GAPS.items()},
            **{name: Cell.of(at[key], "nats") for key, name in CONTRASTS.items()},
            "places": found["points"],
            "problems": found["problems"],
        }
        for at in found["boundaries"]
    ]
    return table_of(rows, ["boundary", *GAPS.values(), *CONTRASTS.values(), "places", "problems"])


def _effects(cell: dict[str, Any]) -> dict[str, Any]:
    beyond = cell["minus_control"]
    return {
        "share of the gap": Cell.of(cell["share"], "%"),
        "flips": Cell.of(cell["flips"], "%", "places"),
        "breaks": Cell.of(cell["breaks"], "%", "places"),
        "control": SOURCES[beyond["control"]] if beyond else None,
        "share minus control": Cell.of(beyond and beyond["share"], "%"),
        "flips minus control": Cell.of(beyond and beyond["flips"], "%", "places"),
        "places": cell["points"],
        "problems": cell["share"]["n_problems"],
    }


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "patching": patching_table,
    "heads": heads_table,
    "factorial": factorial_table,
}
