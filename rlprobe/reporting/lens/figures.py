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
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent
from rlprobe.reporting.lens.tables import NAMES, by_model

MEASURES = ("logprob_of_base", "logprob_of_rl", "settled")
CHOICE_LINES: dict[str, Any] = {"logprob_of_base": (0, (3, 1.5)), "logprob_of_rl": "-"}
CHOICES = {"logprob_of_base": "base's choice", "logprob_of_rl": "RL's choice"}
MARKERS: dict[str, dict[str, Any]] = {
    "base": {"marker": "o", "markersize": 3},
    "rl": {"marker": "s", "markersize": 3.5, "markerfacecolor": "white"},
}
GROUP_LINES: dict[str, Any] = {"disagreement": "-", "unchanged": (0, (1, 1.2))}
TITLES = {"disagreement": "Where they disagree", "unchanged": "Where they agree, as unsure"}
MOST_TICKS = 8


def lens_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a group of places, model, depth and measure: its value with low and high."""
    rows = [
        {"places": group, "model": member, "depth": entry["depth"], "measure": measure, **_ends(entry[measure])}
        for group, member, entries in by_model(summary["depths"])
        for entry in entries
        for measure in MEASURES
    ]
    return pd.DataFrame(rows, columns=["places", "model", "depth", "measure", "value", "low", "high"])


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {end: np.nan if interval[end] is None else float(interval[end]) for end in ("value", "low", "high")}


def draw_lens(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Logprobs of both choices by depth, at disagreements and at unchanged places; then how many have settled."""
    logprobs = data[data["measure"].isin(list(CHOICES))]
    lowest = np.nanmin(logprobs.loc[logprobs["depth"] > 0, ["low", "value"]].to_numpy())  # the embedding is far below
    for ax, (group, title) in zip(axes, TITLES.items(), strict=False):
        here = logprobs[logprobs["places"] == group]
        for member, measure in product(MEMBERS, CHOICES):
            line = here[(here["model"] == member) & (here["measure"] == measure)]
            if group == "disagreement" or measure == "logprob_of_rl":  # elsewhere both choices are one token
                label = f"{NAMES[member]}: " + (CHOICES[measure] if group == "disagreement" else "the choice of both")
                _line(ax, line, member, CHOICE_LINES[measure], label)
        ax.set(title=title, ylabel="mean logprob, nats", ylim=(1.05 * lowest, -0.02 * lowest))
        ax.legend(loc="lower right", handlelength=3)
    _draw_settled(axes[2], data[data["measure"] == "settled"])
    for ax in axes:
        _depth_axis(ax, int(data["depth"].max()))
        sns.despine(ax=ax)


def _draw_settled(ax: Axes, settled: pd.DataFrame) -> None:
    for group, member in product(GROUP_LINES, MEMBERS):
        line = settled[(settled["places"] == group) & (settled["model"] == member)]
        places = "disagreement" if group == "disagreement" else "agreement"
        _line(ax, line, member, GROUP_LINES[group], f"{NAMES[member]}, {places}")
    ax.set(title="Own choice leads, and stays", ylabel="share of places", ylim=(-0.02, 1.02))
    in_percent(ax.yaxis)
    ax.legend(loc="upper left", handlelength=3)


def _line(ax: Axes, line: pd.DataFrame, member: str, style: Any, label: str) -> None:
    """A line with its interval as a band, in the colour and with the marker of its model."""
    colour = colour_of(member)
    ax.plot(line["depth"], line["value"], color=colour, linestyle=style, linewidth=1.2, label=label, **MARKERS[member])
    ax.fill_between(line["depth"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)


def _depth_axis(ax: Axes, layers: int) -> None:
    """The residual stream after so many layers; 0 is the embedding."""
    step = -(-(layers + 1) // MOST_TICKS)
    ax.set(xlim=(-0.03 * layers, 1.03 * layers), xlabel="layers read (0: the embedding)")
    ax.set_xticks(range(0, layers + 1, step))


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {"lens": Drawing(lens_data, draw_lens, panels=3, size=lambda _: (9.2, 2.9))}
