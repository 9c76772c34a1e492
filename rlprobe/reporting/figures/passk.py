"""The figure of pass@k: a function of a summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, in_points, line_of
from rlprobe.reporting.names import NAMES

COLUMNS = ["curve", "k", "value", "low", "high", "shown", "n", "answer", "confidence"]
GAIN, CROSSING = "gain", "crossing"


def curves_of(found: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """pass@k of each model that was drawn from, at the k that are shown."""
    return {m: found["members"][m]["pass_at_k"] for m in MEMBERS if found["members"][m]}


def shown_k(found: Mapping[str, Any]) -> list[str]:
    """The k that any model is shown at, in order."""
    return sorted({k for curve in curves_of(found).values() for k in curve}, key=int)


def curves_data(found: Mapping[str, Any], reading: Mapping[str, Any]) -> pd.DataFrame:
    """One row a point: pass@k of "base" and of "rl" at every k, and their difference, "gain"; shares with low and high.

    `shown` marks the k of the tables. The one row "crossing" has its k, and the ends of its interval, as value.
    """
    shown = {int(k) for k in shown_k(found)}
    members = {m: (found["members"][m]["curve"], found["members"][m]) for m in MEMBERS if found["members"][m]}
    curves = {m: (curve, len_of(member)) for m, (curve, member) in members.items()}
    curves |= {GAIN: (found["gain_curve"], found["solvable"]["problems"])}
    rows: list[tuple[Any, ...]] = [
        (name, *point, point[0] in shown, n)
        for name, (curve, n) in curves.items()
        for point in zip(*(curve[column] for column in ("k", "value", "low", "high")), strict=True)
    ]
    crossing = found["crossing"]
    if crossing["k"] is not None:
        ends = tuple(crossing[end] for end in ("k", "low", "high"))
        rows.append((CROSSING, None, *ends, False, found["solvable"]["problems"]))
    table = pd.DataFrame([(*row, reading["answer"], reading["confidence"]) for row in rows], columns=COLUMNS)
    return table.astype(dict.fromkeys(("k", "value", "low", "high"), float))


def len_of(member: Mapping[str, Any]) -> int:
    """On how many problems a model's curve stands."""
    return sum(member["right_draws"])


def draw_curves(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Both curves to the left; to the right what RL gains, which is below 0 where the base has more in reach."""
    left, right = axes
    for member in MEMBERS:
        _curve(left, data[data["curve"] == member], member)
    left.set(ylim=(None, 1.01), ylabel="pass@k", title="At least one of k draws is right")
    if left.lines:
        left.legend(loc="lower right")
    right.axhline(0, color="0.5", linewidth=0.7)
    _curve(right, data[data["curve"] == GAIN], GAIN)
    right.set(ylabel="RL minus base, paired\n(percentage points)", title="What RL gains")
    for ax, written in zip(axes, (in_percent, in_points), strict=True):
        _doublings(ax, data)
        written(ax.yaxis)
    _crossing(right, data)


def _curve(ax: Axes, points: pd.DataFrame, name: str) -> None:
    """One line with its interval as a band, and a mark at each k of the tables."""
    if points.empty:
        return
    style: dict[str, Any] = {"color": colour_of(name), "marker": "o", "markersize": 4, "linewidth": 1.2}
    style |= {"linestyle": line_of(name) if name in MEMBERS else "-", "label": NAMES.get(name, name)}
    marked = [place for place, shown in enumerate(points["shown"]) if shown]
    ax.plot(points["k"], points["value"], markevery=marked, **style)
    ax.fill_between(points["k"], points["low"], points["high"], color=colour_of(name), alpha=0.15, linewidth=0)


def _crossing(ax: Axes, data: pd.DataFrame) -> None:
    """A line at the k where the curves cross, its interval as a grey stretch: to the edge where it is open."""
    for _, row in data[data["curve"] == CROSSING].iterrows():
        left, right = ax.get_xlim()
        low, high = (edge if pd.isna(row[end]) else row[end] for end, edge in (("low", left), ("high", right)))
        ax.axvspan(low, high, color="0.5", alpha=0.15, linewidth=0)
        ax.axvline(row["value"], color="0.35", linewidth=0.9, linestyle=":")
        ax.set_xlim(left, right)


def _doublings(ax: Axes, data: pd.DataFrame) -> None:
    """The k of the tables stand under a logarithmic axis."""
    ax.set_xscale("log", base=2)
    ax.xaxis.set_major_locator(FixedLocator(sorted(set(data.loc[data["shown"], "k"]))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.set_xlabel("k (draws)")
    sns.despine(ax=ax)


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "passk": Drawing(
        lambda summary: curves_data(summary, summary["reading"]), draw_curves, panels=2, size=lambda _: (6.5, 2.8)
    ),
}
