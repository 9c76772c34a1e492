"""What `rlprobe patch` shows: tables, figures, and the terminal. Computes nothing; knows no disk and no models.

A summary of analysis/patching.py comes in.
"""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table as Screen
from rich.text import Text

from rlprobe.reporting.figures.patch import FIGURES, donor_of, where_name
from rlprobe.reporting.formats import MISSING
from rlprobe.reporting.names import NAMES
from rlprobe.reporting.table import Column, Row, Summary, Table, plain
from rlprobe.reporting.terminal import blocks, fixed, percent, screen

__all__ = ["FIGURES", "TABLES", "show"]

HEADS_SHOWN = 3
SOURCES = {"same": "same place", "other": "another problem", "other_host": "another problem, host's own"}
CONTRASTS = {
    "residual": "RL's residuals add",
    "layers": "RL's later layers add",
    "interaction": "interaction",
}
# of the factorial: log p(RL's choice) - log p(base's choice), with whose residual stream under whose later layers
GAPS = {
    "base_under_base": "gap, the base",
    "rl_under_base": "gap, RL's residuals, base's layers",
    "base_under_rl": "gap, base's residuals, RL's layers",
    "rl_under_rl": "gap, RL",
}


# -- rows


def _cells(summary: Summary, **wanted: str) -> list[Row]:
    """The patches of whole sites with these properties."""
    whole = (cell for cell in summary["cells"] if cell["head"] < 0)
    return [cell for cell in whole if all(cell[name] == value for name, value in wanted.items())]


def _heads(summary: Summary) -> list[Row]:
    """One row a head, at the decision point; its control is in the differences alone."""
    return [cell for cell in summary["cells"] if cell["head"] >= 0 and cell["source"] == "same"]


def _boundaries(summary: Summary) -> list[dict[str, Any]]:
    """One row a layer boundary: the four gaps, what RL's residual stream and later layers add, and the interaction."""
    found = summary.get("factorial") or {"boundaries": []}
    return [{**at, "places": found["points"], "problems": found["problems"]} for at in found["boundaries"]]


# -- tables

EFFECTS = (Column("share of the gap", "share", "%"), Column("flips", "flips", "%", "places"))
BREAKS = Column("breaks", "breaks", "%", "places")
BEYOND = (
    Column("control", lambda row: SOURCES[row["minus_control"]["control"]] if row["minus_control"] else None),
    Column("share minus control", "minus_control.share", "%"),
    Column("flips minus control", "minus_control.flips", "%", "places"),
    *(Column("places", "points"), Column("problems", "share.n_problems")),
)
PUT_IN = Column("put in at", lambda row: where_name(row["where"]))

# name of the table: summary -> table
TABLES = {
    # one row a patch of a whole site: where its activation comes from and goes to, and what it does
    "patching": Table(
        _cells,
        (
            *(Column("activation from", lambda row: SOURCES[row["source"]]), PUT_IN, *plain("site", "layer")),
            *(*EFFECTS, BREAKS, *BEYOND),
        ),
    ),
    "heads": Table(_heads, (*plain("layer", "head"), *EFFECTS, *BEYOND)),
    "factorial": Table(
        _boundaries,
        (
            Column("boundary", lambda row: f"after layer {row['layer']}"),
            *(Column(words, f"gaps.{name}", "nats") for name, words in GAPS.items()),
            *(Column(words, name, "nats") for name, words in CONTRASTS.items()),
            *plain("places", "problems"),
        ),
    ),
}


# -- the screen


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    sites = screen(SITES, _cells(summary, source="same", where="0"), parted="site")
    places = screen(PLACES, _best(summary))
    return blocks([_heading(summary), sites, places, *_factorial(summary)], _notes(summary))


def _heading(summary: Summary) -> Text:
    host, donor = NAMES[summary["patches"]["host"]], NAMES[donor_of(summary)]
    points = summary["points"]["disagreement"]
    title = f"What {donor}'s activations do in {host}"
    return Text.assemble((title, "bold"), f"   {points['points']:,} disagreements in {points['problems']:,} problems")


def _beyond(title: str, what: str, decimals: int) -> Column:
    """What a share is beyond its control, with the interval of that."""

    def entry(row: Row) -> str:
        beyond = row["minus_control"]
        return fixed(beyond[what], decimals, 100) if beyond else MISSING

    return Column(title, entry)


LAYER = Column("layer", lambda row: str(row["layer"]))
SHARES = (
    Column("share of\nthe gap %", lambda row: percent(row["share"])),
    _beyond("share minus\ncontrol %", "share", 1),
)
# one line a site and layer, at the decision point
SITES = (
    *(*plain("site"), LAYER, *SHARES, Column("flips\n%", lambda row: percent(row["flips"]))),
    *(_beyond("flips minus\ncontrol %", "flips", 0), Column("breaks\n%", lambda row: percent(row["breaks"]))),
)
# one line a place in the text
PLACES = (
    Column("residual stream put in at", PUT_IN.way),
    Column("best layer", LAYER.way),
    *SHARES,
)


def _added(contrast: str) -> Column:
    return Column(CONTRASTS[contrast], lambda row: fixed(row[contrast], 2))


def _best(summary: Summary) -> list[Row]:
    """How much the residual stream restores at each place in the text, of the layer that restores most."""
    cells = _cells(summary, source="same", site="residual")
    places = dict.fromkeys(cell["where"] for cell in cells)
    return [max((cell for cell in cells if cell["where"] == where), key=_value) for where in places]


def _factorial(summary: Summary) -> Iterator[Screen]:
    """One line a layer boundary; nothing where it was not asked for."""
    if rows := _boundaries(summary):
        table = screen((Column("after layer", LAYER.way), *map(_added, CONTRASTS)), rows)
        table.title, table.title_justify = f"First disagreements ({rows[0]['places']:,}), nats of the gap", "left"
        table.title_style = ""
        yield table


def _value(cell: Row) -> float:
    """By what patches are ordered: the share beyond the control."""
    beyond = cell["minus_control"]
    return -1e9 if beyond is None or beyond["share"]["value"] is None else beyond["share"]["value"]


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    if heads := _heads(summary):
        best = sorted(heads, key=_value, reverse=True)[:HEADS_SHOWN]
        shares = [percent(c["minus_control"] and c["minus_control"]["share"]) for c in best]
        named = (f"layer {c['layer']} head {c['head']} {s} %" for c, s in zip(best, shares, strict=True))
        yield Text(f"The heads that restore most beyond the control: {', '.join(named)}.")
    yield Text("share: how far the gap between the two choices moves towards the donor's; 100 % is there.")
    yield Text("flips: the host then says what the donor says. breaks: it says something else where both agree.")
    yield Text("minus control: less what the donor's activation from another problem does in the same place.")
    if summary.get("factorial"):
        yield Text("first disagreements: either's residual stream under either's later layers; both add up to")
        yield Text("the whole way from the base's gap to RL's, and the interaction is what only both together do.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    yield Text(
        f"Left out of shares, with a gap below {summary['smallest_gap']:g} nats: {summary['small_gaps']} places."
    )
