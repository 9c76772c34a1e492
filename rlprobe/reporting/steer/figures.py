"""The figure of `rlprobe steer`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of
from rlprobe.reporting.steer.tables import NAMES

PANELS = {"everywhere": "The steered base decodes alone", "uncertain": "It is asked only where the base is unsure"}
# direction: its colour, kind of line, marker, and how far its points are moved aside
DIRECTIONS: dict[str, tuple[str, Any, str, float]] = {
    "difference": ("#009E73", "-", "o", -0.06),
    "random": ("#888888", (0, (1, 1.2)), "s", 0.06),
}
_COLUMNS = ["where", "direction", "coefficient", "chosen", "value", "low", "high"]


def steering_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row an arm, the two models themselves (where "own") first: its accuracy with low and high."""
    rows = [{**{name: arm[name] for name in _COLUMNS[:4]}, **_ends(arm["accuracy"])} for arm in summary["arms"]]
    return pd.DataFrame(rows, columns=_COLUMNS)


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {end: np.nan if interval[end] is None else float(interval[end]) for end in ("value", "low", "high")}


def draw_steering(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """A panel for each way of steering: accuracy by coefficient, evenly spaced, between the lines of base and RL."""
    ends = data[data["where"] == "own"].set_index("direction")["value"]
    for ax, (where, title) in zip(axes, PANELS.items(), strict=True):
        arms = data[data["where"] == where]
        if arms.empty:
            ax.set_axis_off()
            continue
        for end in MEMBERS:
            ax.axhline(ends[end], color=colour_of(end), linestyle=line_of(end), linewidth=1, label=NAMES[end])
        places = sorted(set(arms["coefficient"]))
        for direction in DIRECTIONS:
            _line(ax, arms[arms["direction"] == direction].sort_values("coefficient"), direction, places)
        ax.set_xticks(range(len(places)), [f"{place:g}" for place in places])
        ax.set(title=title, ylabel="accuracy", xlabel="times the direction is added")
        ax.set(xlim=(-0.4, len(places) - 0.6), ylim=(0, 1.02))
        in_percent(ax.yaxis)
        sns.despine(ax=ax)
    drawn = next(ax for ax in axes if ax.axison)
    drawn.figure.legend(*drawn.get_legend_handles_labels(), loc="outside lower center", ncols=3)


def _line(ax: Axes, arms: pd.DataFrame, direction: str, places: Sequence[float]) -> None:
    """One direction, each point with its interval."""
    colour, style, marker, aside = DIRECTIONS[direction]
    x = [places.index(coefficient) + aside for coefficient in arms["coefficient"]]
    ends = np.abs(arms[["low", "high"]].sub(arms["value"], axis=0).fillna(0).to_numpy()).T
    form: dict[str, Any] = {"linestyle": style, "marker": marker, "markersize": 4, "linewidth": 1.1, "elinewidth": 0.7}
    label = "base + RL − base" if direction == "difference" else "base + a random direction of that norm"
    ax.errorbar(x, arms["value"], yerr=ends, color=colour, clip_on=False, label=label, **form)
    chosen = arms["chosen"].to_numpy(bool) & (direction == "difference")
    ring: dict[str, Any] = {"marker": "o", "markersize": 9, "linestyle": "none", "mfc": "none", "color": "black"}
    if chosen.any():
        ax.plot(np.array(x)[chosen], arms["value"][chosen], clip_on=False, label="chosen on the other half", **ring)


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "steering": Drawing(steering_data, draw_steering, panels=2, size=lambda _: (7.0, 2.9)),
}
