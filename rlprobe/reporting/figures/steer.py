"""The figure of `rlprobe steer`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of, reach
from rlprobe.reporting.names import NAMES

PANELS = {"everywhere": "The steered base decodes alone", "uncertain": "It is asked only where the base is unsure"}
# direction: its colour, kind of line, marker, and a factor that moves its points aside
DIRECTIONS: dict[str, tuple[str, Any, str, float]] = {
    "difference": ("#009E73", "-", "o", 0.98),
    "random": ("#888888", (0, (1, 1.2)), "s", 1.02),
}
_COLUMNS = ["where", "direction", "coefficient", "chosen", "value", "low", "high"]


def steering_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row an arm, the two models themselves (where "own") first: its accuracy with low and high."""
    rows = [{**{name: arm[name] for name in _COLUMNS[:4]}, **_ends(arm["accuracy"])} for arm in summary["arms"]]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {end: np.nan if interval[end] is None else float(interval[end]) for end in ("value", "low", "high")}


def draw_steering(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """A panel for each way of steering: accuracy by strength, between the lines of base and RL."""
    ends = data[data["where"] == "own"].set_index("direction")["value"]
    for ax, (where, title) in zip(axes, PANELS.items(), strict=True):
        arms = data[data["where"] == where]
        if arms.empty:
            ax.set_axis_off()
            continue
        for end in MEMBERS:
            ax.axhline(ends[end], color=colour_of(end), linestyle=line_of(end), linewidth=1, label=NAMES[end])
        for direction in DIRECTIONS:
            _line(ax, arms[arms["direction"] == direction].sort_values("coefficient"), direction)
        _strengths(ax, sorted(set(arms["coefficient"])))
        ax.set(title=title, ylabel="accuracy", ylim=(0, 1.02))
        in_percent(ax.yaxis)
        sns.despine(ax=ax)
    drawn = next(ax for ax in axes if ax.axison)
    drawn.figure.legend(*drawn.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _line(ax: Axes, arms: pd.DataFrame, direction: str) -> None:
    """One direction, each point with its interval, a little aside from the other's."""
    colour, style, marker, aside = DIRECTIONS[direction]
    form: dict[str, Any] = {"linestyle": style, "marker": marker, "markersize": 4, "linewidth": 1.1, "elinewidth": 0.7}
    label = "the mean step from base to RL added" if direction == "difference" else "a random direction as long added"
    x = arms["coefficient"] * aside
    ax.errorbar(x, arms["value"], yerr=reach(arms), color=colour, label=label, **form)
    chosen = arms["chosen"].to_numpy(bool) & (direction == "difference")
    ring: dict[str, Any] = {"marker": "o", "markersize": 9, "linestyle": "none", "mfc": "none", "color": "black"}
    if chosen.any():
        ax.plot(x[chosen], arms["value"][chosen], label="chosen on the other half", **ring)


def _strengths(ax: Axes, places: list[float]) -> None:
    """The strengths that were tried on a true axis: of ratios where all are above 0."""
    if places[0] > 0:
        ax.set_xscale("log", base=2)
    ax.set_xticks(places, [f"{place:g}" for place in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("strength (1: the mean difference as it is)")


def _counted(summary: Mapping[str, Any]) -> str:
    tried = max(arm["accuracy"]["n_problems"] for arm in summary["arms"])
    return f"{tried:,} problems that the direction was not taken from"


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "steering": Drawing(steering_data, draw_steering, panels=2, size=lambda _: (7.0, 2.9), counted=_counted),
}
