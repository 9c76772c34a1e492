"""The figures of `rlprobe intervene`: each is a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of
from rlprobe.reporting.intervene.tables import name_of

# The order of the bars between base and RL; other modes follow as they were given.
ORDER: tuple[str, ...] = ("oracle", "oracle-reranked", "entropy", "inverse")
ORDER += ("random", "random-top5", "random-replayed", "random-positions", "resample", "matched")
# what stands where the gate fires: its colour, and its words in the key
WRITES = {
    "donor": ("#009E73", "writes the donor's token"),
    "mix": ("#E69F00", "writes a mixture's token"),
    "other": ("#9A9A9A", "writes another token (control)"),
}
SWEPT = ("#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555", "#8B6914")  # of families with several points
SWEPT_LINES = ("-", ":")  # the second where there are more families than colours
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8", "*")
WIDEST_LINEAR = 30  # the largest edited share over the smallest above 0 that a linear axis still shows
TICKS = np.outer(10.0 ** np.arange(-6, 1), [1, 3]).ravel()  # shares


# -- interventions: one bar an arm


def interventions_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row an arm: its accuracy with low and high, and the shares of its tokens that were gated and edited."""
    in_order = sorted(summary["arms"].items(), key=lambda entry: _place(entry[1]["mode"]))
    return pd.DataFrame([_point(title, arm, summary["reading"]) for title, arm in in_order])


def _point(title: str, arm: dict, reading: dict) -> dict[str, Any]:
    """What the figures show of one arm."""
    accuracy = arm["answers"][reading["answer"]]["accuracy"]
    floats = {name: accuracy[key] for name, key in (("accuracy", "value"), ("low", "low"), ("high", "high"))}
    floats |= {name: arm[name]["value"] for name in ("gated", "edited")} | {"dose": arm["dose"]}
    return {
        "arm": title,
        "mode": arm["mode"],
        "host": arm["host"],
        "writes": _writes(arm["spec"]),
        "identity": arm["identity"],
        **{name: np.nan if value is None else float(value) for name, value in floats.items()},
        "n": accuracy["n_problems"],
        "answer": reading["answer"],
        "confidence": reading["confidence"],
    }


def _writes(spec: str) -> str:
    """What kind of token an arm's writer puts in, by the writer's name in gate × writer × host."""
    writer = [*spec.split(" x "), ""][1]
    return next((kind for kind in ("donor", "mix") if writer.startswith(kind)), "other")


def _place(mode: str) -> int:
    return {"base": -1, "rl": len(ORDER) + 1}.get(mode, ORDER.index(mode) if mode in ORDER else len(ORDER))


def interventions_size(data: pd.DataFrame) -> tuple[float, float]:
    """As high as its bars need."""
    return 6.5, 1.2 + 0.19 * len(data)


def draw_interventions(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Bars from the base at the top to RL at the foot, the two ends as lines through all of them."""
    ax, rows = axes[0], np.arange(len(data))
    colours = [_bar_colour(arm) for arm in data.itertuples()]
    ax.barh(rows, data["accuracy"].fillna(0), color=colours, height=0.72, linewidth=0)
    _whiskers(ax, data, rows)
    _end_lines(ax.axvline, data)
    ax.set_yticks(rows, [_bar_name(arm) for arm in data.itertuples()])
    ax.tick_params(axis="y", length=0)
    ax.set(ylim=(len(data) - 0.4, -0.6), xlim=(0, 1), title="Accuracy by intervention", xlabel=_accuracy_label(data))
    in_percent(ax.xaxis)
    _columns(ax, data)
    kinds = [kind for kind in WRITES if (data.loc[~data["arm"].isin(MEMBERS), "writes"] == kind).any()]
    _key(ax, [Patch(color=WRITES[kind][0], label=WRITES[kind][1]) for kind in kinds])
    sns.despine(ax=ax, left=True)


def _bar_name(arm: Any) -> str:
    """An arm whose every response is an end's own says so: it had to come out there."""
    is_identity = arm.arm not in MEMBERS and isinstance(arm.identity, str)
    return name_of(arm.arm) + (f" ≡ {name_of(arm.identity)}" if is_identity else "")


def _bar_colour(arm: Any) -> str:
    return colour_of(arm.arm) if arm.arm in MEMBERS else WRITES[arm.writes][0]


def _whiskers(ax: Axes, data: pd.DataFrame, rows: np.ndarray) -> None:
    """The interval of each bar that has one."""
    has = data["low"].notna().to_numpy()
    ends = np.abs(data[["low", "high"]].sub(data["accuracy"], axis=0).to_numpy()[has]).T
    ax.errorbar(data["accuracy"][has], rows[has], xerr=ends, fmt="none", ecolor="0.15", elinewidth=0.9, capsize=1.8)


def _end_lines(line: Any, data: pd.DataFrame) -> None:
    """Where base and RL stand; `line` is an axes' axvline or axhline."""
    for end in MEMBERS:
        accuracy = data.loc[data["arm"] == end, "accuracy"].max()
        if np.isfinite(accuracy):
            line(accuracy, color=colour_of(end), linestyle=line_of(end), linewidth=1.0, label=name_of(end), zorder=0.5)


def _columns(ax: Axes, data: pd.DataFrame) -> None:
    """Beside each bar what it took: tokens edited and tokens gated, as columns of numbers."""
    style: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
    for right, name in ((46, "edited"), (90, "gated")):
        shares = data[name].dropna()
        if len(shares):
            ax.annotate(name, (1, -0.75), (right, 0), va="bottom", fontsize=7, **style)
        for row, share in zip(np.flatnonzero(data[name].notna()).tolist(), shares, strict=True):
            ax.annotate(f"{100 * share:.2f} %", (1, row), (right, 0), va="center_baseline", fontsize=7, **style)


def _key(ax: Axes, handles: list[Any]) -> None:
    """Under the panel, where no bar can run through it; nothing where there is nothing to tell apart."""
    if handles:
        ax.figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2)


def _accuracy_label(data: pd.DataFrame) -> str:
    first = data.iloc[0]
    return f"accuracy by the {first['answer']} answer, with {100 * first['confidence']:g} % interval"


# -- dose: accuracy against tokens edited


def dose_data(summary: dict[str, Any]) -> pd.DataFrame:
    """The points of the figure "interventions", by family and within it in the order of its parameter.

    An arm without a number to sweep is a family of its own.
    """
    data = interventions_data(summary)
    family = data["mode"].where(data["host"] == "base", data["mode"] + " backward")
    family = family.where(data["dose"].notna(), data["arm"])
    data = data.assign(family=family, order=pd.factorize(family)[0])
    return data.sort_values(["order", "dose"], kind="stable").drop(columns="order").reset_index(drop=True)


def draw_dose(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Left, one line a family through its doses, at the scale of these; right, arms of one dose, at full scale."""
    points = data[~data["arm"].isin(MEMBERS)].dropna(subset=["edited", "accuracy"])
    is_swept = points.groupby("family")["family"].transform("size") > 1
    styles = zip(cycle((colour, line) for line in SWEPT_LINES for colour in SWEPT), cycle(MARKERS), strict=False)
    _dose_panel(axes[0], data, points[is_swept], styles)
    _dose_panel(axes[1], data, points[~is_swept], zip(cycle([("#000000", "none")]), cycle(MARKERS), strict=False))
    axes[0].set(title="Doses", ylabel=_accuracy_label(data), ylim=_room(data, points[is_swept]))
    axes[1].set(title="Arms of one dose", ylim=(-0.02, 1.02))


def _dose_panel(ax: Axes, data: pd.DataFrame, points: pd.DataFrame, styles: Iterator[Any]) -> None:
    """Accuracy against tokens edited, one style a family; the two ends are lines."""
    _end_lines(ax.axhline, data)
    for _, family in points.groupby("family", sort=False):
        (colour, line), marker = next(styles)
        _family(ax, family, marker, colour, line)
    _edited_axis(ax, points["edited"])
    in_percent(ax.yaxis)
    handles, _ = ax.get_legend_handles_labels()
    if handles:
        ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, handlelength=1.8)
    sns.despine(ax=ax)


def _room(data: pd.DataFrame, points: pd.DataFrame) -> tuple[float, float]:
    """From below to above everything in a panel."""
    seen = pd.concat([points[["low", "high", "accuracy"]], data.loc[data["arm"].isin(MEMBERS), ["accuracy"]]])
    numbers = seen.to_numpy(dtype=float)
    if np.isnan(numbers).all():
        return -0.02, 1.02
    return max(-0.02, float(np.nanmin(numbers)) - 0.04), min(1.02, float(np.nanmax(numbers)) + 0.04)


def _family(ax: Axes, points: pd.DataFrame, marker: str, colour: str, line: str) -> None:
    """The points of one family, joined, each with its interval."""
    ends = np.abs(points[["low", "high"]].sub(points["accuracy"], axis=0).fillna(0).to_numpy()).T
    style: dict[str, Any] = {"color": colour, "linestyle": line, "linewidth": 1.0, "elinewidth": 0.6}
    style |= {"marker": marker, "markersize": 4.5, "markeredgecolor": "white", "markeredgewidth": 0.4, "clip_on": False}
    label = points["family"].iloc[0]
    ax.errorbar(points["edited"], points["accuracy"], yerr=ends, label=label, **style)


def _edited_axis(ax: Axes, edited: pd.Series) -> None:
    """Linear from 0, or where the shares span too much, logarithmic above the smallest of them and linear below it."""
    some = edited[edited > 0]
    ax.set_xlabel("tokens edited (share of the arm's own text)")
    in_percent(ax.xaxis)
    if some.empty:
        ax.set_xlim(0, 1)
    elif some.max() <= WIDEST_LINEAR * some.min():
        ax.set_xlim(0, 1.06 * some.max())
    else:
        ax.set_xscale("symlog", linthresh=some.min(), linscale=0.3)
        ax.set_xlim(0, 1.3 * some.max())
        ax.set_xticks([0, *(tick for tick in TICKS if some.min() <= tick <= 1.3 * some.max())], minor=False)
        ax.set_xticks([], minor=True)
        in_percent(ax.xaxis)


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "interventions": Drawing(interventions_data, draw_interventions, panels=1, size=interventions_size),
    "dose": Drawing(dose_data, draw_dose, panels=2, size=lambda _: (7.4, 4.2)),
}
