"""What `rlprobe passk` says at the terminal, and `rlprobe sample` of pass@k: at 80 columns, with or without colour.

The tables on disk hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.printable import printable
from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.passk.tables import (
    NAMES,
    SETS,
    Found,
    crossing_of,
    curves_of,
    shown_k,
    unseen,
)
from rlprobe.reporting.terminal import few_problems, fixed, open_table, percent, texts_of


def show(summary: Found) -> Group:
    """The whole report, for the print of a rich Console."""
    regimes: list[Any] = [_regimes(summary), Text()] if len(summary["regimes"]) > 1 else []
    return Group(_heading(summary), Text(), pass_at_k(summary), Text(), *regimes, *_notes(summary))


def _heading(summary: Found) -> Text:
    models = (f"{NAMES[m]}: {summary['models'][m]}" for m in MEMBERS if summary["models"][m])
    return Text.assemble(("What is in reach", "bold"), printable("   " + ", ".join(models)))


def pass_at_k(found: Found) -> Table:
    """pass@k of the models and, on the problems of both, RL's gain: all in percent."""
    curves, gain = curves_of(found), found["gain"]
    table = open_table("k", *(f"{NAMES[m]}\npass@k, %" for m in curves), *(["RL - base\n%", "p"] if gain else []))
    for k in shown_k(found):
        entries: list[Any] = [fixed(curve[k], 1, scale=100) if k in curve else None for curve in curves.values()]
        if gain:
            entries += [fixed(gain[k]["difference"], 1, scale=100), Cell.p(gain[k])] if k in gain else [None] * 2
        table.add_row(*texts_of([k, *entries]))
    return table


def _regimes(summary: Found) -> Table:
    """One line a family of problems."""
    table = open_table("family", "regime", "may be", "problems", "RL - base\nk = 1, %", "at the largest\nk, %", texts=3)
    for row in summary["regimes"]:
        gains = percent(row["first"]), fixed(row["most"], 1, scale=100)
        table.add_row(*texts_of([row["family"], row["regime"], _others(row), row["problems"], *gains]))
    return table


def _others(row: dict[str, Any]) -> str:
    """The regimes that the interval allows besides that of the estimate."""
    return ", ".join(regime for regime in row["possible"] if regime != row["regime"]) or "no other"


def of_draws(found: Found) -> Iterator[Text]:
    """What a reader must know of pass@k before quoting a number of it."""
    for m in MEMBERS:
        if (one := found["members"][m]) and one["most_draws"] > one["draws"]:
            few, many = one["draws"], one["most_draws"]
            yield Text(f"Problems have from {few} to {many} draws of {NAMES[m]}: k goes up to {few}.", style="yellow")
    crossing, solvable = found["crossing"], found["solvable"]
    if crossing["ahead"]:
        yield Text(
            f"{NAMES[crossing['ahead']]} is ahead at small k; the other takes over at k: {crossing_of(crossing)}."
        )
        if crossing["changes"] > 1:
            yield Text(f"The lead changes {crossing['changes']} times; this is the first.", style="yellow")
    if solvable["problems"]:
        for k in [*found["gain"]][:1] + [*found["gain"]][1:][-1:]:
            told = found["gain"][k]
            yield Text(
                f"At k = {k} RL is ahead on {told['wins']:,} problems and behind on {told['losses']:,}; "
                f"{told['ties']:,} are ties."
            )
        counts = ", ".join(f"{SETS[name]} {n:,}" for name, n in solvable["counts"].items())
        n = min(solvable["draws"].values())
        yield Text(f"Problems with a right answer in {n} draws: {counts}.")
        for key in ("base_only", "rl_only"):
            if solvable["counts"][key]:
                other = NAMES["rl" if key == "base_only" else "base"]
                yield Text(f"{SETS[key]}: {other}'s chance of a right draw there is {unseen(solvable, key)}, not 0.")
        yield Text(f"base only against RL only: p = {Cell(solvable['p_value'])}; more draws solve more problems.")
    elif all(found["members"].values()):
        yield Text(f"No gain to show: {found['reason']}.", style="yellow")
    yield Text("pass@k is the unbiased estimate 1 - C(n-c, k) / C(n, k), its mean over problems.")


def _notes(summary: Found) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from few_problems(summary["solvable"]["problems"])
    yield from of_draws(summary)
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    if summary["regimes"]:
        yield Text(f"A gain of at most {100 * summary['margin']:g} points either way is none, in a regime.")
    for reason, n in summary["left_out"]["reasons"].items():
        yield Text(printable(f"Problems left out of the comparison: {n:,} ({reason})."), style="yellow")
