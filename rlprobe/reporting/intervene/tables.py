"""The tables of `rlprobe intervene`: each function takes a summary of analysis/interventions.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, table_of

Summary = dict[str, Any]

DONORS = "edits that are the donor's token"
NAMES = {"base": "base", "rl": "RL"}


def name_of(title: str) -> str:
    """What an arm is called in print."""
    return NAMES.get(title, title)


def interventions_table(summary: Summary) -> pd.DataFrame:
    """One row an arm, by the reading's answer: how right it was, what it took, and its two comparisons.

    The donor is the model that does not decode, its token what it would have said at the same place. Repaired problems
    are those that the end gets wrong and the arm right, broken the other way round. "apart from its end" is of
    arms that write an end's own text in exact arithmetic: the share of responses that are not, by rounding.
    """
    answer, floor = summary["reading"]["answer"], summary.get("noise_floor") or {}
    rows = [_intervention(title, arm, answer) | _apart(arm, floor) for title, arm in summary["arms"].items()]
    columns = [
        "arm",
        "host",
        "accuracy",
        "no answer",
        "gated",
        "edited",
        "no-ops",
        DONORS,
        "gated per response",
        "edits per response",
    ]
    columns += ["base on its problems", "RL on its problems"]
    columns += ["recovery", "p against base", "p against base, corrected", "p against RL", "p against RL, corrected"]
    columns += ["arms corrected for", "test", "repaired against base", "broken against base"]
    columns += ["repaired against RL", "broken against RL", "identical to base", "identical to RL"]
    columns += ["apart from its end", "noise floor"]
    return table_of(
        rows, [*columns, "truncated", "mean length", "problems", "told for", "responses", "ungraded", "specification"]
    )


def _intervention(title: str, arm: dict, answer: str) -> dict[str, Any]:
    found = arm["answers"][answer]
    tests = [test for test in found["against"].values() if test]
    return {
        "arm": name_of(title),
        "host": name_of(arm["host"]),
        "accuracy": Cell.of(found["accuracy"], "%"),
        "no answer": Cell.of(found["no_answer"], "%"),
        **{name: Cell.of(arm[name], "%") for name in ("gated", "edited")},
        "no-ops": Cell.of(arm["no_ops"], "%", "gated tokens"),
        DONORS: Cell.of(arm.get("donors_token"), "%", "edits"),
        "gated per response": Cell.of(arm["gated_per_response"]),
        "edits per response": Cell.of(arm["edited_per_response"]),
        "recovery": Cell.of(found["recovery"]),
        **{f"{name_of(end)} on its problems": Cell.of(found["ends"][end], "%") for end in MEMBERS},
        **{column: entry for end in MEMBERS for column, entry in _against(end, found["against"][end]).items()},
        "arms corrected for": next((test["family"] for test in tests if "family" in test), None),
        "test": next((test["test"] for test in tests if test["test"]), None),
        **{f"identical to {name_of(end)}": Cell.of(arm["identical"][end], "%") for end in MEMBERS},
        "truncated": Cell.of(arm["truncated"], "%"),
        "mean length": Cell.of(arm["length"]),
        **{name: arm[name] for name in ("problems", "responses")},
        "ungraded": found["ungraded"],
        "told for": f"{arm['half']} half" if arm["half"] else "all",
        "specification": arm["spec"],
    }


def _apart(arm: dict, floor: dict) -> dict[str, Any]:
    """How far rounding drove an arm from the end that it writes in exact arithmetic, beside that end's noise floor."""
    apart = arm["apart"]
    if apart is None:
        return {}
    return {"apart from its end": Cell.of(apart["share"], "%"), "noise floor": Cell.of(floor.get(apart["end"]), "%")}


def _against(end: str, test: dict | None) -> dict[str, Any]:
    """The columns that compare an arm with one end; empty for the end itself."""
    counts = {
        f"{name} against {name_of(end)}": _number(test[name] if test else None) for name in ("repaired", "broken")
    }
    p_values = {"": Cell.p(test), ", corrected": Cell.p(test if test and "family" in test else None, "p_adjusted")}
    return counts | {f"p against {name_of(end)}{which}": cell for which, cell in p_values.items()}


def _number(value: float | None) -> Any:
    """Whole numbers as they are; expected ones, and p-values, with three digits."""
    return value if value is None or isinstance(value, int) else Cell(value)


def doses_table(summary: Summary) -> pd.DataFrame:
    """The arms that belong to a sweep, in the order of its parameter: what was edited and what it did."""
    swept = [(title, arm) for title, arm in summary["arms"].items() if arm["dose"] is not None]
    rows = [
        {
            "family": arm["mode"],
            "parameter": f"{arm['dose']:g}",
            "arm": title,
            "host": name_of(arm["host"]),
            "gated": Cell.of(arm["gated"], "%"),
            "edited": Cell.of(arm["edited"], "%"),
            "accuracy": Cell.of(arm["answers"][summary["reading"]["answer"]]["accuracy"], "%"),
            "no answer": Cell.of(arm["answers"][summary["reading"]["answer"]]["no_answer"], "%"),
            "recovery": Cell.of(arm["answers"][summary["reading"]["answer"]]["recovery"]),
        }
        for title, arm in sorted(swept, key=lambda entry: (entry[1]["mode"], entry[1]["host"], entry[1]["dose"]))
    ]
    return table_of(
        rows, ["family", "parameter", "arm", "host", "gated", "edited", "accuracy", "no answer", "recovery"]
    )


def answers_table(summary: Summary) -> pd.DataFrame:
    """Every arm by either answer: its accuracy, its recovery, and its difference from either end."""
    rows = [
        {
            "answer": answer,
            "arm": name_of(title),
            "accuracy": Cell.of(found["accuracy"], "%"),
            "no answer": Cell.of(found["no_answer"], "%"),
            **{name: found[name] for name in ("correct", "graded", "ungraded")},
            "recovery": Cell.of(found["recovery"]),
            **{f"minus {name_of(end)}": Cell.of(test and test["difference"], "%") for end, test in against(found)},
        }
        for answer in summary["arms"]["base"]["answers"]
        for title, arm in summary["arms"].items()
        for found in [arm["answers"][answer]]
    ]
    columns = ["answer", "arm", "accuracy", "no answer", "correct", "graded", "ungraded", "recovery"]
    return table_of(rows, [*columns, "minus base", "minus RL"])


def against(found: dict) -> list[tuple[str, dict | None]]:
    """Either end, with the comparison with it."""
    return [(end, found["against"][end]) for end in MEMBERS]


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "interventions": interventions_table,
    "doses": doses_table,
    "answers": answers_table,
}
