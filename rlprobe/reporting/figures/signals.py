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
from rlprobe.reporting.drawing import Drawing, colour_of, grid, in_percent, left_to_right, line_of, off_grid, reach
from rlprobe.reporting.names import name_of
from rlprobe.signal import SIGNALS

COLUMNS = 3  # of panels
HOSTS = {"base": ", the base decodes", "rl": ", RL decodes"}
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
    """A panel a signal and direction, the points of the others behind it, all to one scale; the oracle as a star.

    The doses wanted are drawn as faint lines from top to bottom, so that what was missed is seen.
    """
    first, families = data.iloc[0], _families(data)
    hosts = {str(host) for (_, host), _ in families}
    column, words = AXES[first["axis"]]
    points = pd.concat([family for _, family in families]) if families else data.iloc[:0]
    for ax, ((signal, host), family) in zip(axes, families, strict=False):
        _ends(ax, data)
        _oracles(ax, data[(data["signal"] == "oracle") & (data["host"] == host)], column)
        others = points[(points["signal"] != signal) | (points["host"] != host)]
        ax.plot(others[f"{column}_value"], others["accuracy_value"], "o", color="0.85", markersize=3, zorder=0.6)
        for target in points["target"].dropna().unique():
            ax.axvline(target, color="0.92", linewidth=0.6, zorder=0)
        _signal(ax, SIGNALS[str(signal)].called(host) + (HOSTS[host] if len(hosts) > 1 else ""), family, column)
    for ax in axes:
        _dose_axis(ax, data, column)
        sns.despine(ax=ax)
    off_grid(axes, max(1, len(families)), COLUMNS)
    titles = {"edits": "at equal edits", "replaced": "at equal replacement", "preset": "at published thresholds"}
    figure = axes[0].figure
    host = HOSTS[hosts.pop()] if len(hosts) == 1 else ""
    figure.suptitle(f"Accuracy {titles[first['axis']]}{host}, {first['decoding']}", fontsize=9)
    others = "\nin grey the points of the other panels" if len(families) > 1 else ""
    faint = "; faint lines: the doses that were asked for" if points["target"].notna().any() else ""
    figure.supxlabel(words + (others + faint if others else faint.replace("; ", "\n")), fontsize=8)
    figure.supylabel(f"accuracy by the {first['answer']} answer", fontsize=8)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")


def _families(data: pd.DataFrame) -> list[Any]:
    """The points of each signal and direction."""
    return list(data[data["signal"].isin(SIGNALS)].groupby(["signal", "host"], sort=False))


def _ends(ax: Axes, data: pd.DataFrame) -> None:
    for member in MEMBERS:
        style: dict[str, Any] = {"color": colour_of(member), "linestyle": line_of(member), "linewidth": 1.0}
        for accuracy in data.loc[data["arm"] == member, "accuracy_value"].dropna():
            ax.axhline(accuracy, zorder=0.5, label=name_of(member), **style)


def _oracles(ax: Axes, oracles: pd.DataFrame, column: str) -> None:
    """The donor's own text, by identity: a star where it stands."""
    style: dict[str, Any] = {"marker": "*", "markersize": 8, "linestyle": "none", "color": "black", "zorder": 4}
    ax.plot(oracles[f"{column}_value"], oracles["accuracy_value"], label="oracle ≡ the donor", **style)


def _signal(ax: Axes, title: str, points: pd.DataFrame, column: str) -> None:
    """A signal's points in the order of their doses, with intervals both ways; a preset's thresholds in the title."""
    points = points.sort_values(f"{column}_value")
    signal, host = points["signal"].iloc[0], points["host"].iloc[0]
    style: dict[str, Any] = {"color": SIGNALS[signal].colour, "marker": SIGNALS[signal].marker, "markersize": 4.5}
    style |= {"linewidth": 1.1, "elinewidth": 0.7, "linestyle": "-" if host == "base" else ":"}
    x, y = ((f"{name}_value", f"{name}_low", f"{name}_high") for name in (column, "accuracy"))
    ax.errorbar(points[x[0]], points[y[0]], xerr=reach(points, *x), yerr=reach(points, *y), **style)
    is_preset = points["axis"].iloc[0] == "preset"
    order = f"\n{left_to_right([f'{threshold:g}' for threshold in points['threshold']])}" if is_preset else ""
    ax.set_title(title + order, fontsize=7.5)


def _dose_axis(ax: Axes, data: pd.DataFrame, column: str) -> None:
    """The same limits in every panel, with room for every number and its interval."""
    accuracies = data[["accuracy_value", "accuracy_low", "accuracy_high"]].to_numpy(dtype=float)
    doses = data[[f"{column}_value", f"{column}_high"]].to_numpy(dtype=float)
    ax.set_ylim(np.nanmin(accuracies) - 0.02, min(1.02, np.nanmax(accuracies) + 0.02))
    if data["axis"].iloc[0] == "replaced":
        some = doses[doses > 0]
        ax.set(xscale="log", xlim=(0.8 * some.min(), 1.25 * some.max()) if some.size else None)
    else:
        ax.set_xlim(0, 1.05 * np.nanmax(doses, initial=0.01))
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)


def _panels(data: pd.DataFrame) -> tuple[int, int]:
    return grid(max(1, len(_families(data))), COLUMNS)


def _size(data: pd.DataFrame) -> tuple[float, float]:
    rows, columns = _panels(data)
    return max(6.0, 1.8 + 2.0 * columns), 1.0 + 1.7 * rows


_DRAWING = Drawing(equal_dose_data, draw_equal_doses, panels=_panels, size=_size)
# name of the figure: summary -> its table, its drawing, its size; of equal edits, equal replacement, and a preset
FIGURES: dict[str, Drawing] = {"equal-edits": _DRAWING}
REPLACED_FIGURES: dict[str, Drawing] = {"equal-replaced": _DRAWING}
PRESET_FIGURES: dict[str, Drawing] = {"preset": _DRAWING}
