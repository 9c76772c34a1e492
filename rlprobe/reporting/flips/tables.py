"""The tables of `rlprobe flips`: each function takes a summary of analysis/flips.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.records import SearchEnd
from rlprobe.reporting.formats import Cell, quoted, table_of

Summary = dict[str, Any]

RL, SAME, AGREED = "rl", "same", "agreed"
WRITTEN = {
    RL: "RL's token, where they disagree",
    SAME: "placebo: the base's next best there, not RL's",
    AGREED: "placebo: the base's second where both agree, at the nearest entropy",
}
STARTS = {"fix": "base wrong", "break": "base right"}
ENDS = {
    SearchEnd.ONE_FLIP: "one flip is enough",
    SearchEnd.MINIMAL: "1-minimal",
    SearchEnd.STOPPED: "stopped at the limit of trials",
    SearchEnd.ORACLE_WRONG: "not right with every edit",
}


def flips_table(summary: Summary) -> pd.DataFrame:
    """One row a kind of problem and a token written: how many of them changed the verdict, per flip and per problem.

    RL's less this: the share of flips that changed it, in pairs of a flip and its placebo.
    """
    rows = [
        {
            "problems": STARTS[outcome],
            "written": WRITTEN[written],
            "number": found["problems"],
            "flips": found["flips"],
            "outcome": outcome,
            "changed": found["changed"],
            "nothing": found["nothing"],
            "ungraded": found["ungraded"],
            "share of flips": Cell.of(found["share"], "%", "flips"),
            "per problem": Cell.of(found["per_problem"]),
            "flips per problem": Cell.of(found["flips_per_problem"]),
            "problems with any": Cell.of(found["problems_with"], "%"),
            "RL's less this": Cell.of(found.get("difference"), "%"),
            "mean entropy of the base there, nats": Cell.of(found.get("entropy")),
            "flips without a placebo": found.get("without"),
        }
        for outcome in STARTS
        for written, of in {RL: summary["single"], **summary["placebo"]}.items()
        for found in [of[outcome]]
    ]
    columns = ["problems", "written", "number", "flips", "outcome", "changed", "nothing", "ungraded", "share of flips"]
    columns += ["per problem", "flips per problem", "problems with any", "RL's less this"]
    return table_of(rows, [*columns, "mean entropy of the base there, nats", "flips without a placebo"])


def needed_table(summary: Summary) -> pd.DataFrame:
    """How few edits a right answer needs: the sets in which none can be spared, beside all edits of the oracle."""
    found = summary["needed"]
    row = {
        "problems": found["problems"],
        **{ENDS[SearchEnd(end)]: n for end, n in found["ends"].items()},
        "mean size": Cell.of(found["size"]),
        "median size": Cell(found["median"]),
        "edits of the oracle": Cell.of(found["oracle_edits"]),
        "share of the oracle's": Cell.of(found["share_of_oracle"], "%", "edits"),
        "one flip is enough (share)": Cell.of(found["one_flip"], "%"),
        "mean size where stopped": Cell(found["stopped_size"]),
        "trials": found["trials"],
    }
    return table_of([row], list(row))


def sizes_table(summary: Summary) -> pd.DataFrame:
    """How many problems need a set of each size."""
    histogram = summary["needed"]["histogram"]
    rows = [
        {"edits": int(size), "problems": n, "share": Cell(n / sum(histogram.values()), unit="%")}
        for size, n in histogram.items()
    ]
    return table_of(rows, ["edits", "problems", "share"])


def swaps_table(summary: Summary) -> pd.DataFrame:
    """The pairs of tokens (the base's, RL's) whose flips changed a verdict or that an answer needs."""
    names = ["tried", "fixed", "broke", "problems", "problems_fixed", "needed"]
    rows = [
        {"base": quoted(swap["base"]), "rl": quoted(swap["rl"])} | {n.replace("_", " "): swap[n] for n in names}
        for swap in summary["swaps"]
    ]
    return table_of(rows, ["base", "rl", *(name.replace("_", " ") for name in names)])


def each_table(summary: Summary) -> pd.DataFrame:
    """Every flip of one problem, in order."""
    return _edits(summary["one"]["flips"] if summary["one"] else [], ["outcome"])


def edits_table(summary: Summary) -> pd.DataFrame:
    """The edits that one problem's right answer needs, in order; positions are in the response that they give."""
    return _edits(summary["one"]["edits"] if summary["one"] else [], [])


def _edits(edits: list[dict], more: list[str]) -> pd.DataFrame:
    rows = [edit | {"base": quoted(edit["base"]), "rl": quoted(edit["rl"])} for edit in edits]
    return table_of(rows, ["ordinal", "position", "base", "rl", *more])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "flips": flips_table,
    "needed_edits": needed_table,
    "needed_sizes": sizes_table,
    "flip_tokens": swaps_table,
}
OF_ONE_PROBLEM: dict[str, Callable[[Summary], pd.DataFrame]] = {"flips": each_table, "needed_edits": edits_table}
