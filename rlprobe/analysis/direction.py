"""The signed change: where RL raises the log-probability of a token and where it lowers it (arXiv 2603.22117).

Token tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. This file
knows how Δ log p is spread over each text; who wrote a token, the words in the tails, how few positions hold the
divergence and what is promoted from low probability have files of their own. Knows no torch and no disk.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis.authorship import detection, divergence, separation
from rlprobe.analysis.concentration import divergence_share, entropy_overlap
from rlprobe.analysis.disagreement import count_left_out, plain
from rlprobe.analysis.sparks import promoted
from rlprobe.analysis.statistics import Clusters, Sums
from rlprobe.analysis.texts import COLUMNS, DELTAS, Split, Text, texts_of
from rlprobe.analysis.together import means, rates
from rlprobe.analysis.words import words_behind
from rlprobe.errors import BadInput
from rlprobe.settings import Reading, Resampling

__all__ = ["COLUMNS", "TAILS", "summarise", "tails"]

THRESHOLDS = (0.3, 1.0, 3.0)  # nats: a tail is what lies at least so far from 0
TAILS = (*(f"-{t:g}" for t in reversed(THRESHOLDS)), *(f"+{t:g}" for t in THRESHOLDS))
WIDEST, BIN = 8.0, 0.25  # nats: the histograms of Δ log p; what lies beyond is in the last bins
LOGARITHMIC = {"entropy_base": (1e-4, 10.0), "kl_rl_base": (1e-8, 10.0)}  # nats: first and last edge
LOG_BINS = 48


def summarise(
    tokens: pd.DataFrame,
    reading: Reading,
    token_text: Callable[[int], str] = "#{}".format,
    tail: float = 1.0,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything `rlprobe direction` says, as a dictionary that JSON can hold.

    `tokens` has the columns `COLUMNS` and, where answers are known, after_answer; rows in any order, and arms that are
    no text of base or RL are left out. `tail` (nats) bounds the tails whose words are listed; `left_out` gives the
    reason for each problem_id that is not in the run. Raises BadInput where no text is left, or for a tail that is not
    above 0.
    """
    if not tail > 0:
        raise BadInput(f"tail is {tail:g}: the words of a tail lie at least so many nats from 0, a number above 0")
    texts = texts_of(tokens, reading)
    if not texts:
        raise BadInput("no token of base's or RL's text: run `rlprobe disagree` on it first")
    found = divergence(texts, reading.resampling)
    summary = {
        "reading": reading,
        "tail": tail,
        "texts": {arm: _text(text, reading.resampling, token_text, tail) for arm, text in texts.items()},
        "distributions": [
            row
            for arm, text in texts.items()
            for row in tails(text, text.splits() | found.splits.get(arm, {}), reading.resampling)
        ],
        "divergence": found.summary,
        "separation": separation(texts, found, reading.resampling),
        "detection": {arm: detection(text, reading.resampling) for arm, text in texts.items()},
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


def _text(text: Text, resampling: Resampling, token_text: Callable[[int], str], tail: float) -> dict[str, Any]:
    return {
        "problems": text.n_problems,
        "responses": len(text.starts),
        "tokens": len(text),
        "histograms": _histograms(text),
        "divergence_share": divergence_share(text, resampling),
        "entropy_overlap": entropy_overlap(text, resampling),
        "promoted": promoted(text, resampling),
        "words": words_behind(text, tail, token_text, resampling),
    }


# ---- how Δ log p is spread


@dataclass(frozen=True)
class _Group:
    """Δ log p of some token over some of a text's positions."""

    key: dict[str, str]
    delta: Float[np.ndarray, " rows"]
    clusters: Clusters

    def masses(self) -> list[Sums]:
        """Per problem, the positions in each of `TAILS`."""
        low = [self.clusters.sums(self.delta <= -t) for t in reversed(THRESHOLDS)]
        return [*low, *(self.clusters.sums(self.delta >= t) for t in THRESHOLDS)]

    def size(self) -> Sums:
        """Per problem, all positions."""
        return self.clusters.sums(np.ones(len(self.delta)))

    def median(self) -> float | None:
        """In nats; None without a position."""
        return float(np.median(self.delta)) if len(self.delta) else None


def tails(text: Text, splits: Mapping[str, Split], resampling: Resampling) -> list[dict[str, Any]]:
    """One row a token that Δ log p can speak of and a group of each split: its size, mean, median and tail masses.

    A tail mass is the share of the group's positions at which Δ log p lies at -t or below, or at +t or above.
    """
    groups = list(_groups(text, splits))
    sizes = np.stack([group.size() for group in groups], axis=1)
    masses = np.stack([column for group in groups for column in group.masses()], axis=1)
    totals = np.stack([group.clusters.sums(group.delta) for group in groups], axis=1)
    shares = rates(masses, np.repeat(sizes, len(TAILS), axis=1), resampling)
    return [
        {
            **group.key,
            "tokens": len(group.delta),
            "mean": mean,
            "median": group.median(),
            "tails": dict(zip(TAILS, shares[i * len(TAILS) :], strict=False)),
        }
        for i, (group, mean) in enumerate(zip(groups, means(totals, sizes, resampling), strict=True))
    ]


def _groups(text: Text, splits: Mapping[str, Split]) -> Iterator[_Group]:
    for of in DELTAS:
        delta = text.delta(of)
        for name, split in splits.items():
            for number, label in enumerate(split.labels):
                inside = split.codes == number
                key = {"text": text.arm, "delta_of": of, "split": name, "group": label}
                yield _Group(key, delta[inside], Clusters(text.clusters.codes[inside], text.clusters.n))


# ---- histograms, for the figures


def _histograms(text: Text) -> dict[str, Any]:
    """Edges and counts: of Δ log p of each token it can speak of, and of the base's entropy and the divergence."""
    edges = np.arange(-WIDEST - BIN / 2, WIDEST + BIN, BIN)  # 0 in the middle of a bin
    found = {f"delta_{of}": _histogram(text.delta(of), edges) for of in DELTAS}
    for column, (first, last) in LOGARITHMIC.items():
        found[column] = _histogram(text.numbers(column), np.geomspace(first, last, LOG_BINS + 1))
    return found


def _histogram(values: np.ndarray, edges: np.ndarray) -> dict[str, list]:
    """What lies outside the edges is counted in the outermost bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return {"edges": [float(f"{edge:.6g}") for edge in edges], "counts": counts.tolist()}
