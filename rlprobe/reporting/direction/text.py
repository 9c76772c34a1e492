"""What `rlprobe direction` says at the terminal: a summary on one screen, at 80 columns, with or without colour.

The tables hold every number; here stand those that a reader needs first. Knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.direction.tables import SIDES, SIGNALS, Summary
from rlprobe.reporting.formats import MISSING, Cell, quoted
from rlprobe.reporting.names import text_of
from rlprobe.reporting.terminal import open_table, texts_of

WORDS_SHOWN = 4
AMONG_SHOWN = {"all": "all\npositions", "apart": "from the\ndivergence", "apart_moved": "there, moved\n≥ 0.3 nats"}


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    blocks: list[RenderableType] = [_heading(), _tails(summary), _separation(summary), _words(summary)]
    return Group(*(part for block in blocks for part in (block, Text())), *_notes(summary))


def _heading() -> Text:
    return Text.assemble(("What RL makes likelier, and what rarer", "bold"), "   Δ log p = log RL − log base, nats")


def _tails(summary: Summary) -> Table:
    """One column a text, one row a number."""
    arms = list(summary["texts"])
    table = open_table("Δ log p of the token present", *(f"on {text_of(arm)}" for arm in arms))
    whole = {
        row["text"]: row for row in summary["distributions"] if (row["split"], row["delta_of"]) == ("all", "token")
    }
    table.add_row("tokens", *texts_of([whole[arm]["tokens"] for arm in arms]))
    table.add_row("mean", *texts_of([Cell.of(whole[arm]["mean"]) for arm in arms]), end_section=True)
    for tail in whole[arms[0]]["tails"]:
        name = f"at {'most −' if tail.startswith('-') else 'least '}{tail[1:]}"
        table.add_row(name, *texts_of([Cell.of(whole[arm]["tails"][tail], "%") for arm in arms]))
    table.add_section()
    for name, entry in ROWS.items():
        table.add_row(name, *texts_of([entry(summary["texts"][arm]) for arm in arms]))
    return table


def _low(found: dict[str, Any]) -> str:
    """Promoted from below a tenth: how many, and how many of them are sparks."""
    bound = next(bound for bound in found["promoted"] if bound["below"] == 0.1)
    return f"{bound['count']:,}, of them {bound['sparks']:,}"


ROWS = {
    "mean KL(RL ‖ base), nats": lambda found: Cell.of(found["divergence_share"]["mean"]),
    "  of its sum in the top 1 %": lambda found: Cell.of(found["divergence_share"]["top"]["0.01"], "%"),
    "  of its sum in the top 5 %": lambda found: Cell.of(found["divergence_share"]["top"]["0.05"], "%"),
    "overlap of top-20 % entropy": lambda found: Cell.of(found["entropy_overlap"], "%"),
    "promoted below 0.1, sparks": _low,
}


def _separation(summary: Summary) -> Table:
    """One row a signal, one column a choice of positions."""
    table = open_table("who wrote it? AUROC", *AMONG_SHOWN.values())
    for name in summary["separation"]["all"]:
        found = (summary["separation"][among][name] for among in AMONG_SHOWN)
        table.add_row(SIGNALS[name], *texts_of([_fixed(interval) for interval in found]))
    return table


def _fixed(interval: dict[str, Any]) -> str:
    """A number and its interval with two decimals: three columns of them fit."""
    value, low, high = (interval[end] for end in ("value", "low", "high"))
    return MISSING if value is None else f"{value:.2f}" + (f" [{low:.2f}, {high:.2f}]" if low is not None else "")


def _words(summary: Summary) -> Table:
    """The commonest words of each tail."""
    table = open_table("on", "RL", "token", "times", "of", "problems", "mean Δ", texts=3)
    for arm, found in summary["texts"].items():
        for side, words in found["words"].items():
            for word in words[:WORDS_SHOWN]:
                numbers = [word["count"], word["in_text"], word["problems"], Cell(word["mean_delta"])]
                table.add_row(*texts_of([text_of(arm), SIDES[side], quoted(word["token"]), *numbers]))
        table.add_section()
    return table


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    parting = summary["divergence"]
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    if parting["reason"]:
        yield Text(f"Who wrote a token cannot be asked: {parting['reason']}.", style="yellow")
    else:
        yield Text(
            f"{parting['responses']:,} pairs of responses, {parting['identical']:,} identical; "
            f"alike at first: {Cell(parting['share_common']['value'], unit='%')} of the base's tokens."
        )
        yield Text("At a disagreement a greedy token is its writer's own choice: Δ log p tells the")
        yield Text("writer there by construction. AUROC 0.5 tells nothing.")
    yield Text(f"Words: tokens that RL moved by {summary['tail']:g} nats or more.")
    yield Text("Sparks: at least 0.02 of the base's best probability (arXiv 2510.03222).")
    yield Text("Of 'do they disagree here', KL and JS nearly contain the answer (see detection).")
    for reason, n in summary["left_out"]["reasons"].items():
        yield Text(f"Problems left out: {n:,} ({reason}).", style="yellow")
