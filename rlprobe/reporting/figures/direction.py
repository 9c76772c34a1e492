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

from rlprobe.analysis.authorship import SIGNALS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of, reach, tokens_of
from rlprobe.reporting.names import AMONG, DELTA_OF, text_of

SHOWN = ("delta", "kl_rl_base", "js", "entropy_base", "entropy_rl")  # the signals set against each other
MARKERS = {"apart": "o", "apart_moved": "^", "apart_moved_unchanged": "v", "apart_unchanged": "s"}
# panel of a measure: its title, and its axis
MEASURES = {
    "entropy_base": ("How unsure the base is", "entropy of the base's next token (nats)"),
    "kl_rl_base": ("How far the two differ", "KL(RL ‖ base) (nats)"),
}
FEWEST = 5  # tokens of a bin that is drawn as more than a mark
FEW = Line2D([], [], color="0.3", marker="|", linestyle="none", label=f"bins of fewer than {FEWEST} tokens")
# of which token Δ log p is: its colour and kind of line
CHOICES: dict[str, tuple[str, Any]] = {
    "token": ("#000000", ":"),
    "argmax_base": (colour_of("base"), line_of("base")),
    "argmax_rl": (colour_of("rl"), line_of("rl")),
}
GREYS = {"apart": "#000000", "apart_moved": "#009E73", "apart_moved_unchanged": "#CC79A7", "apart_unchanged": "#9A9A9A"}


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
    """One panel a text, one line a token that Δ log p speaks of; the height is logarithmic: tails are rare.

    In a greedy text the token present is its writer's choice, and has no line of its own.
    """
    many = data["count"] >= FEWEST
    lowest = data.loc[many if many.any() else data["count"] > 0, "share"].min()
    for ax, (arm, text) in zip(axes, data.groupby("text", sort=False), strict=True):
        drawn = {str(of): bins for of, bins in text.groupby("panel", sort=False)}
        choices = [drawn[of]["count"].tolist() for of in DELTA_OF if of != "token"]
        if drawn["token"]["count"].tolist() in choices:
            del drawn["token"]
        for of, bins in drawn.items():
            _steps(ax, bins, lowest, *CHOICES[of])
        ax.axvline(0, color="0.7", linewidth=0.6, zorder=0)
        ax.set(yscale="log", ylim=(lowest / 2, 1.5), title=f"On {text_of(arm)}, {text['n'].iloc[0]:,} tokens")
        ax.set(xlim=_reach(data), xlabel="Δ log p (nats): less likely under RL | likelier", ylabel="share of tokens")
        in_percent(ax.yaxis)
        ax.minorticks_off()
        keys = [(*CHOICES[of], f"Δ log p of {DELTA_OF[of]}") for of in drawn]
        handles = [Line2D([], [], color=colour, linestyle=line, label=words) for colour, line, words in keys]
        ax.legend(handles=[*handles, FEW], loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)


def _steps(ax: Axes, bins: pd.DataFrame, lowest: float, colour: str, line: Any) -> None:
    """The outline of a histogram, filled; bins of fewer than FEWEST tokens are marks at the foot, and no spikes."""
    edges = np.r_[bins["left"], bins["right"].iloc[-1]]
    heights = np.where(bins["count"] >= FEWEST, bins["share"], lowest / 10)
    ax.stairs(heights, edges, baseline=lowest / 10, color=colour, fill=True, alpha=0.12, linewidth=0)
    ax.stairs(heights, edges, baseline=lowest / 10, color=colour, linestyle=line, linewidth=1.1)
    few = bins[bins["count"].between(1, FEWEST - 1)]
    foot: dict[str, Any] = {"transform": ax.get_xaxis_transform(), "markersize": 6, "linestyle": "none"}
    ax.plot((few["left"] + few["right"]) / 2, np.full(len(few), 0.03), marker="|", color=colour, **foot)
    sns.despine(ax=ax)


def _reach(data: pd.DataFrame) -> tuple[float, float]:
    """As far as there is anything, the same to both sides."""
    some = data[data["count"] > 0]
    reach = max(1.0, float(np.abs(some[["left", "right"]]).max(axis=None)))
    return -reach, reach


def _text_keys(data: pd.DataFrame) -> list[Any]:
    arms = data["text"].unique()
    return [Line2D([], [], color=colour_of(arm), linestyle=line_of(arm), label=f"on {text_of(arm)}") for arm in arms]


# -- signals: against each other


def signals_data(summary: dict[str, Any]) -> pd.DataFrame:
    """Three panels told apart by `panel`: histograms of "entropy_base" and "kl_rl_base" by text, and "auroc"."""
    histograms = [_histogram(summary, name).assign(panel=name) for name in ("entropy_base", "kl_rl_base")]
    points = [
        {"panel": "auroc", "among": among, "signal": name, "n": found["n_tokens"], **_ends(found)}
        for among in MARKERS
        if among in summary["separation"]
        for name, found in summary["separation"][among].items()
        if name in SHOWN
    ]
    return pd.concat([*histograms, pd.DataFrame(points)], ignore_index=True)


def _ends(interval: dict[str, Any]) -> dict[str, float]:
    return {key: np.nan if interval[key] is None else float(interval[key]) for key in ("value", "low", "high")}


def draw_signals(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Entropy and divergence by text, and what each signal tells of the writer."""
    bins = data[data["panel"].isin(MEASURES)]
    lowest = bins.loc[bins["count"] >= FEWEST, "share"].min()
    for ax, (panel, (title, words)) in zip(axes, MEASURES.items(), strict=False):
        below = []
        for arm, text in bins[bins["panel"] == panel].groupby("text", sort=False):
            _steps(ax, text.iloc[1:], lowest, colour_of(arm), line_of(arm))  # the first holds all that is below it
            below.append(f"{100 * text['share'].iloc[0]:.0f} % {text_of(arm).removeprefix('the ')}")
        ax.set(xscale="log", yscale="log", ylim=(lowest / 2, 1), xlabel=words, title=title, ylabel="share of tokens")
        ax.annotate("further left: " + ", ".join(below), (0.01, 0.99), xycoords="axes fraction", va="top", fontsize=7)
        in_percent(ax.yaxis)
        ax.minorticks_off()
        ax.legend(handles=[*_text_keys(bins), FEW], loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=1)
    markers = _aurocs(axes[2], data[data["panel"] == "auroc"])
    axes[2].legend(handles=markers, loc="upper center", bbox_to_anchor=(0.35, -0.27), ncols=1)


def _aurocs(ax: Axes, points: pd.DataFrame) -> list[Any]:
    """One row a signal, one marker a choice of positions, with its interval; the keys of the markers."""
    keys = []
    rows = {name: row for row, name in enumerate(SHOWN)}
    for offset, (among, marker) in zip((-0.27, -0.09, 0.09, 0.27), MARKERS.items(), strict=True):
        some = points[points["among"] == among]
        if some.empty:
            continue
        style: dict[str, Any] = {"fmt": marker, "color": GREYS[among], "markersize": 4, "elinewidth": 0.8}
        style |= {"xerr": reach(some), "label": AMONG[among]}
        keys.append(ax.errorbar(some["value"], some["signal"].map(rows) + offset, **style))
    ax.axvline(0.5, color="0.7", linewidth=0.6, zorder=0)
    ax.set_yticks(list(rows.values()), [SIGNALS[name].title for name in rows])
    ax.tick_params(axis="y", length=0)
    ax.set(xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5), title="Whose text is it?")
    ax.set_xlabel("AUROC\n(0.5: chance, 1: higher in RL's text)")
    sns.despine(ax=ax, left=True)
    return keys


def _a_text(data: pd.DataFrame) -> tuple[int, int]:
    return 1, data["text"].nunique()


def _direction_size(data: pd.DataFrame) -> tuple[float, float]:
    return 3.7 * data["text"].nunique(), 3.2


# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "direction": Drawing(
        direction_data, draw_direction, panels=_a_text, size=_direction_size, counted=tokens_of, intervals=False
    ),
    "signals": Drawing(signals_data, draw_signals, panels=3, size=lambda _: (9.0, 3.3), counted=tokens_of),
}
