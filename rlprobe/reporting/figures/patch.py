"""The figures of `rlprobe patch`: each is a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from rlprobe.reporting.drawing import Drawing, places_of
from rlprobe.reporting.names import NAMES

SITES = {"residual": "residual", "attention": "attention", "mlp": "MLP"}
SOURCES = {"same": "", "other": ", of another problem", "other_host": ", host's own, of another"}
MOST_WRITTEN = 12  # columns of a heat map whose cells still have room for a number
BEYOND = "*: more than the same from another problem does; the interval of the difference excludes 0"
CONTRASTS = {  # of the factorial: its name, colour and dashes
    "residual": ("RL's residual stream", "#009E73", "-"),
    "layers": ("RL's later layers", "#CC79A7", "--"),
    "interaction": ("interaction", "0.3", ":"),
}
PLACES = 'a row that names no place is the position of the decision itself; "1 before" is one token before it'
GAP = "the gap: how much likelier (in nats) RL's choice is than the base's, from the one model to the other"
_COLUMNS = ["panel", "row", "column", "value", "low", "high", "beyond", "host", "donor"]

WHERES = {"0": "decision point", "earlier": "all before", "prompt": "the prompt"}


def where_name(where: str) -> str:
    """What a part of the text is called in print."""
    return WHERES.get(where, f"{where.lstrip('-')} before")


def donor_of(summary: dict[str, Any]) -> str:
    """Whose activations are put in."""
    return "rl" if summary["patches"]["host"] == "base" else "base"


def patching_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a cell of the two panels: share less its control by site, place and layer; flips by site, source, layer.

    A place without a control has no number in the first panel.
    """
    rows = []
    for cell in (cell for cell in summary["cells"] if cell["head"] < 0):
        decision = cell["where"] == "0"
        if cell["source"] == "same":
            place = "" if decision else f", {where_name(cell['where'])}"
            rows.append(_entry(summary, cell, "share", SITES[cell["site"]] + place))
        if decision:
            rows.append(_entry(summary, cell, "flips", SITES[cell["site"]] + SOURCES[cell["source"]]))
    return pd.DataFrame(rows, columns=_COLUMNS)


def heads_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a head."""
    heads = [cell for cell in summary["cells"] if cell["head"] >= 0 and cell["source"] == "same"]
    rows = [_entry(summary, cell, "share", f"layer {cell['layer']}") | {"column": cell["head"]} for cell in heads]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _entry(summary: dict[str, Any], cell: dict[str, Any], panel: str, row: str) -> dict[str, Any]:
    beyond = cell["minus_control"] or {"share": {"value": None, "low": None, "high": None}}
    interval = cell["flips"] if panel == "flips" else beyond["share"]
    ends = {end: np.nan if interval[end] is None else float(interval[end]) for end in ("value", "low", "high")}
    models = {"host": summary["patches"]["host"], "donor": donor_of(summary)}
    return {"panel": panel, "row": row, "column": cell["layer"], **ends, "beyond": _beyond(cell, panel), **models}


def _beyond(cell: dict[str, Any], panel: str) -> bool:
    """Whether it does more than its control, with an interval above 0."""
    low = cell["minus_control"] and cell["minus_control"][panel]["low"]
    return cell["source"] == "same" and low is not None and low > 0


def draw_patching(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Two heat maps with layers from left to right, in percent; a star where a patch does more than its control."""
    donor, host = (NAMES[data[name].iloc[0]] for name in ("donor", "host"))
    titles = {
        "share": f"{donor}'s activation put into {host}: share of the\ngap restored, less the control's, %",
        "flips": f"Places where {host} then says\n{donor}'s choice, %",
    }
    for ax, (panel, title) in zip(axes, titles.items(), strict=True):
        _heat_map(ax, data[data["panel"] == panel])
        ax.set(title=title, xlabel="layer")
    notes = [GAP, PLACES, *([BEYOND] if data["beyond"].any() else [])]
    axes[0].figure.supxlabel("\n".join(notes), fontsize=7, x=0.01, ha="left")


def draw_heads(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One heat map, layers from top to bottom and heads from left to right."""
    if data.empty:
        axes[0].set_axis_off()
        return
    donor, host = (NAMES[data[name].iloc[0]] for name in ("donor", "host"))
    widest = max(0.05, float(data["value"].abs().max()))
    _heat_map(axes[0], data, widest)
    title = f"One head of {donor} in {host}: share of the gap restored, less the control's, %"
    axes[0].set(title=title, xlabel="head")
    axes[0].figure.supxlabel(GAP, fontsize=7, x=0.01, ha="left")


def factorial_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a layer boundary and contrast, in nats."""
    rows = [
        {"layer": at["layer"], "what": name, **{end: at[name][end] for end in ("value", "low", "high")}}
        for at in (summary.get("factorial") or {"boundaries": []})["boundaries"]
        for name in (*CONTRASTS, "whole")
    ]
    return pd.DataFrame(rows, columns=["layer", "what", "value", "low", "high"])


def draw_factorial(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Lines over layer boundaries with bands: what either factor adds to the gap, and what only both together add."""
    ax = axes[0]
    if data.empty:
        ax.set_axis_off()
        return
    for what, (label, colour, dashes) in CONTRASTS.items():
        line = data[data["what"] == what].astype({"value": float, "low": float, "high": float})
        ax.plot(line["layer"], line["value"], color=colour, linestyle=dashes, marker=".", label=label)
        ax.fill_between(line["layer"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
    whole = float(data.loc[data["what"] == "whole", "value"].iloc[0])
    ax.axhline(whole, color="0.6", linewidth=0.8, label="base to RL, the whole way")
    ax.axhline(0, color="0.8", linewidth=0.8, zorder=0)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set(title="At the first disagreement", xlabel="residual stream after layer", ylabel="added to the gap, nats")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    sns.despine(ax=ax)


def _heat_map(ax: Axes, cells: pd.DataFrame, widest: float = 1.0) -> None:
    """Rows in the order they come in; the darker, the further from 0: blue towards the donor, red away from it."""
    rows, columns = list(dict.fromkeys(cells["row"])), sorted(set(cells["column"]))
    by_place = cells.pivot(index="row", columns="column").reindex(index=rows)
    grid, beyond = by_place["value"][columns].to_numpy(), by_place["beyond"][columns].eq(True).to_numpy()
    signed = bool(np.nanmin(grid, initial=0) < 0)
    cmap, lowest = ("RdBu", -widest) if signed else ("Blues", 0.0)
    image = ax.imshow(grid, cmap=cmap, vmin=lowest, vmax=widest, aspect="auto", interpolation="nearest")
    ax.set_xticks(range(len(columns)), [str(c) for c in columns])
    ax.set_yticks(range(len(rows)), rows)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if len(columns) > MOST_WRITTEN:
        step = -(-len(columns) // MOST_WRITTEN)
        ax.set_xticks(range(0, len(columns), step), [str(c) for c in columns[::step]])
    if len(columns) > MOST_WRITTEN or widest < 1:
        bar = ax.figure.colorbar(image, ax=ax, shrink=0.8)
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    for (row, column), value in np.ndenumerate(grid):
        number = _percent(value) if np.isfinite(value) and len(columns) <= MOST_WRITTEN else ""
        colour = "white" if abs(value) > 0.6 * widest else "0.15"
        star = "*" if beyond[row, column] else ""
        ax.text(column, row, number + star, ha="center", va="center", fontsize=7, color=colour)


def _percent(value: float) -> str:
    """Whole percents; tenths where there are few."""
    return f"{100 * value:.0f}" if abs(value) >= 0.0995 else f"{100 * value + 0.0:.1f}".replace("-0.0", "0.0")


def _patching_size(data: pd.DataFrame) -> tuple[float, float]:
    return 7.2, 1.4 + 0.27 * data.groupby("panel")["row"].nunique().max()


def _heads_size(data: pd.DataFrame) -> tuple[float, float]:
    return 5.6, 1.4 + 0.25 * data["row"].nunique()


def _first_disagreements(summary: Mapping[str, Any]) -> str:
    found = summary.get("factorial") or {"points": 0, "problems": 0}
    return f"{found['points']:,} first disagreements in {found['problems']:,} problems"


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "patching": Drawing(
        patching_data, draw_patching, panels=2, size=_patching_size, counted=places_of, intervals=False
    ),
    "factorial": Drawing(
        factorial_data, draw_factorial, panels=1, size=lambda _: (5.8, 3.2), counted=_first_disagreements
    ),
    "heads": Drawing(heads_data, draw_heads, panels=1, size=_heads_size, counted=places_of, intervals=False),
}
