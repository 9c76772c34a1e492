"""What `rlprobe patch` says at the terminal. The tables hold every number. Knows no disk and no models."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.formats import MISSING
from rlprobe.reporting.patch.tables import CONTRASTS, NAMES, Summary, donor_of, where_name
from rlprobe.reporting.terminal import fixed, open_table, texts_of

HEADS_SHOWN = 3


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    blocks: list[RenderableType] = [_heading(summary), _sites(summary), _places(summary), *_factorial(summary)]
    return Group(*(part for block in blocks for part in (block, Text())), *_notes(summary))


def _heading(summary: Summary) -> Text:
    host, donor = NAMES[summary["patches"]["host"]], NAMES[donor_of(summary)]
    points = summary["points"]["disagreement"]
    title = f"What {donor}'s activations do in {host}"
    return Text.assemble((title, "bold"), f"   {points['points']:,} disagreements in {points['problems']:,} problems")


def _sites(summary: Summary) -> Table:
    """One line a site and layer, at the decision point."""
    effects = ("share of\nthe gap %", "share minus\ncontrol %", "flips\n%", "flips minus\ncontrol %", "breaks\n%")
    table = open_table("site", "layer", *effects)
    sites = _cells(summary, source="same", where="0")
    for cell, following in zip(sites, [*sites[1:], None], strict=True):
        line = [*_with_control(cell, "share"), *_with_control(cell, "flips"), _rounded(cell["breaks"])]
        last = following is None or following["site"] != cell["site"]
        table.add_row(cell["site"], str(cell["layer"]), *texts_of(line), end_section=last)
    return table


def _places(summary: Summary) -> Table:
    """One line a place in the text: how much the residual stream restores there, of the layer that restores most."""
    cells = [cell for cell in _cells(summary, source="same") if cell["site"] == "residual"]
    best = {where: max((c for c in cells if c["where"] == where), key=_value) for where in _wheres(cells)}
    table = open_table("residual stream put in at", "best layer", "share of\nthe gap %", "share minus\ncontrol %")
    for where, cell in best.items():
        line = _with_control(cell, "share")
        table.add_row(where_name(where), str(cell["layer"]), *texts_of(line))
    return table


def _with_control(cell: dict[str, Any], what: str) -> list[str]:
    """A share, and what it is beyond its control, with the interval of that."""
    beyond = cell["minus_control"]
    return [_rounded(cell[what]), fixed(beyond[what], 0 if what == "flips" else 1, 100) if beyond else MISSING]


def _factorial(summary: Summary) -> Iterator[Table]:
    """One line a layer boundary; nothing where it was not asked for."""
    found = summary.get("factorial")
    if found and found["boundaries"]:
        table = open_table("after layer", *CONTRASTS.values())
        for at in found["boundaries"]:
            table.add_row(*texts_of([str(at["layer"]), *(fixed(at[name], 2) for name in CONTRASTS)]))
        table.title, table.title_justify = f"First disagreements ({found['points']:,}), nats of the gap", "left"
        table.title_style = ""
        yield table


def _wheres(cells: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(cell["where"] for cell in cells))


def _cells(summary: Summary, **wanted: str) -> list[dict[str, Any]]:
    """The patches of whole sites with these properties."""
    whole = (cell for cell in summary["cells"] if cell["head"] < 0)
    return [cell for cell in whole if all(cell[name] == value for name, value in wanted.items())]


def _value(cell: dict[str, Any]) -> float:
    """By what patches are ordered: the share beyond the control."""
    beyond = cell["minus_control"]
    return -1e9 if beyond is None or beyond["share"]["value"] is None else beyond["share"]["value"]


def _rounded(interval: dict[str, Any] | None) -> str:
    return MISSING if interval is None or interval["value"] is None else f"{100 * interval['value']:.1f}"


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    heads = [cell for cell in summary["cells"] if cell["head"] >= 0 and cell["source"] == "same"]
    if heads:
        best = sorted(heads, key=_value, reverse=True)[:HEADS_SHOWN]
        shares = [_rounded(c["minus_control"] and c["minus_control"]["share"]) for c in best]
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
