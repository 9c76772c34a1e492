"""The figure of `rlprobe footprint`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from rlprobe.reporting.disagree.tables import text_of
from rlprobe.reporting.drawing import Drawing, colour_of, line_of

TAILS = {"base": ("-0.3", "-1"), "rl": ("+0.3", "+1")}  # of each writer's text, the side that its tokens are on
GONE, COME, THERE = "#CC79A7", "#009E73", "#000000"
# name of a series: its words, colour, kind of line, marker
SERIES: dict[str, tuple[str, str, Any, str]] = {
    "rl": ("RL", colour_of("rl"), "-", "o"),
    "base": ("base", colour_of("base"), "-", ""),
    **{f"disagreements {arm}": (f"on {text_of(arm)}", colour_of(arm), line_of(arm), "o") for arm in TAILS},
    **{
        f"{arm} {tail}": (
            f"{'≤ −' if tail[0] == '-' else '≥ '}{tail[1:]} nats, {text_of(arm)}",
            colour_of(arm),
            line,
            marker,
        )
        for arm, tails in TAILS.items()
        for tail, line, marker in zip(tails, ("-", ":"), ("o", "s"), strict=True)
    },
    "of_final": ("of the last, there already", THERE, "-", "o"),
    "same_of_final": ("… with the same token", THERE, ":", "s"),
    "new_share": ("new, of these", COME, "-", "^"),
    "lost_share": ("lost, of those before", GONE, "-", "v"),
}
# name of a panel: its title, and what its percentages are of
PANELS = {
    "accuracy": ("Accuracy", "right answers, % of problems"),
    "rates": ("Tokens that disagree", "% of tokens"),
    "tails": ("Tails of Δ log p", "% of tokens"),
    "followed": ("Followed on the base's text", "% of disagreements"),
}


def footprint_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a point: panel, series, the checkpoint's number and name, and its value with low and high."""
    rows = [
        {"panel": panel, "series": series, "order": order, "checkpoint": step["name"], **_ends(found)}
        for order, step in enumerate(summary["steps"])
        for panel, series, found in _points(step)
    ]
    return pd.DataFrame(rows)


def _points(step: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any] | None]]:
    yield from (("accuracy", arm, step["accuracy"].get(arm)) for arm in ("base", "rl"))
    for arm, tails in TAILS.items():
        yield "rates", f"disagreements {arm}", step["rates"][arm]["disagreements"]
        yield from (("tails", f"{arm} {tail}", step["tails"][arm][tail]) for tail in tails)
    for name in ("of_final", "same_of_final", "new_share", "lost_share"):
        yield "followed", name, step["followed"][name]


def _ends(interval: dict[str, Any] | None) -> dict[str, float]:
    ends = {key: (interval or {}).get(key) for key in ("value", "low", "high")}
    return {key: np.nan if end is None else float(end) for key, end in ends.items()}


def draw_footprint(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Four panels over the same checkpoints, in the order of training and evenly spaced."""
    for ax, (panel, (title, unit)) in zip(axes, PANELS.items(), strict=True):
        points = data[data["panel"] == panel]
        for name, line in points.groupby("series", sort=False):
            _line(ax, str(name), line)
        names = points.drop_duplicates("order")["checkpoint"]
        ax.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
        ax.set(title=title, ylabel=unit, ylim=(0, 1.02 if panel in ("accuracy", "followed") else _top(points)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), borderaxespad=0)
        sns.despine(ax=ax)


def _top(points: pd.DataFrame) -> float | None:
    """Twice the highest value, or the highest bound if lower: a bound over few problems must not flatten the values."""
    value, bound = points["value"].max(), points["high"].max()
    return min(2 * value, 1.05 * bound) if value > 0 and bound > 0 else None


def _line(ax: Axes, series: str, line: pd.DataFrame) -> None:
    """One series, each point with its interval."""
    words, colour, style, marker = SERIES[series]
    ends = np.abs(line[["low", "high"]].sub(line["value"], axis=0).fillna(0).to_numpy()).T
    form: dict[str, Any] = {"linestyle": style, "marker": marker, "markersize": 3.5, "linewidth": 1.1}
    form |= {"elinewidth": 0.7, "capsize": 1.5, "color": colour, "label": words}
    ax.errorbar(line["order"], line["value"], yerr=ends, **form)


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "footprint": Drawing(footprint_data, draw_footprint, panels=4, size=lambda _: (9.5, 3.8)),
}
