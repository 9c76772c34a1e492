"""What `rlprobe lens` says at the terminal. The tables hold every number. Knows no disk and no models."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.formats import Cell
from rlprobe.reporting.lens.tables import NAMES, Summary, by_model
from rlprobe.reporting.terminal import open_table, texts_of


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _choices(summary), Text(), _crossed(summary), Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    points, choice = summary["points"]["disagreement"], summary["choice"]
    kind = "disagreement" if choice["kind"] == "disagreement" else f"{choice['kind']} place"
    where = f"{points['points']:,} {kind}s in {points['problems']:,} problems, on {NAMES[choice['trajectory']]}'s text"
    return Text.assemble(("In which layer the choice is made", "bold"), f"\n{where}")


def _choices(summary: Summary) -> Table:
    """One line a group of places and model."""
    table = open_table(
        "places", "model", "entropy\nof base", "first leads\nafter layers", "stays\nafter layers", texts=2
    )
    for group, member, entry in by_model(summary["choices"]):
        entropy = Cell(summary["points"][group]["entropy"]["value"])
        depths = [Cell.of(entry[name]["mean"]) for name in ("first", "settled")]
        table.add_row(group, NAMES[member], *texts_of([entropy, *depths]), end_section=member == "rl")
    return table


def _crossed(summary: Summary) -> Table:
    """Whose choice comes out of one model's trunk and one model's final norm and head."""
    table = open_table("trunk", "norm, head", "says base's choice", "says RL's choice", texts=2)
    for entry in summary["crossed"]:
        shares = [Cell.of(entry[name], "%") for name in ("base_choice", "rl_choice")]
        table.add_row(NAMES[entry["trunk"]], NAMES[entry["readout"]], *texts_of(shares))
    return table


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
