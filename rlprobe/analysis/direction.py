"""The signed change: where RL raises the log-probability of a token and where it lowers it (arXiv 2603.22117).

Token tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. This file
knows how Δ log p is spread over each text; who wrote a token, the words in the tails, how few positions hold the
divergence and what is promoted from low probability have files of their own. Knows no torch and no disk.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis.authorship import detection, divergence, separation
from rlprobe.analysis.concentration import divergence_share, entropy_overlap
from rlprobe.analysis.disagreement import count_left_out, plain
from rlprobe.analysis.sparks import promoted
from rlprobe.analysis.statistics import Clusters
from rlprobe.analysis.streams import medians
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
    return summarise_texts(texts_of(tokens, reading), reading, token_text, tail, left_out)


def summarise_texts(
    texts: Mapping[str, Text],
    reading: Reading,
    token_text: Callable[[int], str] = "#{}".format,
    tail: float = 1.0,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`summarise` of texts that are there, or lie on disk."""
    if not tail > 0:
        raise BadInput(f"tail is {tail:g}: the words of a tail lie at least so many nats from 0, a number above 0")
    if not texts:
        raise BadInput("no token of base's or RL's text: run `rlprobe disagree` on it first")
    found = divergence(texts, reading.resampling)
    summary = {
        "reading": reading,
        "tail": tail,
        "texts": {arm: _text(text, reading.resampling, token_text, tail) for arm, text in texts.items()},
        "distributions": [
            row
            for text in texts.values()
            for row in tails(text, lambda rows: rows.splits() | found.splits(rows), reading.resampling)
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

Splits = Callable[[Text], Mapping[str, Split]]  # of a text, or of a stretch of one


def tails(text: Text, splits: Splits, resampling: Resampling) -> list[dict[str, Any]]:
    """One row a token that Δ log p can speak of and a group of each split: its size, mean, median and tail masses.

    A tail mass is the share of the group's positions at which Δ log p lies at -t or below, or at +t or above.
    """
    spread = {of: _Spread.of(text, splits, of) for of in DELTAS}
    groups = [(of, *key) for of, found in spread.items() for key in found.keys]
    sizes, totals, masses = (
        np.concatenate([getattr(found, name) for found in spread.values()], axis=1)
        for name in ("sizes", "totals", "masses")
    )
    middles = medians(lambda: _deltas(text, splits), sizes.sum(axis=0).astype(int).tolist())
    shares = rates(masses, np.repeat(sizes, len(TAILS), axis=1), resampling)
    return [
        {
            "text": text.arm,
            "delta_of": of,
            "split": split,
            "group": label,
            "tokens": int(sizes[:, i].sum()),
            "mean": mean,
            "median": middles[i],
            "tails": dict(zip(TAILS, shares[i * len(TAILS) :], strict=False)),
        }
        for i, ((of, split, label), mean) in enumerate(zip(groups, means(totals, sizes, resampling), strict=True))
    ]


@dataclass(frozen=True)
class _Spread:
    """Δ log p of one kind of token, by problem (rows) and group (columns; `keys`: its split and its label).

    `masses` has a column for each of `TAILS`, group by group.
    """

    keys: list[tuple[str, str]]
    sizes: Float[np.ndarray, "problems groups"]
    totals: Float[np.ndarray, "problems groups"]
    masses: Float[np.ndarray, "problems tails"]

    @classmethod
    def of(cls, text: Text, splits: Splits, of: str) -> "_Spread":
        labels = {name: split.labels for name, split in splits(next(text.stretches())).items()}
        columns: dict[str, list[np.ndarray]] = {
            name: [np.zeros(text.n * len(those)) for _ in range(2 + len(TAILS))] for name, those in labels.items()
        }
        for rows in text.stretches():
            delta = rows.delta(of)
            events = [delta <= float(t) if t.startswith("-") else delta >= float(t) for t in TAILS]
            for name, split in splits(rows).items():
                width = len(split.labels)
                kept = (split.codes >= 0) & (split.codes < width)
                cells = Clusters(rows.clusters.codes[kept] * width + split.codes[kept], text.n * width)
                told = zip((np.ones(len(rows)), delta, *events), columns[name], strict=True)
                columns[name] = [cells.sums(values[kept], before) for values, before in told]
        sizes, totals, *masses = (
            np.concatenate([columns[name][i].reshape(text.n, -1) for name in labels], axis=1)
            for i in range(2 + len(TAILS))
        )
        keys = [(name, label) for name, those in labels.items() for label in those]
        return cls(keys, sizes, totals, np.stack(masses, axis=2).reshape(text.n, -1))


def _deltas(text: Text, splits: Splits) -> Iterator[list[np.ndarray]]:
    """Stretch by stretch Δ log p in each group, in the order of the rows of `tails`."""
    for rows in text.stretches():
        groups = [split.codes == number for split in splits(rows).values() for number in range(len(split.labels))]
        yield [delta[inside] for delta in map(rows.delta, DELTAS) for inside in groups]


# ---- histograms, for the figures


def _histograms(text: Text) -> dict[str, Any]:
    """Edges and counts: of Δ log p of each token it can speak of, and of the base's entropy and the divergence."""
    edges = np.arange(-WIDEST - BIN / 2, WIDEST + BIN, BIN)  # 0 in the middle of a bin
    found = {f"delta_{of}": _histogram((rows.delta(of) for rows in text.stretches()), edges) for of in DELTAS}
    for column, (first, last) in LOGARITHMIC.items():
        edges = np.geomspace(first, last, LOG_BINS + 1)
        found[column] = _histogram((rows.numbers(column) for rows in text.stretches()), edges)
    return found


def _histogram(stretches: Iterable[np.ndarray], edges: np.ndarray) -> dict[str, list]:
    """What lies outside the edges is counted in the outermost bins."""
    counts = sum(np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] for values in stretches)
    return {"edges": [float(f"{edge:.6g}") for edge in edges], "counts": np.asarray(counts).tolist()}
