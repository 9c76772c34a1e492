"""The figure of `rlprobe lens`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, places_of
from rlprobe.reporting.names import NAMES

MEASURES = ("logprob_of_base", "logprob_of_rl", "settled")
OF_MODEL = {"base": "logprob_of_base", "rl": "logprob_of_rl"}  # the measure of its own choice
OWN, OTHERS = "-", (0, (3, 1.5))  # a line says whose choice it follows, in every panel
MARKERS: dict[str, dict[str, Any]] = {
    "base": {"marker": "o", "markersize": 3},
    "rl": {"marker": "s", "markersize": 3.5, "markerfacecolor": "white"},
}
GROUPS = {"disagreement": "Where they disagree", "unchanged": "Where they agree, equally unsure"}
MOST_TICKS = 8


def lens_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a group of places, model, depth and measure: its value with low and high."""
    rows = [
        {"places": group, "model": member, "depth": entry["depth"], "measure": measure, **_ends(entry[measure])}
        for group, members in summary["depths"].items()
        for member, entries in members.items()
        for entry in entries
        for measure in MEASURES
    ]
    return pd.DataFrame(rows, columns=["places", "model", "depth", "measure", "value", "low", "high"])


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {end: np.nan if interval[end] is None else float(interval[end]) for end in ("value", "low", "high")}


def draw_lens(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """By depth, at disagreements (left) and at places of agreement (right): logprobs above, settled choices below.

    The embedding, which knows nothing yet and lies far below, is left out of the logprobs.
    """
    logprobs = data[data["measure"].isin(OF_MODEL.values()) & (data["depth"] > 0)]
    lowest = np.nanmin(logprobs[["low", "value"]].to_numpy())
    for column, (group, words) in enumerate(GROUPS.items()):
        _draw_logprobs(axes[column], logprobs[logprobs["places"] == group], group)
        axes[column].set(title=words, ylim=(1.05 * lowest, -0.02 * lowest))
        below = axes[column + 2]
        for member in MEMBERS:
            settled = data[(data["measure"] == "settled") & (data["places"] == group) & (data["model"] == member)]
            _line(below, settled, member, OWN, "")
        below.set(title=words, ylim=(-0.02, 1.02))
        in_percent(below.yaxis)
    for ax in axes:
        _depth_axis(ax, int(data["depth"].max()))
        sns.despine(ax=ax)
    axes[0].set_ylabel("how likely a choice is\n(mean logprob, nats)")
    axes[2].set_ylabel("its own choice leads,\nand stays (share of places)")
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, handlelength=3)


def _draw_logprobs(ax: Axes, logprobs: pd.DataFrame, group: str) -> None:
    """Either model on its own choice and on the other's; where they agree these are one token."""
    for member, owner in product(MEMBERS, MEMBERS):
        if group == "disagreement" or owner == member:
            line = logprobs[(logprobs["model"] == member) & (logprobs["measure"] == OF_MODEL[owner])]
            whose = "its own choice" if owner == member else f"{NAMES[owner]}'s choice"
            _line(ax, line, member, OWN if owner == member else OTHERS, f"{NAMES[member]}: {whose}")


def _line(ax: Axes, line: pd.DataFrame, member: str, style: Any, label: str) -> None:
    """A line with its interval as a band, in the colour and with the marker of its model."""
    colour = colour_of(member)
    ax.plot(line["depth"], line["value"], color=colour, linestyle=style, linewidth=1.2, label=label, **MARKERS[member])
    ax.fill_between(line["depth"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)


def _depth_axis(ax: Axes, layers: int) -> None:
    """The residual stream after so many layers; 0 is the embedding."""
    step = -(-(layers + 1) // MOST_TICKS)
    ax.set(xlim=(-0.03 * layers, 1.03 * layers), xlabel="layers read (0: the embedding alone)")
    ax.set_xticks(range(0, layers + 1, step))


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "lens": Drawing(lens_data, draw_lens, panels=lambda _: (2, 2), size=lambda _: (7.4, 4.8), counted=places_of)
}
