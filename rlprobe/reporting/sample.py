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
from rlprobe.reporting.passk import PASS_AT_K, SOLVABLE, curve_columns, of_draws, pass_at_k, solvable
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, few_problems, first_alone, fixed, percent, screen, share
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]


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


def _power(summary: Summary) -> list[dict[str, Any]]:
    """What it took to draw from a power of the base; no row where it was drawn from as it is."""
    power = summary.get("power")
    return [{**power, **summary["cost"]}] if power else []


def _read(summary: Summary) -> list[dict[str, Any]]:
    """Whose first choice each model's draws have where the two differ; no row where they were not both read."""
    return [{"member": member, **found} for member, found in summary.get("read", {}).items() if found]


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


WHOSE = (("rl", "RL's"), ("base", "the base's"), ("neither", "neither's"))

# name of the table: summary -> table
TABLES = {
    "sampling": Table(_members, _of_members),
    "pass_at_k": Table(lambda summary: pass_at_k(_found(summary)), PASS_AT_K),
    "power": Table(
        _power,
        (
            *(Column("power", lambda row: f"{row['alpha']:g}"), *plain("block"), Column("moves a block", "moves")),
            *(
                Column("moves taken", "accepted", "%", "moves"),
                Column("tokens drawn for one of the text", "per_token", ""),
            ),
            Column("for one taken in", "per_accepted", ""),
        ),
    ),
    "draws_read": Table(
        _read,
        (
            *(MODEL, Column("positions where the two differ", "differ", "%")),
            *(Column(f"{words} first choice there", name, "%", "positions") for name, words in WHOSE),
        ),
    ),
    "solvable": Table(lambda summary: solvable(_found(summary)), SOLVABLE),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    how, own = summary["sampling"], summary.get("rl_temperature")
    temperatures = f"{how['temperature']:g}" + (f" (RL {own:g})" if own is not None else "")
    settings = f"temperature {temperatures}, top-p {how['top_p']:g}, by the {summary['reading']['answer']} answer"
    heading = Text.assemble(("What sampling shows", "bold"), f"   {settings}")
    curves = screen(curve_columns(_found(summary)), pass_at_k(_found(summary)))
    return blocks([heading, screen(OF_MODELS, _members(summary)), curves], _notes(summary))


OF_MODELS = (
    *(MODEL, Column("accuracy\n%", lambda row: row["graded"] and fixed(row["graded"]["accuracy"], 1, scale=100))),
    Column("no\nanswer %", lambda row: percent(row["graded"] and row["graded"]["no_answer"])),
    *(Column("mean\nlength", "length.value", ""), share("cut\n%", "truncated", is_bare=True)),
    *(Column("nats a\ntoken", "surprisal.value", ""), *plain("responses")),
)


def _of_power(summary: Summary) -> Iterator[Text]:
    """What the base was drawn from, and what it took, where that was a power of it."""
    for row in _power(summary):
        yield Text(f"The base is drawn from p^{row['alpha']:g} over whole texts, not at this temperature.")
        yield Text(
            f"It took {Cell.of(row['per_token'])} tokens for each of the text "
            f"(published: {row['published']:g}); taken: {Cell.of(row['accepted'], '%', 'moves')} of moves."
        )


def _of_read(summary: Summary) -> Iterator[Text]:
    """Whose first choice was drawn where the two differ, where both models read the draws."""
    for row in _read(summary):
        if row["rl"]["value"] is None:
            yield Text(f"Along the draws of {NAMES[row['member']]} the two models' first choices never differ.")
            continue
        shares = ", ".join(f"{words} in {Cell.of(row[name], '%', 'positions')}" for name, words in WHOSE)
        yield Text(f"Where first choices differ, the draws of {NAMES[row['member']]} have {shares}.")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    if matched := summary.get("matched"):
        yield Text(
            f"At temperature {matched['temperature']:g} RL's mean entropy is the base's: {Cell(matched['reached'])} "
            f"against {Cell(matched['wanted'])} nats a token, {matched['decodes']} temperatures tried."
        )
    yield from _of_power(summary)
    yield from _of_read(summary)
    yield from first_alone(summary)
    yield from few_problems(summary.get("problems", {}).get("asked", 0))
    found = _found(summary)
    if found["no_answer_differs"]:
        silent = (found["members"][m]["no_answer"] for m in MEMBERS)
        yield Text(warning(silent, summary.get("grader")), style="yellow")
    yield from of_draws(found)
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
