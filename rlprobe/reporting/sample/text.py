"""What `rlprobe sample` says at the terminal: two short tables at 80 columns, with or without colour.

The tables on disk hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.passk.tables import NAMES
from rlprobe.reporting.passk.text import of_draws, pass_at_k
from rlprobe.reporting.sample.tables import Summary, found_in
from rlprobe.reporting.terminal import few_problems, first_alone, fixed, open_table, percent, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(
        _heading(summary), Text(), _members(summary), Text(), pass_at_k(found_in(summary)), Text(), *_notes(summary)
    )


def _heading(summary: Summary) -> Text:
    how = summary["sampling"]
    own = summary.get("rl_temperature")
    temperatures = f"{how['temperature']:g}" + (f" (RL {own:g})" if own is not None else "")
    settings = f"temperature {temperatures}, top-p {how['top_p']:g}, by the {summary['reading']['answer']} answer"
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


def _power(summary: Summary) -> Iterator[Text]:
    """What the base was drawn from, and what it took, where that was a power of it."""
    if power := summary.get("power"):
        cost = summary["cost"]
        yield Text(f"The base is drawn from p^{power['alpha']:g} over whole texts, not at this temperature.")
        yield Text(
            f"It took {Cell.of(cost['per_token'])} tokens for each of the text "
            f"(published: {cost['published']:g}); taken: {Cell.of(cost['accepted'], '%', 'moves')} of moves."
        )


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    if found := summary.get("matched"):
        yield Text(
            f"At temperature {found['temperature']:g} RL's mean entropy is the base's: {Cell(found['reached'])} "
            f"against {Cell(found['wanted'])} nats a token, {found['decodes']} temperatures tried."
        )
    yield from _power(summary)
    yield from first_alone(summary)
    yield from few_problems(summary.get("problems", {}).get("asked", 0))
    found = found_in(summary)
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
