"""What `rlprobe sample` says at the terminal: two short tables at 80 columns, with or without colour.

The tables on disk hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.sample.tables import NAMES, SETS, Summary, found_in
from rlprobe.reporting.terminal import few_problems, first_alone, fixed, open_table, percent, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _members(summary), Text(), _pass_at_k(summary), Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    how = summary["sampling"]
    settings = (
        f"temperature {how['temperature']:g}, top-p {how['top_p']:g}, by the {summary['reading']['answer']} answer"
    )
    return Text.assemble(("What sampling shows", "bold"), f"   {settings}")


def _members(summary: Summary) -> Table:
    """One line a model."""
    table = open_table("model", "accuracy\n%", "no\nanswer %", "mean\nlength", "cut\n%", "nats a\ntoken", "responses")
    for member in MEMBERS:
        if text := summary["members"][member]:
            graded = found_in(summary)["members"][member]
            entries = [
                fixed(graded["accuracy"], 1, scale=100) if graded else None,
                percent(graded and graded["no_answer"]),
                *(Cell(text["length"]["value"]), Cell(100 * text["truncated"]["value"])),
                *(Cell(text["surprisal"]["value"]), text["responses"]),
            ]
            table.add_row(*texts_of([NAMES[member], *entries]))
    return table


def _pass_at_k(summary: Summary) -> Table:
    """pass@k of the models and, on the problems of both, RL's gain: all in percent."""
    found = found_in(summary)
    curves = {m: found["members"][m]["pass_at_k"] for m in MEMBERS if found["members"][m]}
    gain = found["gain"]
    table = open_table("k", *(f"{NAMES[m]}\npass@k, %" for m in curves), *(["RL - base\n%", "p"] if gain else []))
    for k in sorted({k for curve in curves.values() for k in curve}, key=int):
        entries: list[Any] = [fixed(curve[k], 1, scale=100) if k in curve else None for curve in curves.values()]
        if gain:
            entries += [fixed(gain[k]["difference"], 1, scale=100), Cell.p(gain[k])] if k in gain else [None] * 2
        table.add_row(*texts_of([k, *entries]))
    return table


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from first_alone(summary)
    yield from few_problems(summary.get("problems", {}).get("asked", 0))
    found, solvable = found_in(summary), found_in(summary)["solvable"]
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
