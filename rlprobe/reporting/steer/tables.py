"""The table of `rlprobe steer`: a function of a summary of analysis/steering.py.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {"base": "base", "rl": "RL", "difference": "RL - base", "random": "random"}
COLUMNS = ("accuracy", "no answer", "minus base", "recovery", "texts that differ", "edited", "mean length")


def steering_table(summary: Summary) -> pd.DataFrame:
    """One row an arm: the two models themselves, then every place, coefficient and direction."""
    rows = [
        {
            "vector acts": None if arm["where"] == "own" else arm["where"],
            "direction": NAMES[arm["direction"]],
            "coefficient": None if arm["where"] == "own" else Cell(arm["coefficient"]),
            "chosen on the other half": "yes" if arm["chosen"] else None,
            "directions": None if arm["where"] == "own" else arm["directions"],
            "accuracy": Cell.of(arm["accuracy"], "%"),
            "no answer": Cell.of(arm["no_answer"], "%"),
            "minus base": Cell.of(arm["gain"], "%"),
            "recovery": Cell.of(arm["recovery"]),
            "texts that differ": Cell(arm["differs"], unit="%"),
            "edited": Cell(arm["edited"], unit="%"),
            "mean length": Cell(arm["mean_length"]),
        }
        for arm in summary["arms"]
    ]
    return table_of(
        rows, ["vector acts", "direction", "coefficient", "chosen on the other half", "directions", *COLUMNS]
    )


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {"steering": steering_table}
