"""The figures of `rlprobe disagree`: each is a function of the run's texts and summary to a table, and of that to ink.

A text is reduced before it is drawn. Knows no models and no disk.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from rlprobe.analysis.classes import CLASSES
from rlprobe.analysis.disagreement import entropies_by_class
from rlprobe.analysis.statistics import rate
from rlprobe.analysis.streams import at_ranks
from rlprobe.analysis.texts import Text
from rlprobe.reporting.drawing import Drawing, colour_of, in_percent, line_of, tokens_of
from rlprobe.reporting.names import text_of
from rlprobe.settings import Reading

CLASS_COLOURS = {"unchanged": "#7F7F7F", "reranked": "#009E73", "shifted": "#CC79A7"}

SMALLEST_ENTROPY = 1e-4  # nats; what is below it is drawn at it
LARGEST_ENTROPY = 12.5  # nats; a vocabulary of 260 000 tokens has no more
LEVELS = np.linspace(0, 1, 201)  # of the quantiles that a distribution is drawn through
FEWEST = 20  # positions of a class that are drawn as a curve
PARTS = 10  # equal parts of a response


# -- disagreement: entropy by class; where in the response disagreements fall


def disagreement_data(texts: Mapping[str, Text], summary: dict[str, Any]) -> pd.DataFrame:
    """Both panels as one tidy table, told apart by `panel`.

    "entropy": the quantiles x (nats) of the base's entropy at the levels y, over the n positions of one class.
    "position": the rate y of disagreements, with low and high, in the tenth of a response whose middle is x (0 its
    start, 1 its end), over n positions. Where none was seen there is no band: what bounds a share of problems then is
    no rate of tokens.
    """
    reading = Reading(**summary["reading"])
    parts = []
    for arm in summary["trajectories"]:
        parts += [_entropy_quantiles(arm, texts[arm], reading), _rate_by_position(arm, texts[arm], reading)]
    columns = ["panel", "trajectory", "class", "x", "y", "low", "high", "n", "tau"]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)


def _entropy_quantiles(arm: str, text: Text, reading: Reading) -> pd.DataFrame:
    parts = []
    sizes = [sum(int((rows.kinds == number).sum()) for rows in text.stretches()) for number in range(len(CLASSES))]
    ranks = [np.maximum(0, np.ceil(n * LEVELS - 1)).astype(int).tolist() if n else [] for n in sizes]
    found = at_ranks(lambda: (entropies_by_class(rows) for rows in text.stretches()), ranks)
    for name, n, quantiles in zip(CLASSES, sizes, found, strict=True):
        x, y = (quantiles, LEVELS) if n else (np.array([np.nan]), np.array([np.nan]))
        parts.append(pd.DataFrame({"class": name, "x": x, "y": y, "n": n}))
    return pd.concat(parts).assign(panel="entropy", trajectory=arm, tau=reading.tau)


def _tenth(number: int) -> Callable[[Text], np.ndarray]:
    """Which rows lie in a tenth of their response."""

    def here(rows: Text) -> np.ndarray:
        length = np.repeat(rows.lengths, rows.lengths)
        return ((rows.rows["position"] + 0.5) / length * PARTS).astype(int) == number

    return here


def _rate_by_position(arm: str, text: Text, reading: Reading) -> pd.DataFrame:
    tenths = [_tenth(i) for i in range(PARTS)]
    everywhere, *sums = text.sums(
        lambda rows: np.ones(len(rows)),
        *tenths,
        *(lambda rows, tenth=tenth: rows.disagrees & tenth(rows) for tenth in tenths),
    )
    among = [each[everywhere > 0] for each in sums]
    found = [rate(among[PARTS + i], among[i], reading.resampling) for i in range(PARTS)]
    seen = [f.value is not None and f.value > 0 for f in found]
    return pd.DataFrame(
        {
            "panel": "position",
            "trajectory": arm,
            "x": (np.arange(PARTS) + 0.5) / PARTS,
            "y": [f.value for f in found],
            "low": [f.low if some else None for f, some in zip(found, seen, strict=True)],
            "high": [f.high if some else None for f, some in zip(found, seen, strict=True)],
            "n": [f.n_tokens for f in found],
        }
    ).astype({"y": float, "low": float, "high": float})


def draw_disagreement(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Entropy by class to the left, disagreements along the response to the right."""
    entropies = data[data["panel"] == "entropy"]
    _entropy_frame(entropies, entropy_by_class(entropies, axes[0]))
    rate_by_position(data[data["panel"] == "position"], axes[1])


def entropy_by_class(data: pd.DataFrame, ax: Axes) -> Axes:
    """The share of each class above any entropy: fair to classes of very unequal size, and at tau the share gated.

    A class of fewer than FEWEST positions has no curve: each of them is a mark at its entropy, at the foot.
    """
    data = data.dropna(subset="x")
    for (arm, name), line in data.groupby(["trajectory", "class"], sort=False):
        if line["n"].iloc[0] < FEWEST:
            marks = np.maximum(np.unique(line["x"]), SMALLEST_ENTROPY)
            ax.plot(marks, np.full(len(marks), 0.03), "|", color=CLASS_COLOURS[str(name)], markersize=9, clip_on=False)
            continue
        drawn = line.assign(x=np.maximum(line["x"], SMALLEST_ENTROPY))
        drawn = drawn[~((drawn["x"] == SMALLEST_ENTROPY) & drawn.duplicated("x", keep="last"))]
        # no cliff at the left edge, which is not where those entropies lie
        style: dict[str, Any] = {"linestyle": line_of(arm), "drawstyle": "steps-post", "linewidth": 1.2}
        ax.plot(drawn["x"], 1 - drawn["y"], color=CLASS_COLOURS[str(name)], **style)
    return ax


def _entropy_frame(data: pd.DataFrame, ax: Axes) -> None:
    """Axes, τ and the keys: colour is the class, the kind of line is whose text."""
    tau = data["tau"].iloc[0]
    ax.axvline(tau, color="0.2", linewidth=0.7, linestyle=":")
    ax.annotate(f"τ = {tau:g}", (tau, 1), (3, -3), textcoords="offset points", va="top", fontsize=7)
    ax.set(xscale="log", xlim=(SMALLEST_ENTROPY, LARGEST_ENTROPY), xlabel="entropy of the base's next token (nats)")
    ax.set(ylim=(0, 1.02), ylabel="share of the class above it", title="How unsure the base is, by class")
    classes, texts = _class_keys(data), _text_keys(data)
    _finished(ax, [key for pair in zip_longest(classes, texts) for key in pair if key])  # a row of each


def _class_keys(data: pd.DataFrame) -> list[Line2D]:
    """A key for each class, with its number of positions in each trajectory: a mark where it has no curve."""
    sizes = data.groupby(["class", "trajectory"], sort=False)["n"].first()
    keys = []
    for name in CLASSES:
        few = 0 < sizes[name].max() < FEWEST
        form: dict[str, Any] = {"marker": "|", "linestyle": "none", "markersize": 9} if few else {}
        counts = " | ".join(f"{n:,}" for n in sizes[name])
        keys.append(Line2D([], [], color=CLASS_COLOURS[name], label=f"{name}\nn = {counts}", **form))
    return keys


def _text_keys(data: pd.DataFrame) -> list[Line2D]:
    """A key for each kind of line."""
    arms = data["trajectory"].unique()
    return [Line2D([], [], color="0.3", linestyle=line_of(arm), label=f"on {text_of(arm)}") for arm in arms]


def rate_by_position(data: pd.DataFrame, ax: Axes) -> Axes:
    """The rate of disagreements in each tenth of the response, with its interval as a band."""
    keys = []
    for arm, line in data.dropna(subset="y").groupby("trajectory", sort=False):
        style: dict[str, Any] = {"color": colour_of(arm), "linestyle": line_of(arm), "marker": "o", "lw": 1.2}
        ax.plot(line["x"], line["y"], markersize=4, clip_on=False, **style)
        ax.fill_between(line["x"], line["low"], line["high"], color=colour_of(arm), alpha=0.15, linewidth=0)
        keys.append(Line2D([], [], label=f"on {text_of(arm)}\nn = {line['n'].sum():,}", markersize=4, **style))
        none = line[line["y"] == 0]
        ax.plot(none["x"], none["y"], "o", color=colour_of(arm), mfc="white", markersize=4, clip_on=False)
    if (data["y"] == 0).any():
        hollow: dict[str, Any] = {"marker": "o", "color": "0.3", "mfc": "white", "markersize": 4, "linestyle": "none"}
        keys.append(Line2D([], [], label="none seen", **hollow))
    ax.set(xlim=(0, 1), ylim=(0, _top(data)), title="Where in a response they disagree")
    ax.set(xlabel="position (0 first token, 1 last)", ylabel="share of tokens that disagree")
    return _finished(ax, keys)


def _finished(ax: Axes, keys: list[Line2D]) -> Axes:
    """Percent upwards, no box, and the keys under the panel, where no line can run through them."""
    in_percent(ax.yaxis)
    ax.legend(handles=keys, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(CLASSES), columnspacing=1.2)
    sns.despine(ax=ax)
    return ax


def _top(data: pd.DataFrame) -> float | None:
    """A little above the highest bound."""
    bound = float(np.nanmax(data[["y", "high"]].to_numpy(dtype=float), initial=0))
    return 1.05 * bound if bound > 0 else None


# name of the figure: (texts, summary) -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "disagreement": Drawing(
        disagreement_data, draw_disagreement, panels=2, size=lambda _: (7.4, 3.3), counted=tokens_of
    ),
}
