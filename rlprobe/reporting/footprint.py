"""What `rlprobe footprint` shows: tables, figures, and at the terminal one line a checkpoint, at 80 columns.

A summary of analysis/footprint.py comes in. Computes nothing; knows no disk and no models.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.footprint import FIGURES
from rlprobe.reporting.names import name_of, tail_title, text_of
from rlprobe.reporting.table import Column, Summary, Table, Way, plain
from rlprobe.reporting.terminal import blocks, screen, share, stacked
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "TABLES", "show"]

FOLLOWED = {
    "disagreements": "disagreements",
    "new": "new since the step before",
    "lost": "lost since the step before",
    "new_share": "new, of these",
    "lost_share": "lost, of those before",
    "of_final": "of the last step's, there already",
    "same_of_final": "… with the same token of RL",
    "lasting": "of these, there in the last step",
}


def _steps(summary: Summary) -> list[dict[str, Any]]:
    """One row a checkpoint."""
    return summary["steps"]


def _tails(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a checkpoint and text: the tail masses of Δ log p of the token present."""
    for step in _steps(summary):
        for arm, masses in step["tails"].items():
            yield {"name": step["name"], "text": text_of(arm), "tokens": step["tokens"][arm], "tails": masses}


def _lines(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a checkpoint and text: is it the base, sharpened, and how likely either model finds the text."""
    for step in _steps(summary):
        for arm, found in step["sharpening"].items():
            yield {"name": step["name"], "text": text_of(arm), **found, "perplexity": step["perplexity"][arm]}


def _on_texts(arms: Any) -> Iterator[Column]:
    """Classes and divergence on each text."""
    for arm in arms:
        for name in ("reranked", "shifted"):
            yield Column(f"{name} on {text_of(arm)}", f"rates.{arm}.{name}", "%")
        yield Column(f"mean KL on {text_of(arm)}", f"divergence.{arm}", "nats")


def _of_tails(summary: Summary) -> list[Column]:
    masses = next(_tails(summary))["tails"]
    return [STEP, *plain("text", "tokens"), *(_tail(tail_title(tail), tail) for tail in masses)]


def _tail(title: str, tail: str) -> Column:
    return Column(title, lambda row: row["tails"][tail], "%")


STEP = Column("checkpoint", "name")
ACCURACIES = (
    Column("base's accuracy", "accuracy.base", "%"),
    Column("base, no answer", "no_answer.base", "%"),
    Column("accuracy", "accuracy.rl", "%"),
    Column("no answer", "no_answer.rl", "%"),
    Column("gain", "gain", "%"),
    Column("McNemar p", "mcnemar.p_value", ""),
    Column("mean length", "length.rl", ""),
)

# name of the table: summary -> table
TABLES = {
    "footprint": Table(_steps, lambda summary: [STEP, *ACCURACIES, *_on_texts(_steps(summary)[0]["rates"])]),
    "footprint_tails": Table(_tails, _of_tails),
    "footprint_sharpening": Table(
        _lines,
        (
            *(STEP, *plain("text", "tokens"), Column("β − 1", "slope", ""), Column("R², one β", "r2_one", "")),
            *(Column("R², a β each", "r2_own", ""), Column("acceptance", "acceptance", "%")),
            *(Column(f"perplexity, {name_of(m)}'s", f"perplexity.{m}.all", "") for m in MEMBERS),
        ),
    ),
    "footprint_followed": Table(
        _steps, (STEP, *(Column(title, f"followed.{name}", "%") for name, title in FOLLOWED.items()))
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    about, steps = summary["about"], _steps(summary)
    heading = Text.assemble(
        ("The footprint over training", "bold"), f"   {len(steps)} checkpoints on {about['dataset']}"
    )
    base, silent = (column.entry(steps[0]) for column in ACCURACIES[:2])
    own = Text(f"the base's accuracy: {base}; no answer found: {silent}")
    return blocks([heading, own, screen(CURVES, steps), screen(COMES_AND_GOES, steps)], _notes(summary))


def _percent(title: str, way: Way) -> Column:
    return stacked(share(title, way))


# accuracy, disagreements on both texts, and the tail of each writer
CURVES = (
    *(STEP, _percent("accuracy\n%", "accuracy.rl"), _percent("no\nanswer", "no_answer.rl")),
    _percent("disagree, on\nbase's text %", "rates.base.disagreements"),
    _percent("RL's text %", "rates.rl.disagreements"),
    _percent("Δ ≤ −1, on\nbase's %", "tails.base.-1"),
    _percent("Δ ≥ 1, on\nRL's %", "tails.rl.+1"),
)
# along the base's own text
COMES_AND_GOES = (
    *(
        Column("on the base's own text", "name"),
        _percent("new\n%", "followed.new"),
        _percent("lost\n%", "followed.lost"),
    ),
    _percent("of the last\nthere already", "followed.of_final"),
    _percent("of these\nin the last", "followed.lasting"),
)


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    yield Text("new, lost: shares of the base's tokens, against the checkpoint before.")
    yield Text("Δ: Δ log p of the token present, in nats.")
    for step in _steps(summary):
        if step["no_answer_differs"]:
            said = warning((step["no_answer"][m] for m in MEMBERS), summary.get("grader"))
            yield Text(f"{step['name']}: {said}", style="yellow")
    for reason, n in sorted(Counter(summary["problems"]["left_out"].values()).items()):
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")
