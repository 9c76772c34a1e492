"""What `rlprobe weights` says at the terminal, at 80 columns. The tables hold every number.

Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.formats import Cell
from rlprobe.reporting.terminal import open_table, percent, texts_of
from rlprobe.reporting.unanswered import warning
from rlprobe.reporting.weights.tables import NAMES, Summary


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _kinds(summary), Text(), *_notes(summary), *_low_rank(summary))


def _heading(summary: Summary) -> Text:
    total = summary["weights"]["total"]
    return Text.assemble(
        ("What RL changed in the weights", "bold"), f"   {total['numbers']:,} weights in {total['tensors']:,} tensors"
    )


def _kinds(summary: Summary) -> Table:
    """One line a kind of tensor."""
    weights = summary["weights"]
    table = open_table(
        "kind", "weights", "unchanged\nin bf16 %", "‖ΔW‖/‖W‖", "stable\nrank", "rank for\n90 %", "of full\n%"
    )
    last = list(weights["kinds"])[-1]
    for kind, found in weights["kinds"].items():
        table.add_row(*texts_of(_line(kind, found)), end_section=kind == last)
    table.add_row(*texts_of(_line("all", weights["total"])[:4]))
    return table


def _line(kind: str, found: dict[str, Any]) -> list[Any]:
    medians = [found[name] and found[name]["value"] for name in ("stable_rank", "rank_90", "rank_90_share")]
    stable, rank, share = medians
    return [
        kind,
        found["numbers"],
        Cell(100 * found["unchanged"]),
        Cell(found["relative_norm"]),
        Cell(stable),
        Cell(rank),
        Cell(_hundred(share)),
    ]


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
    table = open_table(
        "ΔW", "energy\n%", "accuracy\n%", "no\nanswer", "recovery", "edits\nkept %", "edits\nelsewhere %"
    )
    for title, arm in told["arms"].items():
        table.add_row(*texts_of(_part(title, arm["answers"][answer], told["parts"].get(title))))
    yield table
    yield Text()
    yield from _low_rank_notes(told)
    if told["no_answer_differs"][answer]:
        silent = (told["arms"][m]["answers"][answer]["no_answer"] for m in ("base", "rl"))
        yield Text(warning(silent, summary.get("grader")), style="yellow")


def _part(title: str, found: dict[str, Any], part: dict[str, Any] | None) -> list[Any]:
    """The two ends are no parts."""
    kept, new = (part["on"]["rl"][name]["value"] if part else None for name in ("kept", "new"))
    return [
        NAMES.get(title, title),
        Cell(_hundred(part["energy"] if part else None)),
        _percent(found["accuracy"]),
        percent(found["no_answer"]),
        Cell.of(found["recovery"]),
        Cell(_hundred(kept)),
        Cell(_hundred(new)),
    ]


def _percent(interval: dict[str, Any] | None) -> Cell:
    """In percent, under a header that says so; None gives an empty cell."""
    value, low, high = (_hundred(interval[end] if interval else None) for end in ("value", "low", "high"))
    return Cell(value, low, high)


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


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
