"""The figure of `rlprobe footprint`: a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from rlprobe.reporting.drawing import Drawing, colour_of, line_of, problems_of, reach
from rlprobe.reporting.names import text_of

TAILS = {"base": ("-0.3", "-1"), "rl": ("+0.3", "+1")}  # of each writer's text, the side that its tokens are on
GONE, COME, THERE = "#CC79A7", "#009E73", "#000000"
# name of a series: its words, colour, kind of line, marker
SERIES: dict[str, tuple[str, str, Any, str]] = {
    "rl": ("the checkpoint", colour_of("rl"), "-", "o"),
    "base": ("the base", colour_of("base"), "-", ""),
    **{f"disagreements {arm}": (f"on {text_of(arm)}", colour_of(arm), line_of(arm), "o") for arm in TAILS},
    "base -0.3": ("the base's text, 0.3 nats less likely", colour_of("base"), "-", "o"),
    "base -1": ("the base's text, 1 nat less likely", colour_of("base"), ":", "s"),
    "rl +0.3": ("RL's text, 0.3 nats likelier", colour_of("rl"), "-", "o"),
    "rl +1": ("RL's text, 1 nat likelier", colour_of("rl"), ":", "s"),
    "of_final": ("of the last checkpoint's: there by now", THERE, "-", "o"),
    "same_of_final": ("... and already with that token", THERE, ":", "s"),
    "new_share": ("of its own: new since the one before", COME, "-", "^"),
    "lost_share": ("of the one before: gone by now", GONE, "-", "v"),
}
# name of a panel: its title, and what its percentages are of
PANELS = {
    "accuracy": ("How many answers are right", "% of problems"),
    "rates": ("How often it and the base choose differently", "% of tokens"),
    "tails": ("How many tokens moved far", "% of tokens"),
    "followed": ("When disagreements come, on the base's text", "% of disagreements"),
}


def footprint_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a point: panel, series, the checkpoint's number, name and step, and its value with low and high.

    The step is the number that its name ends with, if those of all checkpoints grow; else there is none.
    """
    steps = _steps([step["name"] for step in summary["steps"]])
    rows = [
        {"panel": panel, "series": series, "order": order, "checkpoint": step["name"], "step": number, **_ends(found)}
        for order, (step, number) in enumerate(zip(summary["steps"], steps, strict=True))
        for panel, series, found in _points(step)
    ]
    return pd.DataFrame(rows)


def _steps(names: Sequence[str]) -> list[float]:
    """The numbers at the ends of names, or nan for all of them."""
    numbers = [float(found[0]) if (found := re.search(r"\d+$", name)) else np.nan for name in names]
    return numbers if (np.diff(numbers) > 0).all() and np.isfinite(numbers).all() else [np.nan] * len(names)


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
    """Four panels over the same checkpoints: along the steps of training where these are known, else evenly spaced."""
    is_known = bool(data["step"].notna().all())
    data = data.assign(x=data["step"] if is_known else data["order"])
    for ax, (panel, (title, unit)) in zip(axes, PANELS.items(), strict=True):
        points = data[data["panel"] == panel]
        for name, line in points.groupby("series", sort=False):
            _line(ax, str(name), line)
        _training_axis(ax, points.drop_duplicates("order"), is_known)
        ax.set(title=title, ylabel=unit, ylim=(0, 1.02 if panel in ("accuracy", "followed") else _top(points)))
        ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}"))
        ax.legend(loc="upper left", bbox_to_anchor=(1, 1), handlelength=2.2)
        sns.despine(ax=ax)


def _training_axis(ax: Axes, checkpoints: pd.DataFrame, is_known: bool) -> None:
    """A tick a checkpoint: its step, or its name."""
    if is_known:
        ax.set_xticks(checkpoints["x"], [f"{step:g}" for step in checkpoints["x"]])
        ax.set(xlim=(0, 1.03 * checkpoints["x"].max()), xlabel="step of training")
        return
    ax.set_xticks(checkpoints["x"], checkpoints["checkpoint"], rotation=45, ha="right", rotation_mode="anchor")
    ax.set_xlabel("checkpoint, evenly spaced")


def _top(points: pd.DataFrame) -> float | None:
    """Twice the highest value, or the highest bound if lower: a bound over few problems must not flatten the values."""
    value, bound = points["value"].max(), points["high"].max()
    return min(2 * value, 1.05 * bound) if value > 0 and bound > 0 else None


def _line(ax: Axes, series: str, line: pd.DataFrame) -> None:
    """One series, each point with its interval; the base does not change, and is one line with one band."""
    words, colour, style, marker = SERIES[series]
    if series == "base":
        for value, low, high in line[["value", "low", "high"]].dropna().drop_duplicates().to_numpy():
            ax.axhline(value, color=colour, linewidth=1.1, label=words)
            ax.axhspan(low, high, color=colour, alpha=0.12, linewidth=0)
        return
    form: dict[str, Any] = {"linestyle": style, "marker": marker, "markersize": 3.5, "linewidth": 1.1}
    form |= {"elinewidth": 0.8, "color": colour, "label": words}
    ax.errorbar(line["x"], line["value"], yerr=reach(line), **form)


def _counted(summary: Mapping[str, Any]) -> str:
    return f"{len(summary['steps'])} checkpoints, {problems_of(summary)}"


# name of the figure: summary -> its table, its drawing, its grid, its size
FIGURES: dict[str, Drawing] = {
    "footprint": Drawing(
        footprint_data, draw_footprint, panels=lambda _: (2, 2), size=lambda _: (9.0, 4.6), counted=_counted
    ),
}
