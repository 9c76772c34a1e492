"""What `rlprobe steer` shows: a table, figures, and the terminal. Computes nothing; knows no disk and no models.

A summary of analysis/steering.py comes in.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.reporting.figures.steer import FIGURES
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.names import NAMES
from rlprobe.reporting.table import Column, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, screen
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]


DIRECTIONS = {**NAMES, "difference": "RL - base", "random": "random"}


def _arms(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row an arm: the two models themselves, then every place, coefficient and direction."""
    for arm in summary["arms"]:
        own = dict.fromkeys(("acts", "times", "directions")) if arm["where"] == "own" else {}
        times = {"acts": arm["where"], "times": Cell(arm["coefficient"])}
        named = {"of": DIRECTIONS[arm["direction"]], "chosen": "yes" if arm["chosen"] else None}
        yield arm | times | named | own


ACTS, DIRECTION, RECOVERY = Column("vector acts", "acts"), Column("direction", "of"), Column("recovery", "recovery", "")
ACCURACY = Column("accuracy", "accuracy", "%")

# name of the table: summary -> table
TABLES = {
    "steering": Table(
        _arms,
        (
            *(ACTS, DIRECTION, Column("coefficient", "times"), Column("chosen on the other half", "chosen")),
            *(*plain("directions"), ACCURACY, Column("no answer", "no_answer", "%"), Column("minus base", "gain", "%")),
            *(RECOVERY, Column("texts that differ", "differs", "%"), Column("edited", "edited", "%")),
            Column("mean length", "mean_length", ""),
        ),
    )
}
# one line an arm, the two models themselves first
SCREEN = (
    *(Column("vector acts", lambda row: row["acts"] or ""), DIRECTION, Column("times", lambda row: row["times"] or "")),
    *(ACCURACY, Column("no answer", "no_answer.value", "%"), RECOVERY),
)


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    where = f"after layer {summary['steering']['layer']}, {summary['tested']:,} problems"
    heading = Text.assemble(("What one added direction repairs", "bold"), f"   {where}")
    return blocks([heading, screen(SCREEN, _arms(summary), texts=2, parted="where")], _notes(summary))


def _choices(summary: Summary) -> Iterator[Text]:
    """Which coefficient is to be quoted: the best of those told would be chosen on the problems it is told for."""
    chosen = [choice for choice in summary["choices"] if choice["problems"]]
    for choice in chosen:
        yield Text(
            f"Chosen on {choice['problems']:,} other problems: {choice['coefficient']:g} times, {choice['where']} "
            f"({Cell(choice['accuracy'], unit='%')} there)."
        )
    if chosen:
        yield Text("Quote that one; the best of a column is chosen on what it is told for.")


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    direction, steering = summary["direction"], summary["steering"]
    share = 100 * direction["norm"] / direction["residual_norm"]
    yield Text(
        f"RL - base: the mean over {direction['points']} disagreements of {direction['problems']} other problems;"
    )
    yield Text(f"its norm is {share:.1f} % of the base's residual stream there.")
    yield from _choices(summary)
    yield Text(f"random: {steering['directions']} directions of the same norm, their verdicts averaged.")
    yield Text(f"uncertain: the steered base is asked only where the base's entropy is above {steering['tau']:g} nats.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    if summary["no_answer_differs"]:
        own = {arm["direction"]: arm["no_answer"] for arm in summary["arms"] if arm["where"] == "own"}
        yield Text(warning((own["base"], own["rl"]), summary.get("grader")), style="yellow")
    if summary["ungraded"]:
        yield Text(f"Problems without a verdict, left out: {len(summary['ungraded']):,}.", style="yellow")
