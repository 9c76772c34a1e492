"""What `rlprobe lens` shows: tables, figures, and the terminal. Computes nothing; knows no disk and no models.

A summary of analysis/lens.py comes in.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.reporting.figures.lens import FIGURES
from rlprobe.reporting.names import NAMES
from rlprobe.reporting.table import Column, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, screen

__all__ = ["FIGURES", "TABLES", "show"]


def depth_name(depth: int) -> str:
    """What the residual stream is called after so many layers."""
    return "embedding" if depth == 0 else f"layer {depth - 1}"


# -- rows


def _depths(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a group of places, model and depth."""
    for group, members in summary["depths"].items():
        for member, entries in members.items():
            yield from ({**entry, "places": group, "model": NAMES[member]} for entry in entries)


def _choices(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a group of places and model: after how many layers its choice first leads, and stays."""
    for group, members in summary["choices"].items():
        for member, entry in members.items():
            named = {"places": group, "model": NAMES[member], "layers": summary["layers"]}
            yield {**entry, **named, "of": summary["points"][group]}


def _crossed(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a trunk and a readout (final norm and head), at the disagreements: whose choice comes out."""
    yield from (
        {**entry, **{part: NAMES[entry[part]] for part in ("trunk", "readout")}} for entry in summary["crossed"]
    )


# -- tables

FIRST, STAYS = (
    Column("layers until it first leads", "first.mean", ""),
    Column("layers until it stays", "settled.mean", ""),
)

# name of the table: summary -> table
TABLES = {
    "lens": Table(
        _depths,
        (
            *(*plain("places", "model"), Column("after", lambda row: depth_name(row["depth"]))),
            Column("logprob of base's choice", "logprob_of_base", ""),
            Column("logprob of RL's choice", "logprob_of_rl", ""),
            Column("own choice leads", "leads", "%", "places"),
            Column("own choice has settled", "settled", "%", "places"),
        ),
    ),
    "lens_choices": Table(
        _choices,
        (
            *(*plain("places", "model"), Column("n", "of.points"), Column("problems", "of.problems")),
            *(Column("base entropy", "of.entropy", "nats"), FIRST, STAYS, *plain("layers")),
        ),
    ),
    "trunk_and_head": Table(
        _crossed,
        (
            *(*plain("trunk"), Column("final norm and head", "readout")),
            Column("says base's choice", "base_choice", "%", "places"),
            Column("says RL's choice", "rl_choice", "%", "places"),
            Column("logprob of RL's choice minus base's", "gap", "nats"),
        ),
    ),
}


# -- the screen

CHOICES = (
    *(*plain("places", "model"), Column("entropy\nof base", "of.entropy.value", "")),
    *(Column("first leads\nafter layers", FIRST.way, ""), Column("stays\nafter layers", STAYS.way, "")),
)
# whose choice comes out of one model's trunk and one model's final norm and head
CROSSED = (
    *(*plain("trunk"), Column("norm, head", "readout"), Column("says base's choice", "base_choice", "%")),
    Column("says RL's choice", "rl_choice", "%"),
)


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    choices = screen(CHOICES, _choices(summary), texts=2, parted="places")
    return blocks([_heading(summary), choices, screen(CROSSED, _crossed(summary), texts=2)], _notes(summary))


def _heading(summary: Summary) -> Text:
    points, choice = summary["points"]["disagreement"], summary["choice"]
    kind = "disagreement" if choice["kind"] == "disagreement" else f"{choice['kind']} place"
    where = f"{points['points']:,} {kind}s in {points['problems']:,} problems, on {NAMES[choice['trajectory']]}'s text"
    return Text.assemble(("In which layer the choice is made", "bold"), f"\n{where}")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield Text(f"Both models have {summary['layers']} layers. A choice is what a model says after its last one.")
    yield Text("unchanged: places where both say the same, matched by the base's entropy.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    for member, n in summary["other_argmax"].items():
        if n:
            yield Text(f"{NAMES[member]} says another token here than in the run at {n} places (near ties).")
    yield from _unmatched(summary["points"])


def _unmatched(points: dict[str, Any]) -> Iterator[Text]:
    if missing := points["disagreement"]["points"] - points["unchanged"]["points"]:
        yield Text(f"No unchanged place was left to match {missing} of the disagreements.", style="yellow")
