"""What `rlprobe footprint` says at the terminal: one line a checkpoint, at 80 columns, with or without colour.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.footprint.tables import Summary
from rlprobe.reporting.formats import MISSING, Cell
from rlprobe.reporting.terminal import open_table, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    about, steps = summary["about"], summary["steps"]
    heading = Text.assemble(
        ("The footprint over training", "bold"), f"   {len(steps)} checkpoints on {about['dataset']}"
    )
    base, silent = (Cell.of(steps[0][name].get("base"), "%") for name in ("accuracy", "no_answer"))
    own = Text(f"the base's accuracy: {base}; no answer found: {silent}")
    blocks: list[RenderableType] = [heading, own, _curves(steps), _followed(steps)]
    return Group(*(part for block in blocks for part in (block, Text())), *_notes(summary))


def _curves(steps: list[dict[str, Any]]) -> Table:
    """Accuracy, disagreements on both texts, and the tail of each writer."""
    table = open_table(
        "checkpoint",
        "accuracy\n%",
        "no\nanswer",
        "disagree, on\nbase's text %",
        "RL's text %",
        "Δ ≤ −1, on\nbase's %",
        "Δ ≥ 1, on\nRL's %",
    )
    for step in steps:
        rates, tails = step["rates"], step["tails"]
        cells = [
            step["accuracy"].get("rl"),
            step["no_answer"].get("rl"),
            *(rates[arm]["disagreements"] for arm in ("base", "rl")),
        ]
        table.add_row(*texts_of([step["name"], *map(_percent, [*cells, tails["base"]["-1"], tails["rl"]["+1"]])]))
    return table


def _followed(steps: list[dict[str, Any]]) -> Table:
    """What comes and goes along the base's own text."""
    table = open_table(
        "on the base's own text", "new\n%", "lost\n%", "of the last\nthere already", "of these\nin the last"
    )
    for step in steps:
        found = [step["followed"][name] for name in ("new", "lost", "of_final", "lasting")]
        table.add_row(*texts_of([step["name"], *map(_percent, found)]))
    return table


def _percent(interval: dict[str, Any] | None) -> str:
    """A share in percent, without the sign, above its interval."""
    if interval is None or interval["value"] is None:
        return MISSING
    value, low, high = (None if interval[end] is None else 100 * interval[end] for end in ("value", "low", "high"))
    return str(Cell(value, low, high)).replace(" [", "\n[")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    yield Text("new, lost: shares of the base's tokens, against the checkpoint before.")
    yield Text("Δ: Δ log p of the token present, in nats.")
    for step in summary["steps"]:
        if step["no_answer_differs"]:
            said = warning((step["no_answer"][m] for m in ("base", "rl")), summary.get("grader"))
            yield Text(f"{step['name']}: {said}", style="yellow")
    for n, reason in _left_out(summary["problems"]["left_out"]):
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")


def _left_out(reasons: dict[str, str]) -> list[tuple[int, str]]:
    return [(list(reasons.values()).count(reason), reason) for reason in sorted(set(reasons.values()))]
