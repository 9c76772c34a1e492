"""The tables of `rlprobe weights`: each function takes its summary and gives one table. Computes nothing.

Of groups of matrices a rank is the median over them, with the least and the most in brackets: not an interval.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

NAMES = {"base": "base", "rl": "RL"}
EXTENT = ["weights", "unchanged in bfloat16", "unchanged as stored", "‖ΔW‖/‖W‖"]
RANKS = ["stable rank", "rank for 90 %", "of full rank", "white noise", "numerical rank, of full"]


def kinds_table(summary: Summary) -> pd.DataFrame:
    """One row a kind of tensor, and one for all: how much changed, how far, and in how many directions."""
    return _groups({**summary["weights"]["kinds"], "all": summary["weights"]["total"]}, "kind")


def layers_table(summary: Summary) -> pd.DataFrame:
    """The same by layer, all its tensors together."""
    return _groups(summary["weights"]["layers"], "layer")


def _groups(groups: dict[str, dict], title: str) -> pd.DataFrame:
    rows = [
        {
            title: name,
            "tensors": group["tensors"],
            **_extent(group),
            **{column: _spread(group[key]) for column, key in zip(RANKS[:2], ("stable_rank", "rank_90"), strict=True)},
            "of full rank": _spread(group["rank_90_share"], "%"),
            "white noise": _spread(group["noise_rank_90_share"], "%"),
            "numerical rank, of full": _spread(group["numerical_rank_share"], "%"),
        }
        for name, group in groups.items()
    ]
    return table_of(rows, [title, "tensors", *EXTENT, *RANKS])


def _extent(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "weights": found["numbers"],
        "unchanged in bfloat16": Cell(found["unchanged"], unit="%"),
        "unchanged as stored": Cell(found["unchanged_exact"], unit="%"),
        "‖ΔW‖/‖W‖": Cell(found["relative_norm"]),
    }


def _spread(found: dict | None, unit: str = "") -> Cell:
    """The median alone where all are equal."""
    if found and found["low"] == found["high"]:
        return Cell(found["value"], unit=unit)
    return Cell.of(found, unit)


def tensors_table(summary: Summary) -> pd.DataFrame:
    """One row a tensor, in the order of the network."""
    rows = [
        {
            **{name: tensor[name] for name in ("name", "kind", "layer", "reason")},
            "shape": " × ".join(map(str, tensor["shape"])),
            **_extent(tensor),
            "stable rank": Cell(tensor["stable_rank"]),
            **{f"rank for {share} %": tensor[f"rank_{share}"] for share in (50, 90, 99)},
            "of full rank": Cell(tensor["rank_90_share"], unit="%"),
            "white noise": Cell(tensor["noise_rank_90_share"], unit="%"),
            "numerical rank": tensor["numerical_rank"],
        }
        for tensor in summary["weights"]["tensors"]
    ]
    ranks = ["stable rank", "rank for 50 %", "rank for 90 %", "rank for 99 %", "of full rank", "white noise"]
    return table_of(rows, ["name", "kind", "layer", "shape", *EXTENT, *ranks, "numerical rank", "reason"])


def answers_table(summary: Summary) -> pd.DataFrame:
    """One row a part of the change, base at the top and RL at the foot: what it answers."""
    told, answer = summary["low_rank"], summary["low_rank"]["reading"]["answer"]
    rows = [
        {
            "part of the change": NAMES.get(title, title),
            "energy": Cell(told["parts"][title]["energy"] if title in told["parts"] else None, unit="%"),
            "accuracy": Cell.of(arm["answers"][answer]["accuracy"], "%"),
            "no answer": Cell.of(arm["answers"][answer]["no_answer"], "%"),
            "recovery": Cell.of(arm["answers"][answer]["recovery"]),
            **{f"p against {NAMES[end]}": _p_value(arm["answers"][answer]["against"][end]) for end in MEMBERS},
            **{f"identical to {NAMES[end]}": Cell.of(arm["identical"][end], "%") for end in MEMBERS},
            "mean length": Cell.of(arm["length"]),
            "problems": arm["problems"],
            "ungraded": arm["answers"][answer]["ungraded"],
        }
        for title, arm in told["arms"].items()
    ]
    columns = ["part of the change", "energy", "accuracy", "no answer", "recovery", "p against base", "p against RL"]
    return table_of(rows, [*columns, "identical to base", "identical to RL", "mean length", "problems", "ungraded"])


def _p_value(test: dict | None) -> Cell:
    return Cell.p(test)


def choices_table(summary: Summary) -> pd.DataFrame:
    """One row a text and a part of the change: what it says at each token of that text, beside base and RL."""
    rows = [
        {
            "text of": NAMES[end],
            "part of the change": title,
            **{column: Cell.of(part["on"][end][name], "%") for name, column in CHOICES.items()},
            "KL(RL ‖ it)": Cell.of(part["on"][end]["kl"], "nats"),
        }
        for end in MEMBERS
        for title, part in summary["low_rank"]["parts"].items()
    ]
    return table_of(rows, ["text of", "part of the change", *CHOICES.values(), "KL(RL ‖ it)"])


# what compare_choices measures -> its column
CHOICES = {
    "disagrees": "disagrees with base",
    "agrees": "agrees with RL",
    "kept": "RL's edits kept",
    "other": "other edits there",
    "new": "edits elsewhere",
}

# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "weights_by_kind": kinds_table,
    "weights_by_layer": layers_table,
    "weights_by_tensor": tensors_table,
}
RANK_TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "low_rank_answers": answers_table,
    "low_rank_choices": choices_table,
}
