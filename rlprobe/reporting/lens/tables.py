"""The tables of `rlprobe lens`: each function takes a summary of analysis/lens.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {"base": "base", "rl": "RL"}


def depth_name(depth: int) -> str:
    """What the residual stream is called after so many layers."""
    return "embedding" if depth == 0 else f"layer {depth - 1}"


def by_model(found: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    """(group, member, what is known of the two) for each group of places and each model."""
    for group, members in found.items():
        for member, entry in members.items():
            yield group, member, entry


def lens_table(summary: Summary) -> pd.DataFrame:
    """One row a group of places, model and depth."""
    rows = [
        {
            "places": group,
            "model": NAMES[member],
            "after": depth_name(entry["depth"]),
            "logprob of base's choice": Cell.of(entry["logprob_of_base"]),
            "logprob of RL's choice": Cell.of(entry["logprob_of_rl"]),
            "own choice leads": Cell.of(entry["leads"], "%", "places"),
            "own choice has settled": Cell.of(entry["settled"], "%", "places"),
        }
        for group, member, entries in by_model(summary["depths"])
        for entry in entries
    ]
    columns = ["places", "model", "after", "logprob of base's choice", "logprob of RL's choice"]
    return table_of(rows, [*columns, "own choice leads", "own choice has settled"])


def choices_table(summary: Summary) -> pd.DataFrame:
    """One row a group of places and model: after how many layers its choice first leads, and stays."""
    rows = [
        {
            "places": group,
            "model": NAMES[member],
            "n": summary["points"][group]["points"],
            "problems": summary["points"][group]["problems"],
            "base entropy": Cell.of(summary["points"][group]["entropy"], "nats"),
            "layers until it first leads": Cell.of(entry["first"]["mean"]),
            "layers until it stays": Cell.of(entry["settled"]["mean"]),
            "layers": summary["layers"],
        }
        for group, member, entry in by_model(summary["choices"])
    ]
    columns = ["places", "model", "n", "problems", "base entropy"]
    return table_of(rows, [*columns, "layers until it first leads", "layers until it stays", "layers"])


def crossed_table(summary: Summary) -> pd.DataFrame:
    """One row a trunk and a readout (final norm and head), at the disagreements: whose choice comes out."""
    rows = [
        {
            "trunk": NAMES[entry["trunk"]],
            "final norm and head": NAMES[entry["readout"]],
            "says base's choice": Cell.of(entry["base_choice"], "%", "places"),
            "says RL's choice": Cell.of(entry["rl_choice"], "%", "places"),
            "logprob of RL's choice minus base's": Cell.of(entry["gap"], "nats"),
        }
        for entry in summary["crossed"]
    ]
    columns = ["trunk", "final norm and head", "says base's choice", "says RL's choice"]
    return table_of(rows, [*columns, "logprob of RL's choice minus base's"])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "lens": lens_table,
    "lens_choices": choices_table,
    "trunk_and_head": crossed_table,
}
