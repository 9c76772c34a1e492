"""What `rlprobe consequences` says at the terminal. The tables hold every number. Knows no disk and no models."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.consequences.tables import NAMES, Summary, consequences_table, finders_table
from rlprobe.reporting.terminal import first_alone, open_table, texts_of


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    heading = Text("Which disagreements have consequences: the base's token in RL's text, then RL", "bold")
    if not summary["classes"]["all"]["places"]:
        return Group(heading, Text(), Text("None: along RL's own text the two models never disagree.", "yellow"))
    return Group(heading, Text(), _classes(summary), Text(), _finders(summary), Text(), *_notes(summary))


def _classes(summary: Summary) -> Table:
    titles = [words.replace(" to ", "\nto ", 1) for words in NAMES.values()]
    table = open_table("disagreements", "number", "problems", *titles, "neutral")
    for row in consequences_table(summary).itertuples(index=False):
        table.add_row(*texts_of([*row[:-1], str(row[-1]).replace(" [", "\n[")]))
    return table


def _finders(summary: Summary) -> Table:
    table = open_table("signal", "consequential where", "AUROC", texts=2)
    for row in finders_table(summary).itertuples(index=False):
        table.add_row(*texts_of(list(row)))
    return table


def _notes(summary: Summary) -> list[Text]:
    share = 100 * summary["rejoined"]
    return [
        *first_alone(summary),
        Text("neutral: RL comes back to its own answer and verdict, in its own text or in other words."),
        Text(f"back to RL's text: {share:g} % or more of what stood behind the place is said again, to the end."),
        Text("where RL's own text has no answer its text decides, or nothing does: undecided, left out of neutral."),
        Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems."),
    ]
