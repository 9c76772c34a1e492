"""The words behind the tails: which tokens RL pushes up, and which it pushes down, most often."""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Bool

from rlprobe.analysis.streams import total
from rlprobe.analysis.texts import Text
from rlprobe.analysis.together import means
from rlprobe.settings import Resampling

Inside = Callable[[Text], Bool[np.ndarray, " rows"]]  # which rows lie in a tail

WORDS = 20  # how many of the most frequent tokens of a tail are kept


def words_behind(
    text: Text, tail: float, token_text: Callable[[int], str], resampling: Resampling
) -> dict[str, list[dict[str, Any]]]:
    """The commonest tokens present at which Δ log p is at most -tail ("suppressed") or at least tail ("promoted").

    Each with its count in the tail, its count in the whole text, and how often a problem has it in the tail.
    """
    sides: dict[str, Inside] = {
        "suppressed": lambda rows: rows.delta() <= -tail,
        "promoted": lambda rows: rows.delta() >= tail,
    }
    return {side: _words(text, inside, token_text, resampling) for side, inside in sides.items()}


def _words(
    text: Text, inside: Inside, token_text: Callable[[int], str], resampling: Resampling
) -> list[dict[str, Any]]:
    everywhere, counts, present = _counts(text, inside)
    common = sorted(np.flatnonzero(counts).tolist(), key=lambda i: (-counts[i], i))[:WORDS]
    if not common:
        return []
    here = [_of_word(inside, i) for i in common]
    per_problem = np.stack(text.sums(*here), axis=1)  # rows are problems, columns are words
    intervals = means(per_problem, np.repeat(present[:, None], len(common), axis=1), resampling)
    return [
        {
            "token_id": i,
            "token": token_text(i),
            "count": int(counts[i]),
            "in_text": int(everywhere[i]),
            "problems": int(np.count_nonzero(per_problem[:, n])),
            "per_problem": interval,
            "mean_delta": total((r.delta()[here[n](r)] for r in text.stretches()), int(counts[i])) / int(counts[i]),
        }
        for n, (i, interval) in enumerate(zip(common, intervals, strict=True))
    ]


def _counts(text: Text, inside: Inside) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each token id how often it is in the text, and in the tail; and 1 for each problem that has a token."""
    counts, present = np.zeros((2, 0), np.int64), np.zeros(text.n)
    for rows in text.stretches():
        ids = rows.rows["token_id"]
        size = max(counts.shape[1], int(ids.max(initial=-1)) + 1)
        counts = np.pad(counts, ((0, 0), (0, size - counts.shape[1])))
        counts += [np.bincount(some, minlength=size) for some in (ids, ids[inside(rows)])]
        present[rows.clusters.codes] = 1
    return counts[0], counts[1], present


def _of_word(inside: Inside, token_id: int) -> Inside:
    """Where the tail has this token."""
    return lambda rows: inside(rows) & (rows.rows["token_id"] == token_id)
