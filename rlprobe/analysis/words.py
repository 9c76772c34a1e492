"""The words behind the tails: which tokens RL pushes up, and which it pushes down, most often."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool

from rlprobe.analysis.statistics import Clusters
from rlprobe.analysis.texts import Text
from rlprobe.analysis.together import means
from rlprobe.settings import Resampling

WORDS = 20  # how many of the most frequent tokens of a tail are kept


def words_behind(
    text: Text, tail: float, token_text: Callable[[int], str], resampling: Resampling
) -> dict[str, list[dict[str, Any]]]:
    """The commonest tokens present at which Δ log p is at most -tail ("suppressed") or at least tail ("promoted").

    Each with its count in the tail, its count in the whole text, and how often a problem has it in the tail.
    """
    delta = text.delta()
    sides = {"suppressed": delta <= -tail, "promoted": delta >= tail}
    return {side: _words(text, inside, token_text, resampling) for side, inside in sides.items()}


def _words(
    text: Text, inside: Bool[np.ndarray, " rows"], token_text: Callable[[int], str], resampling: Resampling
) -> list[dict[str, Any]]:
    ids, delta = text.rows["token_id"], text.delta()
    everywhere, counts = np.bincount(ids), np.bincount(ids[inside], minlength=1)
    common = sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-counts[i], i))[:WORDS]
    if not common:
        return []
    # rows are problems, columns are words
    present = np.isin(np.arange(text.clusters.n), text.clusters.codes).astype(np.float64)
    tables = [
        Clusters(text.clusters.codes[rows], text.clusters.n).sums(np.ones(rows.sum()))
        for rows in (inside & (ids == i) for i in common)
    ]
    per_problem = np.stack(tables, axis=1)
    intervals = means(per_problem, np.repeat(present[:, None], len(common), axis=1), resampling)
    return [
        {
            "token_id": i,
            "token": token_text(i),
            "count": int(counts[i]),
            "in_text": int(everywhere[i]),
            "problems": int(np.count_nonzero(per_problem[:, n])),
            "per_problem": interval,
            "mean_delta": float(delta[inside & (ids == i)].mean()),
        }
        for n, (i, interval) in enumerate(zip(common, intervals, strict=True))
    ]
