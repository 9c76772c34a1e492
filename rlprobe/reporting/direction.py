"""What `rlprobe direction` shows: tables, figures, and one screen at 80 columns of what a reader needs first.

A summary of analysis/direction.py comes in. Computes nothing; knows no disk and no models.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.analysis.authorship import SIGNALS
from rlprobe.reporting.figures.direction import FIGURES
from rlprobe.reporting.formats import Cell, quoted
from rlprobe.reporting.names import AMONG, DELTA_OF, tail_title, text_of
from rlprobe.reporting.table import Column, Row, Summary, Table, each, plain
from rlprobe.reporting.terminal import blocks, fixed, open_table, screen, texts_of

__all__ = ["FIGURES", "TABLES", "show"]

SPLITS = {
    "class": "class",
    "entropy": "base's entropy (nats)",
    "position": "place in the response",
    "divergence": "divergence of the two texts",
    "answer": "answer",
}
WORDS_SHOWN = 4
AMONG_SHOWN = {"all": "all\npositions", "apart": "from the\ndivergence", "apart_moved": "there, moved\n≥ 0.3 nats"}


# -- rows


def _texts(summary: Summary) -> list[dict[str, Any]]:
    return each(summary["texts"], "text")


def _whole(summary: Summary) -> list[Row]:
    """How Δ log p is spread over each text."""
    return [row for row in summary["distributions"] if row["split"] == "all"]


def _split(summary: Summary) -> list[Row]:
    """The same by class, entropy, place, divergence and answer."""
    return [row for row in summary["distributions"] if row["split"] != "all"]


def _aurocs(found: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    for name, signals in found.items():
        yield from ({key: name, "signal": SIGNALS[signal].title, "auroc": auroc} for signal, auroc in signals.items())


def _words(summary: Summary, most: int | None = None) -> Iterator[dict[str, Any]]:
    """The commonest tokens of each tail, on each text."""
    for arm, found in summary["texts"].items():
        for side, words in found["words"].items():
            yield from ({**word, "text": arm, "tail": side, "token": quoted(word["token"])} for word in words[:most])


def _sparks(summary: Summary) -> list[dict[str, Any]]:
    """What RL says, and has made likelier, though the base gives it little: sparks and noise."""
    return [{**bound, "text": text["text"]} for text in _texts(summary) for bound in text["promoted"]]


# -- tables

TEXT = Column("text", lambda row: text_of(row["text"]))
AUROC = (Column("AUROC", "auroc", ""), Column("tokens", "auroc.n_tokens"))
MEAN_KL = Column("mean KL", "divergence_share.mean", "nats")
OVERLAP = Column("overlap of top-20 % entropy", "entropy_overlap", "%")


def _tail(tail: str) -> Column:
    return Column(tail_title(tail), lambda row: row["tails"][tail], "%")


def _of_tails(summary: Summary, *split: Column) -> list[Column]:
    """Mean, median and the mass of either tail."""
    spread = (Column("mean", "mean", "nats"), Column("median", "median", "nats"))
    rows = _split(summary) if split else _whole(summary)
    of = Column("Δ log p of", lambda row: DELTA_OF[row["delta_of"]])
    return [TEXT, of, *split, *plain("tokens"), *spread, *map(_tail, rows[0]["tails"])] if rows else []


def _top(part: str) -> Column:
    """The share of the sum that so many positions hold."""
    return Column(f"in the top {100 * float(part):g} %", lambda row: row["divergence_share"]["top"][part], "%")


def _of_divergence(summary: Summary) -> list[Column]:
    parts = _texts(summary)[0]["divergence_share"]["top"]
    at = Column("at disagreements", "divergence_share.at_disagreements", "%")
    return [TEXT, *plain("tokens"), MEAN_KL, *map(_top, parts), at, OVERLAP]


# name of the table: summary -> table
TABLES = {
    "tails": Table(_whole, _of_tails),
    "tails_by": Table(
        _split, lambda s: _of_tails(s, Column("split by", lambda row: SPLITS[row["split"]]), *plain("group"))
    ),
    "authorship": Table(
        lambda summary: _aurocs(summary["separation"], "among"),
        (Column("positions", lambda row: AMONG[row["among"]]), *plain("signal"), *AUROC),
    ),
    "detection": Table(lambda summary: _aurocs(summary["detection"], "text"), (TEXT, *plain("signal"), *AUROC)),
    "words": Table(
        _words,
        (
            *(TEXT, *plain("tail", "token"), Column("in the tail", "count"), Column("in the text", "in_text")),
            *(*plain("problems"), Column("per problem", "per_problem", "")),
            Column("mean Δ log p", "mean_delta", "nats"),
        ),
    ),
    "divergence": Table(_texts, _of_divergence),
    "sparks": Table(
        _sparks,
        (
            *(TEXT, Column("base's probability", lambda row: f"below {row['below']:g}"), Column("tokens", "count")),
            *(Column("rate", "rate", "%"), *plain("sparks", "noise"), Column("share of sparks", "spark_share", "%")),
        ),
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    heading = Text.assemble(("What RL makes likelier, and what rarer", "bold"), "   Δ log p = log RL − log base, nats")
    words = screen(WORDS, _words(summary, WORDS_SHOWN), texts=3, parted="text")
    return blocks([heading, _tails_screen(summary), _separation_screen(summary), words], _notes(summary))


WORDS = (
    *(Column("on", TEXT.way), Column("RL", "tail"), *plain("token"), Column("times", "count"), Column("of", "in_text")),
    *(*plain("problems"), Column("mean Δ", "mean_delta", "")),
)


def _low(row: Row) -> str:
    """Promoted from below a tenth: how many, and how many of them are sparks."""
    bound = next(bound for bound in row["promoted"] if bound["below"] == 0.1)
    return f"{bound['count']:,}, of them {bound['sparks']:,}"


OF_TEXTS = (
    Column("mean KL(RL ‖ base), nats", MEAN_KL.way, ""),
    Column("  of its sum in the top 1 %", _top("0.01").way, "%"),
    Column("  of its sum in the top 5 %", _top("0.05").way, "%"),
    OVERLAP,
    Column("promoted below 0.1, sparks", _low),
)


def _tails_screen(summary: Summary) -> Screen:
    """One column a text, one row a number."""
    texts = _texts(summary)
    table = open_table("Δ log p of the token present", *(f"on {TEXT.entry(text)}" for text in texts))
    whole = {row["text"]: row for row in _whole(summary) if row["delta_of"] == "token"}
    spread = [whole[text["text"]] for text in texts]
    table.add_row("tokens", *texts_of([row["tokens"] for row in spread]))
    table.add_row("mean", *texts_of([Cell.of(row["mean"]) for row in spread]), end_section=True)
    for tail in spread[0]["tails"]:
        name = f"at {'most −' if tail.startswith('-') else 'least '}{tail[1:]}"
        table.add_row(name, *texts_of([Cell.of(row["tails"][tail], "%") for row in spread]))
    table.add_section()
    for column in OF_TEXTS:
        table.add_row(column.title, *texts_of([column.entry(text) for text in texts]))
    return table


def _separation_screen(summary: Summary) -> Screen:
    """One row a signal, one column a choice of positions."""
    table = open_table("who wrote it? AUROC", *AMONG_SHOWN.values())
    for name in summary["separation"]["all"]:
        found = (summary["separation"][among][name] for among in AMONG_SHOWN)
        table.add_row(SIGNALS[name].title, *texts_of([fixed(interval, 2) for interval in found]))
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
