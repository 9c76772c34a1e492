"""What `rlprobe flips` shows: tables, and at the terminal what a reader needs first, at 80 columns.

A summary of analysis/flips.py comes in. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.records import MEMBERS, SearchEnd
from rlprobe.reporting.formats import Cell, quoted
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, first_alone, open_table, screen, stacked, texts_of

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
SWAPS_SHOWN = 10


# -- rows


def _flips(summary: Summary) -> list[dict[str, Any]]:
    """One row a kind of problem and a token written: how many of them changed the verdict, per flip and per problem.

    RL's less this: the share of flips that changed it, in pairs of a flip and its placebo.
    """
    return [
        {**of[outcome], "outcome": outcome, "start": STARTS[outcome], "kind": kind}
        for outcome in STARTS
        for kind, of in {RL: summary["single"], **summary["placebo"]}.items()
    ]


def _sizes(summary: Summary) -> list[dict[str, Any]]:
    """How many problems need a set of each size."""
    histogram = summary["needed"]["histogram"]
    total = sum(histogram.values())
    return [{"edits": int(size), "problems": n, "share": n / total} for size, n in histogram.items()]


def _quoted(rows: list[Row]) -> list[dict[str, Any]]:
    return [{**row, **{member: quoted(row[member]) for member in MEMBERS}} for row in rows]


def _swaps(summary: Summary) -> list[dict[str, Any]]:
    """The pairs of tokens (the base's, RL's) whose flips changed a verdict or that an answer needs."""
    return _quoted(summary["swaps"])


# -- tables

SHARE, DIFFERENCE = Column("share of flips", "share", "%", "flips"), Column("RL's less this", "difference", "%")
PER_PROBLEM, WITH_ANY = Column("per problem", "per_problem", ""), Column("problems with any", "problems_with", "%")
# how few edits a right answer needs: the sets in which none can be spared, beside all edits of the oracle
SIZE, MEDIAN = Column("mean size", "size", ""), Column("median size", "median", "")
ORACLE = Column("edits of the oracle", "oracle_edits", "")
OF_ORACLE = Column("share of the oracle's", "share_of_oracle", "%", "edits")
ONE_FLIP = Column("one flip is enough (share)", "one_flip", "%")


def _needed(summary: Summary) -> list[Column]:
    ends = (Column(ENDS[SearchEnd(end)], f"ends.{end}") for end in summary["needed"]["ends"])
    stopped = Column("mean size where stopped", "stopped_size", "")
    return [*plain("problems"), *ends, SIZE, MEDIAN, ORACLE, OF_ORACLE, ONE_FLIP, stopped, *plain("trials")]


def _of_one(what: str, *more: str) -> Table:
    """What was done in one problem, in order; positions are in the response that the edits give."""
    return Table(
        lambda summary: _quoted(summary["one"][what]) if summary["one"] else [],
        plain("ordinal", "position", "base", "rl", *more),
    )


# name of the table: summary -> table
TABLES = {
    "flips": Table(
        _flips,
        (
            *(Column("problems", "start"), Column("written", lambda row: WRITTEN[row["kind"]])),
            *(Column("number", "problems"), *plain("flips", "outcome", "changed", "nothing", "ungraded")),
            *(SHARE, PER_PROBLEM, Column("flips per problem", "flips_per_problem", ""), WITH_ANY, DIFFERENCE),
            Column("mean entropy of the base there, nats", "entropy", ""),
            Column("flips without a placebo", "without"),
        ),
    ),
    "needed_edits": Table(lambda summary: [summary["needed"]], _needed),
    "needed_sizes": Table(_sizes, (*plain("edits", "problems"), Column("share", "share", "%"))),
    "flip_tokens": Table(
        _swaps, plain("base", "rl", "tried", "fixed", "broke", "problems", "problems_fixed", "needed")
    ),
}
OF_ONE_PROBLEM = {"flips": _of_one("flips", "outcome"), "needed_edits": _of_one("edits")}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    parts = list(_one(summary) if summary["problem"] is not None else _several(summary))
    heading = Text.assemble(("Which single tokens matter", "bold"), f"   by the {summary['reading']['answer']} answer")
    return blocks([heading, *parts], _notes(summary))


START, CHANGED = Column("problems", "start"), Column("changed", lambda row: f"{row['changed']:,} {row['outcome']}")
# one line a kind of problem
OF_FLIPS = (
    *(START, Column("number", "problems"), *plain("flips"), CHANGED),
    *(stacked(Column("share\nof flips", "share", "%")), stacked(Column("per\nproblem", "per_problem", ""))),
    stacked(Column("problems\nwith any", "problems_with", "%")),
)
# what other tokens do, beside what RL's did
PLACES = {SAME: "same places", AGREED: "where both agree"}
OF_PLACEBOS = (
    *(START, Column("placebo", lambda row: PLACES[row["kind"]]), *plain("flips"), CHANGED),
    *(stacked(Column("share\nof flips", "share", "%")), stacked(Column("RL's\nless this", "difference", "%"))),
)
# the tokens that fix most often
OF_SWAPS = (
    *(Column("base says", "base"), Column("RL says", "rl"), *plain("fixed"), Column("of tried", "tried")),
    *(Column("in problems", "problems_fixed"), *plain("broke", "needed")),
)


def _several(summary: Summary) -> Iterator[RenderableType]:
    if not summary["looked_at"]:
        yield Text(_nothing(summary["verdicts"]), style="yellow")
        return
    rows = [row for row in _flips(summary) if row["problems"]]
    yield screen(OF_FLIPS, [row for row in rows if row["kind"] == RL])
    if any(found["flips"] for kinds in summary["placebo"].values() for found in kinds.values()):
        yield screen(OF_PLACEBOS, [row for row in rows if row["kind"] != RL], texts=2)
    if summary["needed"]["problems"]:
        yield _needed_screen(summary["needed"])
    if summary["swaps"]:
        yield screen(OF_SWAPS, _swaps(summary)[:SWAPS_SHOWN], texts=2)


def _needed_screen(found: dict[str, Any]) -> Screen:
    """How few edits, and how the searches ended."""
    table = open_table("edits that RL's right answer needs", "")
    for words, column in (
        ("mean size of the set", SIZE),
        ("median", MEDIAN),
        ("the oracle edits", ORACLE),
        ("share of the oracle's edits", OF_ORACLE),
        ("one flip is enough", ONE_FLIP),
    ):
        table.add_row(words, *texts_of([column.entry(found)]))
    sizes = ", ".join(f"{size}: {n}" for size, n in found["histogram"].items())
    table.add_row("problems by size of the set", *texts_of([sizes or None]))
    return table


def _nothing(verdicts: dict[str, int]) -> str:
    """Why no problem was looked at."""
    return (
        f"Nothing to flip: of {sum(verdicts.values()):,} problems with a verdict RL is right on none that the base "
        f"gets wrong (both right {verdicts['both']:,}, only the base {verdicts['only_base']:,}, "
        f"neither {verdicts['neither']:,}); --all takes every problem."
    )


OF_ONE = (
    *(Column("base says", "base"), Column("RL says", "rl"), Column("disagreement", "ordinal")),
    *plain("position", "outcome"),
)


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
    yield screen(OF_ONE, _quoted(one["flips"]), texts=2)
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
