"""The figures of `rlprobe direction`: each is a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rlprobe.reporting.direction.tables import AMONG, DELTA_OF, SIGNALS
from rlprobe.reporting.disagree.tables import text_of
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of

SHOWN = ("delta", "kl_rl_base", "js", "entropy_base", "entropy_rl")  # the signals set against each other
MARKERS = {"apart": "o", "apart_moved": "^", "apart_unchanged": "s"}
GREYS = {"apart": "#000000", "apart_moved": "#009E73", "apart_unchanged": "#9A9A9A"}


# -- direction: how Δ log p is spread


def direction_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row a bin: panel (whose Δ log p), text, its edges in nats, the share of the text's tokens in it."""
    return pd.concat([_histogram(summary, f"delta_{of}").assign(panel=of) for of in DELTA_OF], ignore_index=True)


def _histogram(summary: dict[str, Any], column: str) -> pd.DataFrame:
    parts = []
    for arm, found in summary["texts"].items():
        edges, counts = (np.array(found["histograms"][column][name]) for name in ("edges", "counts"))
        columns = {"text": arm, "left": edges[:-1], "right": edges[1:], "count": counts, "share": counts / counts.sum()}
        parts.append(pd.DataFrame({**columns, "n": counts.sum()}))
    return pd.concat(parts, ignore_index=True)


def draw_direction(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """One panel a token that Δ log p can speak of, one line a text; the height is logarithmic: tails are rare."""
    lowest = 10.0 ** np.floor(np.log10(data.loc[data["count"] > 0, "share"].min()))
    for ax, (of, name) in zip(axes, DELTA_OF.items(), strict=True):
        _steps(ax, data[data["panel"] == of], lowest)
        ax.axvline(0, color="0.7", linewidth=0.6, zorder=0)
        ax.set(yscale="log", ylim=(lowest / 2, 1.5), title=f"Δ log p of {name}", xlabel="Δ log p (nats)")
        ax.set(xlim=_reach(data), ylabel="share of tokens" if ax is axes[0] else "")
        in_percent(ax.yaxis)
        ax.minorticks_off()
    axes[0].figure.legend(handles=_text_keys(data), loc="outside lower center", ncols=3)


def _steps(ax: Axes, data: pd.DataFrame, lowest: float) -> None:
    """The outline of each text's histogram, filled; an empty bin lies below the frame."""
    for arm, bins in data.groupby("text", sort=False):
        edges, heights = np.r_[bins["left"], bins["right"].iloc[-1]], np.maximum(bins["share"], lowest / 10)
        ax.stairs(heights, edges, baseline=lowest / 10, color=colour_of(arm), fill=True, alpha=0.15, linewidth=0)
        ax.stairs(heights, edges, baseline=lowest / 10, color=colour_of(arm), linestyle=line_of(arm), linewidth=1.1)
    sns.despine(ax=ax)


def _reach(data: pd.DataFrame) -> tuple[float, float]:
    """As far as there is anything, the same to both sides."""
    some = data[data["count"] > 0]
    reach = max(1.0, float(np.abs(some[["left", "right"]]).max(axis=None)))
    return -reach, reach


def _text_keys(data: pd.DataFrame) -> list[Any]:
    sizes = data.groupby("text", sort=False)["n"].first()
    return [
        Line2D([], [], color=colour_of(arm), linestyle=line_of(arm), label=f"on {text_of(arm)}, n = {int(n):,}")
        for arm, n in sizes.items()
    ]


# -- signals: against each other


def signals_data(summary: dict[str, Any]) -> pd.DataFrame:
    """Three panels told apart by `panel`: histograms of "entropy_base" and "kl_rl_base" by text, and "auroc"."""
    histograms = [_histogram(summary, name).assign(panel=name) for name in ("entropy_base", "kl_rl_base")]
    points = [
        {"panel": "auroc", "among": among, "signal": name, "n": found["n_tokens"], **_ends(found)}
        for among in MARKERS
        for name, found in summary["separation"][among].items()
        if name in SHOWN
    ]
    return pd.concat([*histograms, pd.DataFrame(points)], ignore_index=True)


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {key: np.nan if interval[key] is None else float(interval[key]) for key in ("value", "low", "high")}


def draw_signals(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Entropy and divergence by text, and what each signal tells of the writer."""
    titles = {"entropy_base": "Entropy of the base", "kl_rl_base": "KL(RL ‖ base)"}
    bins = data[data["panel"].isin(titles)]
    lowest = 10.0 ** np.floor(np.log10(bins.loc[bins["count"] > 0, "share"].min()))
    for ax, (panel, label) in zip(axes, titles.items(), strict=False):
        _steps(ax, bins[bins["panel"] == panel], lowest)
        ax.set(xscale="log", yscale="log", ylim=(lowest, 1), xlabel="nats", title=label)
        in_percent(ax.yaxis)
        ax.minorticks_off()
    axes[0].set_ylabel("share of tokens")
    markers = _aurocs(axes[2], data[data["panel"] == "auroc"])
    axes[0].figure.legend(handles=[*_text_keys(bins), *markers], loc="outside lower center", ncols=5, columnspacing=1.2)


def _aurocs(ax: Axes, points: pd.DataFrame) -> list[Any]:
    """One row a signal, one marker a choice of positions, with its interval; the keys of the markers."""
    keys = []
    rows = {name: row for row, name in enumerate(SHOWN)}
    for offset, (among, marker) in zip((-0.2, 0.0, 0.2), MARKERS.items(), strict=True):
        some = points[points["among"] == among]
        ends = np.abs(some[["low", "high"]].sub(some["value"], axis=0).fillna(0).to_numpy()).T
        style: dict[str, Any] = {"fmt": marker, "color": GREYS[among], "markersize": 4, "elinewidth": 0.8}
        drawn = ax.errorbar(some["value"], some["signal"].map(rows) + offset, xerr=ends, label=AMONG[among], **style)
        keys.append(drawn)
    ax.axvline(0.5, color="0.7", linewidth=0.6, zorder=0)
    ax.set_yticks(list(rows.values()), [SIGNALS[name] for name in rows])
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5), xlabel="AUROC", title="Who wrote this token?")
    sns.despine(ax=ax, left=True)
    return keys


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "direction": Drawing(direction_data, draw_direction, panels=3, size=lambda _: (7.0, 2.7)),
    "signals": Drawing(signals_data, draw_signals, panels=3, size=lambda _: (8.5, 2.8)),
}
