"""What `rlprobe weights` shows: tables, figures, and the terminal, at 80 columns.

Of groups of matrices a rank is the median over them, with the least and the most in brackets: not an interval.
Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from rlprobe.records import MEMBERS
from rlprobe.reporting.figures.weights import FIGURES, RANK_FIGURES
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.intervene import ACCURACY, NO_ANSWER, RECOVERY, arms_of, p_against
from rlprobe.reporting.names import NAMES, name_of
from rlprobe.reporting.table import Column, Row, Summary, Table, each, plain
from rlprobe.reporting.terminal import blocks, percent, screen, share
from rlprobe.reporting.unanswered import warning

__all__ = ["FIGURES", "RANK_FIGURES", "RANK_TABLES", "TABLES", "show"]

CHOICES = {  # what compare_choices measures -> its column
    "disagrees": "disagrees with base",
    "agrees": "agrees with RL",
    "kept": "RL's edits kept",
    "other": "other edits there",
    "new": "edits elsewhere",
}


# -- rows


def _kinds(summary: Summary) -> list[dict[str, Any]]:
    """One row a kind of tensor, and one for all: how much changed, how far, and in how many directions."""
    return each({**summary["weights"]["kinds"], "all": summary["weights"]["total"]}, "kind")


def _layers(summary: Summary) -> list[dict[str, Any]]:
    """The same by layer, all its tensors together."""
    return each(summary["weights"]["layers"], "layer")


def _tensors(summary: Summary) -> list[Row]:
    """One row a tensor, in the order of the network."""
    return summary["weights"]["tensors"]


def _parts(summary: Summary) -> list[dict[str, Any]]:
    """One row a part of the change, base at the top and RL at the foot, which are no parts: what it answers."""
    told = summary["low_rank"]
    return [{**row, "part": told["parts"].get(row["title"])} for row in arms_of(told)]


def _choices(summary: Summary) -> Iterator[dict[str, Any]]:
    """One row a text and a part of the change: what it says at each token of that text, beside base and RL."""
    for end in MEMBERS:
        for title, part in summary["low_rank"]["parts"].items():
            yield {**part["on"][end], "text": NAMES[end], "title": title}


# -- tables


def _spread(title: str, key: str, unit: str = "") -> Column:
    """A median, alone where all are equal."""

    def entry(row: Row) -> Cell:
        found = row[key]
        if found and found["low"] == found["high"]:
            return Cell(found["value"], unit=unit)
        return Cell.of(found, unit)

    return Column(title, entry)


EXTENT = (
    Column("weights", "numbers"),
    Column("unchanged in bfloat16", "unchanged", "%"),
    Column("unchanged as stored", "unchanged_exact", "%"),
    Column("‖ΔW‖/‖W‖", "relative_norm", ""),
)
OF_GROUPS = (
    *(*plain("tensors"), *EXTENT, _spread("stable rank", "stable_rank"), _spread("rank for 90 %", "rank_90")),
    *(_spread("of full rank", "rank_90_share", "%"), _spread("white noise", "noise_rank_90_share", "%")),
    _spread("numerical rank, of full", "numerical_rank_share", "%"),
)
PART = Column("part of the change", lambda row: name_of(row["title"]))

# name of the table: summary -> table
TABLES = {
    "weights_by_kind": Table(_kinds, (*plain("kind"), *OF_GROUPS)),
    "weights_by_layer": Table(_layers, (*plain("layer"), *OF_GROUPS)),
    "weights_by_tensor": Table(
        _tensors,
        (
            *(*plain("name", "kind", "layer"), Column("shape", lambda row: " × ".join(map(str, row["shape"])))),
            *(*EXTENT, Column("stable rank", "stable_rank", "")),
            *(Column(f"rank for {part} %", f"rank_{part}") for part in (50, 90, 99)),
            *(Column("of full rank", "rank_90_share", "%"), Column("white noise", "noise_rank_90_share", "%")),
            *plain("numerical_rank", "reason"),
        ),
    ),
}
RANK_TABLES = {
    "low_rank_answers": Table(
        _parts,
        (
            *(PART, Column("energy", "part.energy", "%"), ACCURACY, NO_ANSWER, RECOVERY, *map(p_against, MEMBERS)),
            *(Column(f"identical to {NAMES[end]}", f"identical.{end}", "%") for end in MEMBERS),
            *(Column("mean length", "length", ""), *plain("problems", "ungraded")),
        ),
    ),
    "low_rank_choices": Table(
        _choices,
        (
            *(Column("text of", "text"), PART, *(Column(words, name, "%") for name, words in CHOICES.items())),
            Column("KL(RL ‖ it)", "kl", "nats"),
        ),
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    total = summary["weights"]["total"]
    heading = Text.assemble(
        ("What RL changed in the weights", "bold"), f"   {total['numbers']:,} weights in {total['tensors']:,} tensors"
    )
    kinds = screen(OF_KINDS, _kinds(summary), parted=lambda row: row["kind"] == "all")
    return blocks([heading, kinds], [*_notes(summary), *_low_rank(summary)])


def _median(title: str, key: str) -> Column:
    """Of a kind; of all tensors together there is none."""
    return _unless_all(Column(title, f"{key}.value", ""))


def _unless_all(column: Column) -> Column:
    return Column(column.title, lambda row: "" if row["kind"] == "all" else column.entry(row))


OF_KINDS = (
    *(*plain("kind"), EXTENT[0], share("unchanged\nin bf16 %", "unchanged"), EXTENT[-1]),
    *(_median("stable\nrank", "stable_rank"), _median("rank for\n90 %", "rank_90")),
    _unless_all(share("of full\n%", "rank_90_share.value")),
)
OF_PARTS = (
    *(Column("ΔW", PART.way), share("energy\n%", "part.energy"), share("accuracy\n%", "accuracy")),
    *(Column("no\nanswer", lambda row: percent(row["no_answer"])), RECOVERY),
    *(
        share("edits\nkept %", "part.on.rl.kept", is_bare=True),
        share("edits\nelsewhere %", "part.on.rl.new", is_bare=True),
    ),
)


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    weights, stored = summary["weights"], summary["stored_as"]
    yield Text("unchanged: equal once both are rounded to bfloat16. ranks: of ΔW, medians over")
    yield Text("matrices; rank for 90 %: the fewest directions that hold 90 % of ‖ΔW‖².")
    if noise := weights["total"]["noise_rank_90_share"]:
        yield Text(f"White noise of these shapes needs {Cell(noise['value'], unit='%')} of the full rank for that.")
    if numerical := weights["total"]["numerical_rank_share"]:
        yield Text(f"Directions above the rounding of float32: {Cell(numerical['value'], unit='%')} of full rank.")
    if weights["total"]["relative_norm"] == 0:
        yield Text("RL's weights are the base's, every one of them: is that the RL model?", style="yellow")
    if (exact := weights["total"]["unchanged_exact"]) is not None:
        yield Text(f"Equal as stored ({', '.join(stored['base'])}): {Cell(exact, unit='%')} of all weights.")
    else:
        both = " and ".join(f"{NAMES[m]} {', '.join(stored[m])}" for m in stored)
        yield Text(f"Stored as {both}: no finer test than bfloat16's is possible throughout.")
    if summary["tied"]:
        yield Text("The head is the embedding (tied): counted once, as embed.")
    for name, rows in weights["left_out_rows"].items():
        yield Text(f"Rows of {name} that only one model has, left out: {rows:,}.", style="yellow")


def _low_rank(summary: Summary) -> Iterator[RenderableType]:
    """One line a part of the change."""
    told = summary["low_rank"]
    if told is None:
        return
    answer = told["reading"]["answer"]
    yield Text()
    level = f"{100 * told['reading']['confidence']:g} %"
    yield Text.assemble(("How much of it is needed", "bold"), f"   by the {answer} answer, {level} intervals")
    yield Text()
    yield screen(OF_PARTS, _parts(summary))
    yield Text()
    yield from _low_rank_notes(told)
    if told["no_answer_differs"][answer]:
        silent = (told["arms"][m]["answers"][answer]["no_answer"] for m in ("base", "rl"))
        yield Text(warning(silent, summary.get("grader")), style="yellow")


def _low_rank_notes(told: dict[str, Any]) -> Iterator[Text]:
    rest = NAMES[told["rest"]]
    yield Text(f"Rank r in every {', '.join(told['kinds'])}: {told['approximated']:,} weights.")
    yield Text(f"The other {told['whole']:,} (norms, biases) are taken whole from {rest}.")
    yield Text("Edits along RL's own text: kept, at the positions where RL leaves the base; and")
    yield Text("elsewhere, where RL does not.")
    if told["rest"] == "rl" and told.get("merged"):
        yield Text("Full rank is RL with its adapter merged: RL itself up to rounding, not a finding.")
    elif told["rest"] == "rl":
        yield Text("Full rank is RL itself, bit for bit: an identity, not a finding.")
