"""The figure of `rlprobe signals`: accuracy against the dose that was realised, one line a signal.

A function of the summary to a table, and of that table to ink. Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of
from rlprobe.reporting.intervene.tables import name_of
from rlprobe.reporting.signals.tables import signal_name

COLOURS = {
    "delta": "#009E73",
    "kl": "#CC79A7",
    "js": "#E69F00",
    "entropy": "#56B4E9",
    "margin": "#8B6914",
    "learned": "#D55E00",
    "random": "#8A8A8A",
}
MARKERS = {"delta": "o", "kl": "s", "js": "^", "entropy": "D", "margin": "v", "learned": "P", "random": "X"}
NAMES = {"delta": "Δ log p", "kl": "KL", "js": "JS"}
# kind of dose: which column is drawn, and what it is, in words
AXES = {
    "edits": ("dose", "tokens really edited (share of the oracle's edits)"),
    "replaced": ("dose", "tokens replaced, no-ops counted (share of all tokens)"),
    "preset": ("edited", "tokens really edited (share of the arm's own tokens)"),
}


def equal_dose_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a point, oracle and end: its accuracy and its doses with intervals, and the dose that was wanted.

    `dose` is as a share of the oracle's edits or of all tokens, `edited` and `gated` are shares of the arm's tokens.
    """
    points = {point["title"]: point for point in summary["points"]}
    rows = [_point(title, arm, points.get(title), summary) for title, arm in summary["arms"].items()]
    return pd.DataFrame(rows)


def _point(title: str, arm: dict[str, Any], point: dict[str, Any] | None, summary: dict[str, Any]) -> dict[str, Any]:
    accuracy = arm["answers"][summary["reading"]["answer"]]["accuracy"]
    dose = point["dose"] if point else _dose(arm, summary)
    measured = {"dose": dose, "edited": arm["edited"], "gated": arm["gated"], "accuracy": accuracy}
    numbers = {f"{name}_{key}": found[key] for name, found in measured.items() for key in ("value", "low", "high")}
    numbers |= {name: point[name] if point else None for name in ("target", "threshold")}
    return {
        "arm": title,
        "signal": point["signal"] if point else arm["mode"],
        "host": arm["host"],
        **{name: np.nan if value is None else float(value) for name, value in numbers.items()},
        "problems": accuracy["n_problems"],
        "answer": summary["reading"]["answer"],
        "confidence": summary["reading"]["confidence"],
        "decoding": _decoding(summary),
        "axis": "preset" if summary["preset"] else summary["equal"],
    }


def _dose(arm: dict[str, Any], summary: dict[str, Any]) -> dict[str, Any]:
    """Of an oracle and of an end, which has none."""
    whole = arm["mode"] == "oracle" and summary["equal"] == "edits"
    return dict.fromkeys(("value", "low", "high"), 1.0) if whole else arm["gated"]


def _decoding(summary: dict[str, Any]) -> str:
    how = summary["sampling"]
    if how is None:
        return "greedy"
    cut = f", top-p {how['top_p']:g}" if how["top_p"] < 1 else ""
    return f"temperature {how['temperature']:g}{cut}, {summary['draws']} draws"


def draw_equal_doses(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One line a signal through its points, with intervals both ways; the ends as lines, the oracle as a star.

    The doses wanted are drawn as faint lines from top to bottom, so that what was missed is seen.
    """
    ax, first = axes[0], data.iloc[0]
    column, words = AXES[first["axis"]]
    _ends(ax, data)
    _oracles(ax, data[data["signal"] == "oracle"], column)
    points = data[data["signal"].isin(COLOURS)]
    for (signal, host), family in points.groupby(["signal", "host"], sort=False):
        _signal(ax, str(signal), str(host), family, column)
    for target in points["target"].dropna().unique():
        ax.axvline(target, color="0.85", linewidth=0.6, zorder=0)
    level = f"{100 * first['confidence']:g} % intervals"
    ax.set_xlabel(f"{words}, {level}")
    ax.set_ylabel(f"accuracy by the {first['answer']} answer, {level}")
    if first["axis"] == "preset":
        _thresholds(ax, points)
    title = {"edits": "at equal edits", "replaced": "at equal replacement", "preset": "at published thresholds"}
    ax.set_title(f"Accuracy {title[first['axis']]}, {first['decoding']}, {first['problems']} problems", loc="left")
    if first["axis"] == "replaced":
        ax.set_xscale("log")
    else:
        ax.set_xlim(left=0)
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), handlelength=2.2)
    sns.despine(ax=ax)


def _ends(ax: Axes, data: pd.DataFrame) -> None:
    for member in MEMBERS:
        style: dict[str, Any] = {"color": colour_of(member), "linestyle": line_of(member), "linewidth": 1.0}
        for accuracy in data.loc[data["arm"] == member, "accuracy_value"].dropna():
            ax.axhline(accuracy, zorder=0.5, label=name_of(member), **style)


def _oracles(ax: Axes, oracles: pd.DataFrame, column: str) -> None:
    """The donor's own text, by identity: a star where it stands."""
    style: dict[str, Any] = {"marker": "*", "markersize": 9, "linestyle": "none", "color": "black", "zorder": 4}
    for host, oracle in oracles.groupby("host", sort=False):
        donor = name_of(MEMBERS[1 - MEMBERS.index(str(host))])
        inside = "black" if host == "base" else "white"
        ax.plot(oracle[f"{column}_value"], oracle["accuracy_value"], mfc=inside, label=f"oracle ≡ {donor}", **style)


def _thresholds(ax: Axes, points: pd.DataFrame) -> None:
    """Each point's threshold beside it."""
    for _, point in points.iterrows():
        place = (point["edited_value"], point["accuracy_value"])
        ax.annotate(f"{point['threshold']:g}", place, (3, 3), textcoords="offset points", fontsize=6)


def _signal(ax: Axes, signal: str, host: str, points: pd.DataFrame, column: str) -> None:
    """A signal's points in the order of their doses."""
    points = points.sort_values(f"{column}_value")
    name = NAMES.get(signal, signal_name(signal, host)) + ("" if host == "base" else " backward")
    ax.errorbar(
        points[f"{column}_value"],
        points["accuracy_value"],
        xerr=_reach(points, column),
        yerr=_reach(points, "accuracy"),
        label=name,
        color=COLOURS[signal],
        marker=MARKERS[signal],
        linestyle="-" if host == "base" else ":",
        linewidth=1.6 if signal == "delta" else 1.1,
        elinewidth=0.5,
        markersize=4.5,
        markeredgecolor="white",
        markeredgewidth=0.4,
    )


def _reach(points: pd.DataFrame, name: str) -> np.ndarray:
    """How far an interval reaches down and up from its number; 0 where there is none."""
    ends = points[[f"{name}_low", f"{name}_high"]].sub(points[f"{name}_value"], axis=0)
    return np.abs(ends.fillna(0).to_numpy()).T


_DRAWING = Drawing(equal_dose_data, draw_equal_doses, panels=1, size=lambda _: (6.5, 3.8))
# name of the figure: summary -> its table, its drawing, its size; of equal edits, equal replacement, and a preset
FIGURES: dict[str, Drawing] = {"equal-edits": _DRAWING}
REPLACED_FIGURES: dict[str, Drawing] = {"equal-replaced": _DRAWING}
PRESET_FIGURES: dict[str, Drawing] = {"preset": _DRAWING}
