"""The figure of `rlprobe sample`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of
from rlprobe.reporting.names import NAMES

COLUMNS = ["curve", "k", "value", "low", "high", "n", "answer", "confidence"]
GAIN = "gain"


def pass_at_k_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a point: pass@k of "base" and of "rl", and their difference, "gain"; shares with low and high."""
    reading = summary["reading"]
    found = summary["answers"][reading["answer"]]
    curves = {m: found["members"][m]["pass_at_k"] for m in MEMBERS if found["members"][m]}
    curves |= {GAIN: {k: gain["difference"] for k, gain in found["gain"].items()}}
    points = [
        (curve, int(k), *(point[end] for end in ("value", "low", "high")), point["n_problems"])
        for curve, points in curves.items()
        for k, point in points.items()
    ]
    rows = [(*point, reading["answer"], reading["confidence"]) for point in points]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"value": float, "low": float, "high": float})


def draw_pass_at_k(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Both curves to the left; to the right what RL gains, which is below 0 where the base has more in reach."""
    left, right = axes
    for member in MEMBERS:
        _curve(left, data[data["curve"] == member], member)
    left.set(ylim=(None, 1.01), ylabel="pass@k", title="At least one of k draws is right")
    if left.lines:
        left.legend(loc="lower right")
    right.axhline(0, color="0.5", linewidth=0.7)
    _curve(right, data[data["curve"] == GAIN], GAIN)
    right.set(ylabel="RL minus base, paired", title="What RL gains")
    for ax in axes:
        _doublings(ax, data)


def _curve(ax: Axes, points: pd.DataFrame, name: str) -> None:
    """One line with its interval as a band."""
    if points.empty:
        return
    style: dict[str, Any] = {"color": colour_of(name), "marker": "o", "markersize": 4, "linewidth": 1.2}
    style |= {"linestyle": line_of(name) if name in MEMBERS else "-", "label": NAMES.get(name, name)}
    ax.plot(points["k"], points["value"], **style)
    ax.fill_between(points["k"], points["low"], points["high"], color=colour_of(name), alpha=0.15, linewidth=0)


def _doublings(ax: Axes, data: pd.DataFrame) -> None:
    """The k that were read stand under a logarithmic axis."""
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(sorted(set(data["k"]))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_xlabel("k (draws)")
    in_percent(ax.yaxis)
    sns.despine(ax=ax)


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "pass_at_k": Drawing(pass_at_k_data, draw_pass_at_k, panels=2, size=lambda _: (6.5, 2.8)),
}
