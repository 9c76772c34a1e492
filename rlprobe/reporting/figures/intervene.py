"""The figures of `rlprobe intervene`: each is a function of the summary to a table, and of that table to ink.

Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rlprobe.arm_labels import ArmKey
from rlprobe.records import MEMBERS
from rlprobe.reporting.drawing import (
    Drawing,
    colour_of,
    grid,
    in_percent,
    in_points,
    left_to_right,
    line_of,
    off_grid,
    reach,
)
from rlprobe.reporting.names import name_of

# The rows of the main figure between base and RL, in words; every other mode is in the figure "dose".
ROWS = {
    "oracle": "{donor}'s token at all disagreements",
    "oracle-reranked": "the same, within {host}'s top k",
    "entropy": "{donor}'s token where {host} is unsure",
    "inverse": "{donor}'s token where {host} is sure",
    "random": "a random likely token at disagreements",
    "random-published": "the same, {donor}'s token allowed",
    "random-top5": "the same from {host}'s top 5",
    "random-replayed": "random tokens where the oracle edits",
    "random-positions": "as many random tokens at random places",
    "resample": "{host}'s own draw at disagreements",
    "matched": "{host}'s token of a rank that {donor}'s has",
    "composed": "",
}
PUBLISHED = {"entropy": 1.2, "inverse": 1.2}  # the dose of a swept mode that the main figure shows
# what stands where the gate fires: its colour, and its words in the key
WRITES = {
    "donor": ("#009E73", "writes the donor's token"),
    "mix": ("#E69F00", "writes a mixture's token"),
    "other": ("#7F7F7F", "writes another token (control)"),
}
WIDEST_LINEAR = 30  # the largest edited share over the smallest above 0 that a linear axis still shows
TICKS = (10.0 ** np.arange(-6, 1)).tolist()  # shares
COLUMNS = 4  # of the small panels of "dose"
# what the sweep of a mode is over, in the panel's title
SWEEPS = {
    "entropy": "entropy above τ",
    "inverse": "entropy below τ",
    "kl": "KL at least τ",
    "js": "JS at least τ",
    "delta": "Δ log p below τ",
    "delta-published": "Δ log p below τ, published",
    "margin": "margin below τ",
    "support": "RL's best in the top k",
    "first": "first m edits",
    "dose": "a share q of the edits",
    "mix": "mixture, weight of RL",
    "handoff": "RL writes the first m tokens",
    "handoff-first": "RL writes the first disagreement",
    "only": "edits of one kind alone",
    "without": "all edits but one kind",
}


# -- interventions: the published arms and their controls, one row each


def interventions_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row an arm of the main figure, base first and RL last.

    Its accuracy with low and high, the same of its paired differences minus_base and minus_rl, and the shares of its
    tokens that were gated and edited, and of its edits that are the donor's token.
    """
    points = _points(summary)
    return points[_is_main(points)].sort_values("mode", key=_places, kind="stable", ignore_index=True)


def _is_main(points: pd.DataFrame) -> pd.Series:
    """Ends, listed modes, and of one that was swept over its published dose only that."""
    at_published = points["dose"] == points["mode"].map(PUBLISHED)
    has_published = at_published.groupby([points["mode"], points["host"]]).transform("any")
    return points["mode"].isin([*MEMBERS, *ROWS]) & (at_published | ~has_published)


def _places(modes: pd.Series) -> pd.Series:
    return modes.map({mode: place for place, mode in enumerate(("base", *ROWS, "rl"))})


def _points(summary: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([_point(title, arm, summary["reading"]) for title, arm in summary["arms"].items()])


def _point(title: str, arm: dict, reading: dict) -> dict[str, Any]:
    """What the figures show of one arm."""
    answers = arm["answers"][reading["answer"]]
    accuracy = answers["accuracy"]
    floats = {name: accuracy[key] for name, key in (("accuracy", "value"), ("low", "low"), ("high", "high"))}
    floats |= {name: (arm.get(name) or {}).get("value") for name in TOOK} | {"dose": arm["dose"]}
    for end, test in answers["against"].items():
        ends = test["difference"] if test else {}
        floats |= {f"minus_{end}{suffix}": ends.get(key) for suffix, key in zip(SUFFIXES, ENDS, strict=True)}
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


TOOK = {"gated": "gate\nfires", "edited": "tokens\nedited", "donors_token": "of these,\ndonor's"}
ENDS, SUFFIXES = ("value", "low", "high"), ("", "_low", "_high")


def _writes(spec: str) -> str:
    """What kind of token an arm's writer puts in, by the writer's name in gate × writer × host."""
    writer = ArmKey.read(spec).writer
    return next((kind for kind in ("donor", "mix") if writer.startswith(kind)), "other")


def interventions_size(data: pd.DataFrame) -> tuple[float, float]:
    """As high as its rows need."""
    return 7.8, 1.1 + 0.33 * len(data)


def draw_interventions(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Accuracies to the left; to the right each arm minus either end on the same problems, and what it took."""
    rows, accuracy = np.arange(len(data)), axes[0]
    _end_lines(accuracy.axvline, data)
    for row, arm in zip(rows.tolist(), data.itertuples(), strict=True):
        _dot(accuracy, data[row : row + 1], "accuracy", row, _colour(arm))
    accuracy.set_yticks(rows, [_row_name(arm) for arm in data.itertuples()])
    accuracy.set(title="Accuracy", xlabel=f"right by the {data['answer'].iloc[0]} answer")
    in_percent(accuracy.xaxis)
    _differences(axes[1], data)
    _columns(axes[1], data)
    for ax in axes:
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", color="0.92", linewidth=0.6)
        ax.set_axisbelow(True)
        ax.set_ylim(len(data) - 0.5, -0.5)
        ax.locator_params(axis="x", nbins=6)
        sns.despine(ax=ax, left=True)
    axes[0].figure.suptitle(_direction(data), fontsize=9)
    axes[0].figure.legend(handles=_keys(data), loc="outside lower center", ncols=5, columnspacing=1.2)


def _direction(data: pd.DataFrame) -> str:
    """Who decodes, and whose tokens are put in."""
    hosts = set(data.loc[~data["arm"].isin(MEMBERS), "host"])
    words = {"base": "The base decodes; RL's tokens, or controls, are put in"}
    words |= {"rl": "RL decodes; the base's tokens, or controls, are put in"}
    return words[hosts.pop()] if len(hosts) == 1 else "One model decodes; the other's tokens, or controls, are put in"


def _row_name(arm: Any) -> str:
    """The arm and its words; one whose every response is an end's own says so: it had to come out there."""
    if arm.arm in MEMBERS:
        return f"{name_of(arm.arm)} alone"
    donor = MEMBERS[1 - MEMBERS.index(arm.host)]
    words = ROWS[arm.mode].format(host=name_of(arm.host), donor=name_of(donor))
    equal = f" ≡ {name_of(arm.identity)}" if isinstance(arm.identity, str) else ""
    return f"{name_of(arm.arm)}{equal}\n{words}".strip()


def _colour(arm: Any) -> str:
    return colour_of(arm.arm) if arm.arm in MEMBERS else WRITES[arm.writes][0]


def _dot(ax: Axes, arms: pd.DataFrame, name: str, rows: Any, colour: str, marker: str = "o") -> None:
    """A number with its interval, in the row of each arm."""
    ends = (name, *(f"{name}_{end}" for end in ENDS[1:])) if name != "accuracy" else ("accuracy", "low", "high")
    style: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 4.5, "elinewidth": 1, "clip_on": False}
    ax.errorbar(arms[name], rows, xerr=reach(arms, *ends), **style)


def _differences(ax: Axes, data: pd.DataFrame) -> None:
    """Each arm minus base and minus RL, over the same problems."""
    rows = np.arange(len(data))
    ax.axvline(0, color="0.4", linewidth=0.7)
    for end, aside, marker in (("base", -0.17, "o"), ("rl", 0.17, "D")):
        ends = [f"minus_{end}_low", f"minus_{end}_high"]
        drawn = data.assign(**data[ends].mask(data["identity"] == end))  # an identity has no interval
        _dot(ax, drawn, f"minus_{end}", rows + aside, colour_of(end), marker)
    ax.set_yticks(rows, [""] * len(rows))
    ax.set(title="Minus either model", xlabel="paired difference, percentage points")
    in_points(ax.xaxis)


def _end_lines(line: Any, data: pd.DataFrame) -> None:
    """Where base and RL stand; `line` is an axes' axvline or axhline."""
    for end in MEMBERS:
        accuracy = data.loc[data["arm"] == end, "accuracy"].max()
        if np.isfinite(accuracy):
            line(accuracy, color=colour_of(end), linestyle=line_of(end), linewidth=1.0, label=name_of(end), zorder=0.5)


def _columns(ax: Axes, data: pd.DataFrame) -> None:
    """Beside each row what it took: tokens edited, tokens gated, and the edits that are the donor's token."""
    style: dict[str, Any] = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "ha": "right"}
    for column, (name, words) in enumerate(TOOK.items(), start=1):
        right = 40 * column
        shares = data[name].dropna()
        if len(shares):
            ax.annotate(words, (1, -0.5), (right, 2), va="bottom", fontsize=7, **style)
        for row, share in zip(np.flatnonzero(data[name].notna()).tolist(), shares, strict=True):
            ax.annotate(f"{100 * share:.2f} %", (1, row), (right, 0), va="center_baseline", fontsize=7, **style)


def _keys(data: pd.DataFrame) -> list[Line2D]:
    """What the colours are: of the writers on the left, of the ends that are taken off on the right."""
    dot: dict[str, Any] = {"linestyle": "none", "markersize": 4.5}
    kinds = [kind for kind in WRITES if (data.loc[~data["arm"].isin(MEMBERS), "writes"] == kind).any()]
    keys = [Line2D([], [], marker="o", color=WRITES[kind][0], label=WRITES[kind][1], **dot) for kind in kinds]
    for end, marker in (("base", "o"), ("rl", "D")):
        keys.append(Line2D([], [], marker=marker, color=colour_of(end), label=f"minus {name_of(end)}", **dot))
    return keys


# -- dose: accuracy against tokens edited, a panel a family


def dose_data(summary: dict[str, Any]) -> pd.DataFrame:
    """One row an arm: the ends, every sweep, and what the main figure leaves out, by family and dose.

    An arm without a number to sweep is a family of its own, but for those of SWEEPS (as the kinds of tokens).
    """
    points = _points(summary)
    family = points["mode"].where(points["host"] == "base", points["mode"] + " backward")
    family = family.where(points["dose"].notna() | points["mode"].isin(SWEEPS), points["arm"])
    points = points.assign(family=family, order=pd.factorize(family)[0])
    swept = points.groupby("family")["family"].transform("size") > 1
    shown = points[swept | ~_is_main(points) | points["arm"].isin(MEMBERS)]
    return shown.sort_values(["order", "dose"], kind="stable", ignore_index=True).drop(columns="order")


def draw_dose(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """A panel a family, its arms in the order of what they edited, those of the others behind it; all to one scale."""
    points = data[~data["arm"].isin(MEMBERS)].dropna(subset=["edited", "accuracy"])
    families = list(points.groupby("family", sort=False))
    if not families:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no arm here is part of a sweep", ha="center", va="center", fontsize=8)
        return
    for ax in axes:
        _edited_axis(ax, points["edited"])
        ax.set_ylim(*_room(data, points))
        in_percent(ax.yaxis)
        _end_lines(ax.axhline, data)
        sns.despine(ax=ax)
    for ax, (name, family) in zip(axes, families, strict=False):
        others = points[points["family"] != name]
        ax.plot(others["edited"], others["accuracy"], "o", color="0.85", markersize=3, zorder=0.6)
        _family(ax, str(name), family.sort_values("edited", kind="stable"))
    off_grid(axes, len(families), COLUMNS)
    axes[0].figure.supylabel(f"accuracy by the {data['answer'].iloc[0]} answer", fontsize=8)
    axes[0].figure.supxlabel(
        "tokens really edited, share of the arm's own text"
        + ("; in grey the arms of the other panels" if len(families) > 1 else ""),
        fontsize=8,
    )
    axes[0].figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)


def _room(data: pd.DataFrame, points: pd.DataFrame) -> tuple[float, float]:
    """From below to above everything in a panel."""
    seen = pd.concat([points[["low", "high", "accuracy"]], data.loc[data["arm"].isin(MEMBERS), ["accuracy"]]])
    numbers = seen.to_numpy(dtype=float)
    if np.isnan(numbers).all():
        return -0.02, 1.02
    return max(-0.02, float(np.nanmin(numbers)) - 0.04), min(1.02, float(np.nanmax(numbers)) + 0.04)


def _family(ax: Axes, name: str, points: pd.DataFrame) -> None:
    """The points of one family, each with its interval; over them its name and their parameters.

    Those of a sweep are joined; kinds of tokens have no order.
    """
    style: dict[str, Any] = {"color": WRITES[points["writes"].iloc[0]][0], "linewidth": 1.0, "elinewidth": 0.8}
    style |= {"marker": "o", "markersize": 4, "clip_on": False}
    style |= {"linestyle": "-" if points["dose"].notna().all() else "none"}
    ax.errorbar(points["edited"], points["accuracy"], yerr=reach(points, "accuracy", "low", "high"), **style)
    mode, _, host = name.partition(" ")
    words = [str(arm).removeprefix(mode).removesuffix(host).strip() for arm in points["arm"]]
    order = f"\n{left_to_right(words)}" if any(words) else ""
    ax.set_title(f"{SWEEPS.get(mode, mode)} {host}".strip() + order, fontsize=7.5)


def _edited_axis(ax: Axes, edited: pd.Series) -> None:
    """Linear from 0, or where the shares span too much, logarithmic above the smallest of them and linear below it."""
    some = edited[edited > 0]
    in_percent(ax.xaxis)
    if some.empty:
        ax.set_xlim(0, 1)
    elif some.max() <= WIDEST_LINEAR * some.min():
        ax.set_xlim(0, 1.06 * some.max())
        ax.locator_params(axis="x", nbins=4)
    else:
        ax.set_xscale("symlog", linthresh=some.min(), linscale=0.3)
        ax.set_xlim(0, 1.3 * some.max())
        ax.set_xticks([0, *(tick for tick in TICKS if 2 * some.min() <= tick <= 1.3 * some.max())], minor=False)
        ax.set_xticks([], minor=True)
        in_percent(ax.xaxis)


def _dose_panels(data: pd.DataFrame) -> tuple[int, int]:
    return grid(max(1, data.loc[~data["arm"].isin(MEMBERS), "family"].nunique()), COLUMNS)


def _dose_size(data: pd.DataFrame) -> tuple[float, float]:
    rows, columns = _dose_panels(data)
    return max(4.5, 0.6 + 1.7 * columns), 0.8 + 1.55 * rows


# name of the figure: summary -> its table, its drawing, its grid, its size
FIGURES: dict[str, Drawing] = {
    "interventions": Drawing(interventions_data, draw_interventions, panels=2, size=interventions_size),
    "dose": Drawing(dose_data, draw_dose, panels=_dose_panels, size=_dose_size),
}
