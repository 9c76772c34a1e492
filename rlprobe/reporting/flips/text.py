"""What `rlprobe flips` says at the terminal, at 80 columns, with or without colour.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.records import SearchEnd
from rlprobe.reporting.flips.tables import ENDS, STARTS, Summary
from rlprobe.reporting.formats import Cell, quoted
from rlprobe.reporting.terminal import first_alone, open_table, texts_of

SWAPS_SHOWN = 10
_SHARES = {"share": "%", "per_problem": "", "problems_with": "%"}


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    blocks = list(_one(summary) if summary["problem"] is not None else _several(summary))
    heading = Text.assemble(("Which single tokens matter", "bold"), f"   by the {summary['reading']['answer']} answer")
    return Group(*(part for block in [heading, *blocks] for part in (block, Text())), *_notes(summary))


def _several(summary: Summary) -> Iterator[RenderableType]:
    if not summary["looked_at"]:
        yield Text(_nothing(summary["verdicts"]), style="yellow")
        return
    yield _flips(summary)
    if any(found["flips"] for kinds in summary["placebo"].values() for found in kinds.values()):
        yield _placebos(summary)
    if summary["needed"]["problems"]:
        yield _needed(summary["needed"])
    if summary["swaps"]:
        yield _swaps(summary["swaps"])


def _nothing(verdicts: dict[str, int]) -> str:
    """Why no problem was looked at."""
    return (
        f"Nothing to flip: of {sum(verdicts.values()):,} problems with a verdict RL is right on none that the base "
        f"gets wrong (both right {verdicts['both']:,}, only the base {verdicts['only_base']:,}, "
        f"neither {verdicts['neither']:,}); --all takes every problem."
    )


def _flips(summary: Summary) -> Table:
    """One line a kind of problem."""
    table = open_table(
        "problems", "number", "flips", "changed", "share\nof flips", "per\nproblem", "problems\nwith any"
    )
    for outcome, found in summary["single"].items():
        if found["problems"]:
            cells = [Cell.of(found[name], unit) for name, unit in _SHARES.items()]
            counts = [found["problems"], found["flips"], f"{found['changed']:,} {outcome}"]
            table.add_row(*texts_of([STARTS[outcome], *counts, *map(_stacked, cells)]))
    return table


def _placebos(summary: Summary) -> Table:
    """What other tokens do, beside what RL's did."""
    table = open_table("problems", "placebo", "flips", "changed", "share\nof flips", "RL's\nless this", texts=2)
    for outcome, start in STARTS.items():
        for kind, words in (("same", "same places"), ("agreed", "where both agree")):
            found = summary["placebo"][kind][outcome]
            if found["problems"]:
                cells = [Cell.of(found[name], "%") for name in ("share", "difference")]
                counts = [found["flips"], f"{found['changed']:,} {outcome}"]
                table.add_row(*texts_of([start, words, *counts, *map(_stacked, cells)]))
    return table


def _stacked(cell: Cell) -> str:
    """A number above its interval, for a narrow column."""
    return str(cell).replace(" [", "\n[")


def _needed(found: dict[str, Any]) -> Table:
    """How few edits, and how the searches ended."""
    table = open_table("edits that RL's right answer needs", "")
    table.add_row("mean size of the set", *texts_of([Cell.of(found["size"])]))
    table.add_row("median", *texts_of([Cell(found["median"])]))
    table.add_row("the oracle edits", *texts_of([Cell.of(found["oracle_edits"])]))
    table.add_row("share of the oracle's edits", *texts_of([Cell.of(found["share_of_oracle"], "%")]))
    table.add_row("one flip is enough", *texts_of([Cell.of(found["one_flip"], "%")]))
    sizes = ", ".join(f"{size}: {n}" for size, n in found["histogram"].items())
    table.add_row("problems by size of the set", *texts_of([sizes or None]))
    return table


def _swaps(swaps: list[dict[str, Any]]) -> Table:
    """The tokens that fix most often."""
    table = open_table("base says", "RL says", "fixed", "of tried", "in problems", "broke", "needed", texts=2)
    for swap in swaps[:SWAPS_SHOWN]:
        counts = [swap[name] for name in ("fixed", "tried", "problems_fixed", "broke", "needed")]
        table.add_row(*texts_of([quoted(swap["base"]), quoted(swap["rl"]), *counts]))
    return table


def _one(summary: Summary) -> Iterator[RenderableType]:
    """One problem: every flip, and the edits kept."""
    one = summary["one"]
    if one is None:
        return
    verdict = {True: "right", False: "wrong", None: "without a verdict"}
    yield Text(f"problem {one['problem_id']}: base {verdict[one['base_right']]}, RL {verdict[one['rl_right']]}")
    if not one["flips"]:
        yield Text("Nothing to flip: along the base's own text the two models never disagree.", style="yellow")
        return
    table = open_table("base says", "RL says", "disagreement", "position", "outcome", texts=2)
    for flip in one["flips"]:
        numbers = [flip["ordinal"], flip["position"], flip["outcome"]]
        table.add_row(*texts_of([quoted(flip["base"]), quoted(flip["rl"]), *numbers]))
    yield table
    if one["edits"]:
        kept = [f"{edit['ordinal']} {quoted(edit['base'])} -> {quoted(edit['rl'])}" for edit in one["edits"]]
        yield Text(f"Edits kept ({ENDS[SearchEnd(one['end'])]}): {', '.join(kept)}")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield from first_alone(summary)
    several = summary["problem"] is None
    if summary["looked_at"]:
        yield Text("flip: RL's token once, at a disagreement along the base's text; then the base.")
    if summary["looked_at"] and several:
        yield Text("placebo: instead, once, the base's best token but its own choice and RL's, there or")
        yield Text("where both models agree, at the nearest entropy in the same response.")
        yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    if summary["needed"]["problems"] and several:
        yield Text("needed: by delta debugging; dropping any one edit makes the answer wrong, but")
        yield Text("only where one flip is enough is it certain that no smaller set exists.")
    ends = summary["needed"]["ends"]
    if n := ends[SearchEnd.STOPPED]:
        size = Cell(summary["needed"]["stopped_size"])
        yield Text(
            f"Stopped at the limit of trials, not in the sizes: {n:,} (mean size so far {size}).", style="yellow"
        )
    if n := ends[SearchEnd.ORACLE_WRONG]:
        yield Text(f"Not right with every edit (float noise), not searched: {n:,}.", style="yellow")
    if n := sum(found["ungraded"] for found in summary["single"].values()):
        yield Text(f"Flips without a verdict, left out: {n:,}.", style="yellow")
    if n := len(summary["problems"]["ungraded"]):
        yield Text(f"Problems without a verdict, left out: {n:,}.", style="yellow")
