"""The figures of `rlprobe weights`: the weight table and the summary to a table, and that to ink.

Knows no models and no disk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rlprobe.analysis.weights import noise_rank_share
from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, level_of, line_of, on_ratios, problems_of, reach

ATTENTION, MLP, ENDS, SMALL = "#0072B2", "#CC79A7", "#000000", "#8C8C8C"
# kind of tensor -> colour and marker: the colour says which part of the network it belongs to
KINDS: dict[str, tuple[str, str]] = {
    "q": (ATTENTION, "o"),
    "k": (ATTENTION, "s"),
    "v": (ATTENTION, "^"),
    "qkv": (ATTENTION, "P"),
    "o": (ATTENTION, "D"),
    "gate": (MLP, "o"),
    "up": (MLP, "s"),
    "gate_up": (MLP, "P"),
    "down": (MLP, "^"),
    "embed": (ENDS, "*"),
    "head": (ENDS, "P"),
    "norm": (SMALL, "x"),
    "bias": (SMALL, "+"),
}
# colour -> its part of the network, in words
PARTS = {ATTENTION: "attention", MLP: "MLP"}
POINTS = 100  # of an energy curve
LEVELS = np.arange(POINTS + 1) / POINTS
NOISE, NOISE_LEVELS = "white noise", np.linspace(0, 1, 21)


# -- weights: what is unchanged, how far the rest moved, and in how many directions


def weights_data(table: pd.DataFrame, _summary: dict[str, Any]) -> pd.DataFrame:
    """All panels as one tidy table, told apart by `panel`.

    "unchanged" and "norm": the share of weights equal in bfloat16, and ‖ΔW‖/‖W‖, y, of one kind in layer x (tensors of
    a kind together; -1 the embedding, one beyond the last layer what follows it). "energy": the share y of the energy
    of ΔW in the share x of its strongest directions, the median over the matrices of a kind.
    """
    by_place = pd.concat([_by_layer(table), _energy(table)], ignore_index=True)
    return by_place[["panel", "kind", "x", "y", "n"]]


def _by_layer(table: pd.DataFrame) -> pd.DataFrame:
    last = 0 if table["layer"].isna().all() else int(table["layer"].max())
    outside = np.where(table["kind"] == "embed", -1, last + 1)
    layers = table.assign(x=table["layer"].astype(float).fillna(pd.Series(outside, index=table.index)))
    sums = ["numbers", "unchanged", "base_squares", "change_squares"]
    groups = layers.groupby(["kind", "x"], sort=False)[sums].sum().reset_index()
    shared = groups[["kind", "x"]].assign(n=groups["numbers"])
    norm = np.sqrt(groups["change_squares"] / groups["base_squares"].where(groups["base_squares"] > 0))
    return pd.concat(
        [
            shared.assign(panel="unchanged", y=groups["unchanged"] / groups["numbers"]),
            shared.assign(panel="norm", y=norm),
        ]
    )


def _energy(table: pd.DataFrame) -> pd.DataFrame:
    """Curves of the kinds that have singular values; a matrix that did not change has none."""
    parts = []
    for kind, rows in table.groupby("kind", sort=False):
        spectra = [np.asarray(values) for values in rows["singular_values"].dropna() if np.any(values)]
        if spectra:
            curve = np.median([_cumulative(values) for values in spectra], axis=0)
            parts.append(pd.DataFrame({"panel": "energy", "kind": kind, "x": LEVELS, "y": curve, "n": len(spectra)}))
    parts.append(_noise(table))
    return pd.concat(parts)


def _noise(table: pd.DataFrame) -> pd.DataFrame:
    """The same curve for white noise, the median over the shapes of the matrices."""
    shapes = [tuple(map(int, shape)) for shape in table.loc[table["singular_values"].notna(), "shape"]]
    curves = {shape: [noise_rank_share(shape, level) for level in NOISE_LEVELS] for shape in set(shapes)}
    x = np.median([curves[shape] for shape in shapes], axis=0)
    return pd.DataFrame({"panel": "energy", "kind": NOISE, "x": x, "y": NOISE_LEVELS, "n": len(shapes)})


def _cumulative(values: np.ndarray) -> np.ndarray:
    """The share of energy held, at LEVELS of the full rank."""
    held = np.concatenate([[0.0], np.cumsum((values / values[0]) ** 2)])
    return np.interp(LEVELS * len(values), np.arange(len(held)), held / held[-1])


def draw_weights(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Unchanged shares and norms along the network, energy by directions, with one key for all."""
    _along_the_network(data[data["panel"] == "unchanged"], axes[0])
    axes[0].set(ylim=(0, 1.02), title="Weights that RL left as they were", ylabel="equal in bfloat16")
    in_percent(axes[0].yaxis)
    _along_the_network(data[data["panel"] == "norm"], axes[1])
    axes[1].set(title="How large the change is", ylabel="‖ΔW‖ / ‖W‖")
    axes[1].set_ylim(bottom=0)
    _energy_curves(data[data["panel"] == "energy"], axes[2])
    kinds = [kind for kind in KINDS if kind in set(data["kind"])]
    named = {kind: f"{kind} ({PARTS[KINDS[kind][0]]})" if KINDS[kind][0] in PARTS else kind for kind in kinds}
    handles = [Line2D([], [], color=KINDS[k][0], marker=KINDS[k][1], markersize=4, lw=1, label=named[k]) for k in kinds]
    axes[0].figure.legend(handles=handles, loc="outside lower center", ncols=-(-len(kinds) // 2), columnspacing=1.2)


def _along_the_network(data: pd.DataFrame, ax: Axes) -> None:
    for kind, points in data.groupby("kind", sort=False):
        colour, marker = KINDS[str(kind)]
        inside = points.sort_values("x")
        ax.plot(inside["x"], inside["y"], color=colour, marker=marker, markersize=4, linewidth=1, clip_on=False)
    last = int(data["x"].max())
    some = sorted({round(layer) for layer in np.linspace(0, last - 1, min(last, 8))})
    outside = [("embed-\nding", -1), ("last\nnorm", last)]
    ticks = [(name, x) for name, x in outside if x in set(data["x"])] + [(str(layer), layer) for layer in some]
    ax.set_xticks([x for _, x in ticks], [name for name, _ in ticks])
    ax.set(xlim=(-1.3, last + 0.3), xlabel="layer")
    sns.despine(ax=ax)


def _energy_curves(data: pd.DataFrame, ax: Axes) -> None:
    noise = data[data["kind"] == NOISE]
    ax.plot(noise["x"], noise["y"], color="0.5", linestyle="--", linewidth=1)
    middle = (float(noise["x"].iloc[len(noise) // 2]), float(noise["y"].iloc[len(noise) // 2]))
    ax.annotate(NOISE, middle, (5, -5), textcoords="offset points", va="top", fontsize="small")
    for kind, curve in data[data["kind"] != NOISE].groupby("kind", sort=False):
        colour, marker = KINDS[str(kind)]
        ax.plot(curve["x"], curve["y"], color=colour, marker=marker, markevery=(10, 20), markersize=4, linewidth=1)
    ax.axhline(0.9, color="0.2", linewidth=0.7, linestyle=":")
    ax.set(xlim=(0, 1), ylim=(0, 1.02), title="How few directions it has")
    ax.set(xlabel="strongest directions (of full rank)", ylabel="share of ‖ΔW‖² in them")
    in_percent(ax.xaxis)
    in_percent(ax.yaxis)
    sns.despine(ax=ax)


# -- low_rank: what a part of the change answers and says


def low_rank_data(_table: pd.DataFrame, summary: dict[str, Any]) -> pd.DataFrame:
    """Both panels as one tidy table: "accuracy", and the "choices" along the text of `text`; rank None is full."""
    told = summary["low_rank"]
    answer, rows = told["reading"]["answer"], []
    for title, arm in told["arms"].items():
        part = told["parts"].get(title)
        place = {"arm": title, "rank": part["rank"] if part else None, "energy": part["energy"] if part else None}
        rows.append({"panel": "accuracy", **place, **_ends(arm["answers"][answer]["accuracy"])})
        for text, found in (part["on"] if part else {}).items():
            rows += [{"panel": name, "text": text, **place, **_ends(found[name])} for name in ("kept", "new")]
    columns = ["panel", "arm", "rank", "energy", "text", "value", "low", "high", "n"]
    kinds = dict.fromkeys(("rank", "energy", "value", "low", "high"), float)
    shared = {"answer": answer, "confidence": told["reading"]["confidence"]}
    return pd.DataFrame(rows).reindex(columns=columns).astype(kinds).assign(**shared)


def _ends(interval: dict[str, Any]) -> dict[str, Any]:
    return {**{name: interval[name] for name in ("value", "low", "high")}, "n": interval["n_problems"]}


def draw_low_rank(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Accuracy by rank between the two ends, RL's edits that are kept on either text; ranks along a true axis."""
    is_part = ~data["arm"].isin(MEMBERS)
    ranks = data["rank"].where(data["rank"].notna() | ~is_part, np.inf)  # what is not cut has full rank
    data = data.assign(full=ranks, x=on_ratios(ranks))
    accuracy = data[data["panel"] == "accuracy"]
    for end in MEMBERS:
        value = accuracy.loc[accuracy["arm"] == end, "value"].max()
        axes[0].axhline(value, color=colour_of(end), linestyle=line_of(end), linewidth=1, label=_name(end))
    _line(accuracy.dropna(subset="x"), axes[0], color="#009E73", label="base + ΔW of rank r")
    axes[0].set(title="What a part of the change answers", ylabel=f"accuracy by the {data['answer'].iloc[0]} answer")
    for text, rows in data[data["panel"] == "kept"].groupby("text", sort=False):
        _line(rows, axes[1], color=colour_of(text), linestyle=line_of(text), label=f"on {_name(text)}'s text")
    axes[1].set(title="What a part of the change says", ylabel="RL's edits that it makes too")
    for ax in axes:
        ticks = data[is_part].drop_duplicates("x").sort_values("x")
        ax.set_xticks(ticks["x"], [f"{rank:g}" if np.isfinite(rank) else "full" for rank in ticks["full"]])
        ax.set(ylim=(0, 1.02), xlabel="rank r that ΔW is cut to, in every matrix")
        in_percent(ax.yaxis)
        ax.legend(loc="lower right")
        sns.despine(ax=ax)


def _line(rows: pd.DataFrame, ax: Axes, **style: Any) -> None:
    """Points with their intervals, joined but for those that stand apart: no change at all, and all of it."""
    shared: dict[str, Any] = {"marker": "o", "markersize": 4, "linewidth": 1.1, "elinewidth": 0.7, "clip_on": False}
    apart = rows["rank"].isna() | (rows["rank"] == 0)
    inside, outside = rows[~apart].sort_values("x"), rows[apart]
    ax.errorbar(inside["x"], inside["value"], yerr=reach(inside), **shared, **style)
    style |= {"linestyle": "none", "label": None}
    ax.errorbar(outside["x"], outside["value"], yerr=reach(outside), **shared, **style)


def _name(end: Any) -> str:
    return "RL" if end == "rl" else "base"


def _counted(summary: Mapping[str, Any]) -> str:
    return f"{len(summary['weights']['tensors']):,} tensors"


def _ranks_counted(summary: Mapping[str, Any]) -> str:
    return f"{problems_of(summary)}  ·  {level_of(summary['low_rank']['reading'])}"


# name of the figure: (weight table, summary) -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "weights": Drawing(weights_data, draw_weights, panels=3, size=lambda _: (8.2, 3.1), counted=_counted),
}
RANK_FIGURES: dict[str, Drawing] = {
    "low_rank": Drawing(low_rank_data, draw_low_rank, panels=2, size=lambda _: (7.0, 2.9), counted=_ranks_counted),
}
