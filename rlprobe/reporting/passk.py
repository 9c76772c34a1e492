"""What `rlprobe passk` shows, and `rlprobe sample` of pass@k: tables, the figure, and words at the terminal.

What analysis/passk.py found comes in. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.printable import printable
from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.passk import FIGURES, curves_of, shown_k
from rlprobe.reporting.formats import MISSING, Cell
from rlprobe.reporting.names import NAMES
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, few_problems, fixed, percent, screen

__all__ = ["FIGURES", "TABLES", "show"]

SETS = {"both": "both", "base_only": "base only", "rl_only": "RL only", "neither": "neither"}
OTHER = {"base_only": "rl", "rl_only": "base"}  # whose draws show no right answer


# -- rows


def pass_at_k(found: Summary) -> Iterator[dict[str, Any]]:
    """One row a k: pass@k of either model and, on the problems of both, RL's gain and on how many problems it wins."""
    for k in shown_k(found):
        test = found["gain"].get(k)
        row = {member: curve.get(k) for member, curve in curves_of(found).items()}
        yield {**row, "k": int(k), "test": test, "gain": test and test["difference"]}


def solvable(found: Summary) -> Iterator[dict[str, Any]]:
    """How many problems have a right draw from both models, from one of them, from neither.

    What only one solves is not out of the other's reach: the last entry bounds its chance of a right draw.
    """
    sets = found["solvable"]
    for key, name in SETS.items() if sets["problems"] else ():
        yield {
            "from": name,
            "problems": sets["counts"][key],
            "share": sets["shares"][key],
            "unseen": unseen(sets, key),
        }


def _crossing(found: Summary) -> Iterator[Row]:
    """Who is ahead at small k, and the k at which the other takes over."""
    if found["crossing"]["up_to"]:
        yield found["crossing"]


def unseen(solvable: dict[str, Any], key: str) -> str | None:
    """The most that a model's chance of a right draw can be on a problem that only the other solves."""
    bound = (solvable.get("unseen_at_most") or {}).get(OTHER.get(key))
    return f"at most {Cell(bound, unit='%')}" if bound is not None else None


def crossing_of(crossing: dict[str, Any]) -> str:
    """The k of a crossing with its interval, an open end in words; or that there is none, and what is not excluded."""
    if crossing["k"] is None:
        where = _from(crossing["open_from"])
        return f"{crossing['reason']}" + (f"; not excluded {where}" if where else "") if crossing["ahead"] else "–"
    low = "below 1" if crossing["low"] is None else f"{crossing['low']:.1f}"
    high = f"beyond {crossing['up_to']}" if crossing["high"] is None else f"{crossing['high']:.1f}"
    return f"{crossing['k']:.1f} [{low}, {high}]"


def _from(k: float | None) -> str | None:
    return None if k is None else "at any k" if k <= 1 else f"from k = {k:.1f} on"


def _record(row: Row) -> str | None:
    """On how many problems RL's pass@k is higher, the same, and lower; nothing in summaries of once."""
    test = row["test"]
    return " / ".join(f"{test[name]:,}" for name in ("wins", "ties", "losses")) if test and "wins" in test else None


# -- tables


def _at_k(member: str) -> Column:
    def entry(row: Row) -> Cell | None:
        return Cell.of(row[member], "%", f"sets of {row['k']} draws") if member in row else None

    return Column(NAMES[member], entry)


PASS_AT_K = (
    *(*plain("k"), *map(_at_k, MEMBERS), Column("RL minus base", "gain", "%")),
    *(Column("p", lambda row: Cell.p(row["test"])), Column("RL wins / ties / loses", _record)),
)
SOLVABLE = (
    *(Column("a right draw from", "from"), *plain("problems"), Column("share", "share", "%")),
    Column("the other's chance a draw", "unseen"),
)
CROSSING = (
    Column("ahead at small k", lambda row: NAMES.get(row["ahead"], MISSING)),
    Column("the other takes over at k", lambda row: crossing_of(dict(row))),
    *(Column("changes of the lead", "changes"), Column("read up to k", "up_to")),
)


def _of_families(found: Summary) -> list[Column]:
    late = any("late" in row for row in found["regimes"])
    return [
        *(*plain("family", "problems"), Column("RL minus base, k = 1", "first", "%")),
        Column("at the largest k", "most", "%"),
        *([Column("since the model between", "late", "%")] if late else []),
        *plain("k", "regime"),
        Column("the interval allows", lambda row: ", ".join(row["possible"])),
    ]


# name of the table: what was found -> table
TABLES = {
    "passk": Table(pass_at_k, PASS_AT_K),
    "passk_crossing": Table(_crossing, CROSSING),
    "passk_solvable": Table(solvable, SOLVABLE),
    "passk_regimes": Table(lambda found: found["regimes"], _of_families),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    models = (f"{NAMES[m]}: {summary['models'][m]}" for m in MEMBERS if summary["models"][m])
    heading = Text.assemble(("What is in reach", "bold"), printable("   " + ", ".join(models)))
    families = [screen(FAMILIES, summary["regimes"])] if len(summary["regimes"]) > 1 else []
    return blocks([heading, screen(curve_columns(summary), pass_at_k(summary)), *families], _notes(summary))


FAMILIES = (
    *(*plain("family", "regime"), Column("may be", lambda row: _others(row)), *plain("problems")),
    Column("RL - base\nk = 1, %", lambda row: percent(row["first"])),
    Column("at the largest\nk, %", lambda row: fixed(row["most"], 1, scale=100)),
)


def _in_percent(title: str, key: str) -> Column:
    return Column(title, lambda row: row.get(key) and fixed(row[key], 1, scale=100))


def curve_columns(found: Summary) -> list[Column]:
    """pass@k of the models and, on the problems of both, RL's gain: all in percent."""
    curves = [_in_percent(f"{NAMES[member]}\npass@k, %", member) for member in curves_of(found)]
    p = Column("p", lambda row: row["test"] and Cell.p(row["test"]))
    return [*plain("k"), *curves, *((_in_percent("RL - base\n%", "gain"), p) if found["gain"] else ())]


def _others(row: Row) -> str:
    """The regimes that the interval allows besides that of the estimate."""
    return ", ".join(regime for regime in row["possible"] if regime != row["regime"]) or "no other"


def of_draws(found: Summary) -> Iterator[Text]:
    """What a reader must know of pass@k before quoting a number of it."""
    for m in MEMBERS:
        if (one := found["members"][m]) and one["most_draws"] > one["draws"]:
            few, many = one["draws"], one["most_draws"]
            yield Text(f"Problems have from {few} to {many} draws of {NAMES[m]}: k goes up to {few}.", style="yellow")
    crossing, sets = found["crossing"], found["solvable"]
    if crossing["ahead"]:
        yield Text(
            f"{NAMES[crossing['ahead']]} is ahead at small k; the other takes over at k: {crossing_of(crossing)}."
        )
        if crossing["changes"] > 1:
            yield Text(f"The lead changes {crossing['changes']} times; this is the first.", style="yellow")
    if sets["problems"]:
        for k in [*found["gain"]][:1] + [*found["gain"]][1:][-1:]:
            told = found["gain"][k]
            yield Text(
                f"At k = {k} RL is ahead on {told['wins']:,} problems and behind on {told['losses']:,}; "
                f"{told['ties']:,} are ties."
            )
        counts = ", ".join(f"{SETS[name]} {n:,}" for name, n in sets["counts"].items())
        n = min(sets["draws"].values())
        yield Text(f"Problems with a right answer in {n} draws: {counts}.")
        for key in ("base_only", "rl_only"):
            if sets["counts"][key]:
                other = NAMES["rl" if key == "base_only" else "base"]
                yield Text(f"{SETS[key]}: {other}'s chance of a right draw there is {unseen(sets, key)}, not 0.")
        yield Text(f"base only against RL only: p = {Cell(sets['p_value'])}; more draws solve more problems.")
    elif all(found["members"].values()):
        yield Text(f"No gain to show: {found['reason']}.", style="yellow")
    yield Text("pass@k is the unbiased estimate 1 - C(n-c, k) / C(n, k), its mean over problems.")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from few_problems(summary["solvable"]["problems"])
    yield from of_draws(summary)
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    if summary["regimes"]:
        yield Text(f"A gain of at most {100 * summary['margin']:g} points either way is none, in a regime.")
    for reason, n in summary["left_out"]["reasons"].items():
        yield Text(printable(f"Problems left out of the comparison: {n:,} ({reason})."), style="yellow")
