"""What `rlprobe patch` says at the terminal. The tables hold every number. Knows no disk and no models."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from rlprobe.reporting.formats import MISSING
from rlprobe.reporting.patch.tables import NAMES, Summary, donor_of, where_name
from rlprobe.reporting.terminal import fixed, open_table, texts_of

HEADS_SHOWN = 3


def show(summary: Summary) -> Group:
    """The whole report, for the print of a rich Console."""
    return Group(_heading(summary), Text(), _sites(summary), Text(), _places(summary), Text(), *_notes(summary))


def _heading(summary: Summary) -> Text:
    host, donor = NAMES[summary["patches"]["host"]], NAMES[donor_of(summary)]
    points = summary["points"]["disagreement"]
    title = f"What {donor}'s activations do in {host}"
    return Text.assemble((title, "bold"), f"   {points['points']:,} disagreements in {points['problems']:,} problems")


def _sites(summary: Summary) -> Table:
    """One line a site and layer, at the decision point."""
    table = open_table("site", "layer", "share of the gap %", "flips\n%", "flips minus\ncontrol %", "breaks\n%")
    sites = _cells(summary, source="same", where="0")
    for cell, following in zip(sites, [*sites[1:], None], strict=True):
        beyond = cell["minus_control"]
        line = [fixed(cell["share"], 1, 100), _rounded(cell["flips"])]
        line += [fixed(beyond["flips"], 1, 100) if beyond else MISSING, _rounded(cell["breaks"])]
        last = following is None or following["site"] != cell["site"]
        table.add_row(cell["site"], str(cell["layer"]), *texts_of(line), end_section=last)
    return table


def _places(summary: Summary) -> Table:
    """One line a place in the text: how much the residual stream restores there, of the layer that restores most."""
    cells = [cell for cell in _cells(summary, source="same") if cell["site"] == "residual"]
    best = {where: max((c for c in cells if c["where"] == where), key=_value) for where in _wheres(cells)}
    table = open_table("residual stream put in at", "best layer", "share of the gap %", "flips %")
    for where, cell in best.items():
        line = [fixed(cell["share"], 1, 100), _rounded(cell["flips"])]
        table.add_row(where_name(where), str(cell["layer"]), *texts_of(line))
    return table


def _wheres(cells: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(cell["where"] for cell in cells))


def _cells(summary: Summary, **wanted: str) -> list[dict[str, Any]]:
    """The patches of whole sites with these properties."""
    whole = (cell for cell in summary["cells"] if cell["head"] < 0)
    return [cell for cell in whole if all(cell[name] == value for name, value in wanted.items())]


def _value(cell: dict[str, Any]) -> float:
    return -1e9 if cell["share"]["value"] is None else cell["share"]["value"]


def _rounded(interval: dict[str, Any] | None) -> str:
    return MISSING if interval is None or interval["value"] is None else f"{100 * interval['value']:.1f}"


def _notes(summary: Summary) -> Iterator[Text]:
    """What a reader must know before quoting a number."""
    heads = [cell for cell in summary["cells"] if cell["head"] >= 0 and cell["source"] == "same"]
    if heads:
        best = sorted(heads, key=_value, reverse=True)[:HEADS_SHOWN]
        named = (f"layer {c['layer']} head {c['head']} {_rounded(c['share'])} %" for c in best)
        yield Text(f"The heads that restore most: {', '.join(named)}.")
    yield Text("share: how far the gap between the two choices moves towards the donor's; 100 % is there.")
    yield Text("flips: the host then says what the donor says. breaks: it says something else where both agree.")
    yield Text("minus control: less the flips by the donor's activation from another problem.")
    yield Text(f"[ ] is a {100 * summary['reading']['confidence']:g} % interval over problems.")
    yield Text(
        f"Left out of shares, with a gap below {summary['smallest_gap']:g} nats: {summary['small_gaps']} places."
    )
