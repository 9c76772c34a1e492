"""What `rlprobe sample` shows: tables, figures, and at the terminal two short tables at 80 columns.

A summary of analysis/sampling.py comes in. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.sample import FIGURES
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.names import NAMES
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, few_problems, first_alone, fixed, percent, screen, share
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]

SETS = {"both": "both", "base_only": "base only", "rl_only": "RL only", "neither": "neither"}


def _found(summary: Summary) -> dict[str, Any]:
    """What was found by the answer policy of the reading."""
    return summary["answers"][summary["reading"]["answer"]]


# -- rows


def _members(summary: Summary) -> list[dict[str, Any]]:
    """One row a model: how right its draws were by either answer, how long, how many cut, how surprising to itself."""
    graded = {member: _found(summary)["members"][member] for member in MEMBERS}
    return [
        {**text, "member": member, "graded": graded[member], "ungraded": text["responses"] - _graded(graded[member])}
        | {"by": {answer: found["members"][member] for answer, found in summary["answers"].items()}}
        for member, text in ((member, summary["members"][member]) for member in MEMBERS)
        if text
    ]


def _graded(found: Row | None) -> int:
    return found["graded"] if found else 0


def _curves(summary: Summary) -> dict[str, Row]:
    """pass@k of each model that has it, by k."""
    members = _found(summary)["members"]
    return {member: members[member]["pass_at_k"] for member in MEMBERS if members[member]}


def _pass_at_k(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a k, by the reading's answer: pass@k of either model and, on the problems of both, RL's gain."""
    curves, gain = _curves(summary), _found(summary)["gain"]
    for k in sorted({k for curve in curves.values() for k in curve}, key=int):
        test = gain.get(k)
        row = {member: curve.get(k) for member, curve in curves.items()}
        yield {**row, "k": int(k), "test": test, "gain": test and test["difference"]}


def _solvable(summary: Summary) -> Iterator[dict[str, Any]]:
    """How many problems have a right draw from both models, from one of them, from neither."""
    found = _found(summary)["solvable"]
    for key, name in SETS.items() if found["problems"] else ():
        yield {"from": name, "problems": found["counts"][key], "share": found["shares"][key]}


# -- tables

MODEL = Column("model", lambda row: NAMES[row["member"]])


def _of_members(summary: Summary) -> list[Column]:
    shares = [
        Column(f"{words}, {answer} answer", f"by.{answer}.{name}", "%")
        for answer in summary["answers"]
        for name, words in (("accuracy", "accuracy"), ("no_answer", "none found"))
    ]
    lengths = (Column("mean length", "length", ""), Column("truncated", "truncated", "%"))
    rest = (Column("nats a token", "surprisal", ""), *plain("draws", "problems", "responses", "ungraded"))
    return [MODEL, *shares, *lengths, *rest]


def _at_k(member: str) -> Column:
    def entry(row: Row) -> Cell | None:
        return Cell.of(row[member], "%", f"sets of {row['k']} draws") if member in row else None

    return Column(NAMES[member], entry)


# name of the table: summary -> table
TABLES = {
    "sampling": Table(_members, _of_members),
    "pass_at_k": Table(
        _pass_at_k,
        (
            *(*plain("k"), *map(_at_k, MEMBERS), Column("RL minus base", "gain", "%")),
            Column("p", lambda row: Cell.p(row["test"])),
        ),
    ),
    "solvable": Table(
        _solvable, (Column("a right draw from", "from"), *plain("problems"), Column("share", "share", "%"))
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    how = summary["sampling"]
    settings = (
        f"temperature {how['temperature']:g}, top-p {how['top_p']:g}, by the {summary['reading']['answer']} answer"
    )
    heading = Text.assemble(("What sampling shows", "bold"), f"   {settings}")
    curves = screen(_curve_columns(summary), _pass_at_k(summary))
    return blocks([heading, screen(OF_MODELS, _members(summary)), curves], _notes(summary))


OF_MODELS = (
    *(MODEL, Column("accuracy\n%", lambda row: row["graded"] and fixed(row["graded"]["accuracy"], 1, scale=100))),
    Column("no\nanswer %", lambda row: percent(row["graded"] and row["graded"]["no_answer"])),
    *(Column("mean\nlength", "length.value", ""), share("cut\n%", "truncated", is_bare=True)),
    *(Column("nats a\ntoken", "surprisal.value", ""), *plain("responses")),
)


def _in_percent(title: str, key: str) -> Column:
    return Column(title, lambda row: row[key] and fixed(row[key], 1, scale=100))


def _curve_columns(summary: Summary) -> list[Column]:
    """pass@k of the models and, on the problems of both, RL's gain: all in percent."""
    curves = [_in_percent(f"{NAMES[member]}\npass@k, %", member) for member in _curves(summary)]
    p = Column("p", lambda row: row["test"] and Cell.p(row["test"]))
    return [*plain("k"), *curves, *((_in_percent("RL - base\n%", "gain"), p) if _found(summary)["gain"] else ())]


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from first_alone(summary)
    yield from few_problems(summary.get("problems", {}).get("asked", 0))
    found, solvable = _found(summary), _found(summary)["solvable"]
    if found["no_answer_differs"]:
        silent = (found["members"][m]["no_answer"] for m in MEMBERS)
        yield Text(warning(silent, summary.get("grader")), style="yellow")
    if solvable["problems"]:
        counts = ", ".join(f"{SETS[name]} {n:,}" for name, n in solvable["counts"].items())
        n = min(solvable["draws"].values())
        yield Text(f"Problems with a right answer in {n} draws: {counts}.")
        yield Text(f"base only against RL only: p = {Cell(solvable['p_value'])}; more draws solve more problems.")
    elif all(summary["members"].values()):
        yield Text(f"No gain to show: {found['reason']}.", style="yellow")
    yield Text("pass@k is the unbiased estimate 1 - C(n-c, k) / C(n, k), its mean over problems.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    for member, text in summary["members"].items():
        graded = found["members"][member]
        if text and (lacking := text["responses"] - (graded["graded"] if graded else 0)):
            yield Text(f"Responses of {NAMES[member]} without a verdict, left out: {lacking:,}.", style="yellow")
    cut = [100 * text["truncated"]["value"] for text in summary["members"].values() if text]
    if any(cut):
        yield Text("cut: responses that reached the token limit.")
    for reason, n in summary["left_out"]["reasons"].items():
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")
