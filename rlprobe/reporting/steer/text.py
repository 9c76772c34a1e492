"""What `rlprobe steer` says at the terminal. The table holds every number. Knows no disk and no models."""

from collections.abc import Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.formats import Cell
from rlprobe.reporting.steer.tables import NAMES, Summary
from rlprobe.reporting.terminal import open_table, texts_of
from rlprobe.reporting.unanswered import warning


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _arms(summary), Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    where = f"after layer {summary['steering']['layer']}, {summary['tested']:,} problems"
    return Text.assemble(("What one added direction repairs", "bold"), f"   {where}")


def _arms(summary: Summary) -> Table:
    """One line an arm, the two models themselves first."""
    table = open_table("vector acts", "direction", "times", "accuracy", "no answer", "recovery", texts=2)
    for arm, following in zip(summary["arms"], [*summary["arms"][1:], None], strict=True):
        own = arm["where"] == "own"
        found = [Cell.of(arm["accuracy"], "%"), Cell(arm["no_answer"]["value"], unit="%"), Cell.of(arm["recovery"])]
        numbers = ["" if own else Cell(arm["coefficient"]), *found]
        last = following is None or following["where"] != arm["where"]
        table.add_row("" if own else arm["where"], NAMES[arm["direction"]], *texts_of(numbers), end_section=last)
    return table


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
