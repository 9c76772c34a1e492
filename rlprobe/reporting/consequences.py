"""What `rlprobe consequences` shows: tables, and the same at the terminal, at 80 columns.

A summary of analysis/consequences.py comes in. Computes nothing; knows no disk and no models.
"""

from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.analysis.consequences import FINDERS
from rlprobe.reporting.table import Column, Summary, Table, each, plain
from rlprobe.reporting.terminal import blocks, first_alone, screen, stacked

NAMES = {
    "text": "back to RL's text",
    "answer": "only to its answer",
    "consequential": "consequential",
    "undecided": "undecided",
}
WORDS = {"entropy_base": "entropy of the base", "kl_rl_base": "KL(RL || base)", "margin_base": "margin of the base"}


def _classes(summary: Summary) -> list[dict[str, Any]]:
    """One row a class of disagreement: how many, in how many problems, what came of them, and the neutral share."""
    return each(summary["classes"], "class")


def _finders(summary: Summary) -> list[dict[str, Any]]:
    """One row a signal: how well it tells consequential from neutral disagreements."""
    return [
        {"signal": WORDS[name], "where": "low" if signal.side == "below" else "high", "auroc": summary["finders"][name]}
        for name, signal in FINDERS.items()
    ]


COUNTS = (Column("disagreements", "class"), Column("number", "places"), *plain("problems"))
NEUTRAL = Column("neutral", "neutral", "%")
FINDER = (*plain("signal"), Column("consequential where", "where"), Column("AUROC", "auroc", ""))

# name of the table: summary -> table
TABLES = {
    "consequences": Table(
        _classes, (*COUNTS, *(Column(words, f"counts.{outcome}") for outcome, words in NAMES.items()), NEUTRAL)
    ),
    "consequence_finders": Table(_finders, FINDER),
}


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    heading = Text("Which disagreements have consequences: the base's token in RL's text, then RL", "bold")
    if not summary["classes"]["all"]["places"]:
        return Group(heading, Text(), Text("None: along RL's own text the two models never disagree.", "yellow"))
    counts = (Column(words.replace(" to ", "\nto ", 1), f"counts.{outcome}") for outcome, words in NAMES.items())
    classes = screen((*COUNTS, *counts, stacked(NEUTRAL)), _classes(summary))
    return blocks([heading, classes, screen(FINDER, _finders(summary), texts=2)], _notes(summary))


def _notes(summary: Summary) -> list[Text]:
    share = 100 * summary["rejoined"]
    return [
        *first_alone(summary),
        Text("neutral: RL comes back to its own answer and verdict, in its own text or in other words."),
        Text(f"back to RL's text: {share:g} % or more of what stood behind the place is said again, to the end."),
        Text("where RL's own text has no answer its text decides, or nothing does: undecided, left out of neutral."),
        Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems."),
    ]
