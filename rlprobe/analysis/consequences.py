"""Which disagreements have consequences: RL's text with the base's token at one place, and how RL then goes on.

    neutral          RL comes back to its own answer, in its own text (at least REJOINED of what stood behind the place,
                     up to the end, is said again) or in other words; where it had no answer, to its own text
    consequential    it does not: another digit in the same words is another answer
    undecided        it does not come back to its text, and RL's own text has no answer to come back to

(neutral and divergent in thu-nics/R2R, where the larger model judges sentences; here ids and the grader do.) Tables in,
one plain dictionary out, ready for JSON. Intervals are over problems. Knows no models and no disk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.points import clusters_of
from rlprobe.analysis.statistics import auroc, rate
from rlprobe.settings import Reading, Resampling
from rlprobe.signal import SIGNALS

REJOINED = 0.5
OUTCOMES = ("text", "answer", "consequential", "undecided")
# column: the signal that should find them, of the base
FINDERS = {SIGNALS[name].columns("base")[0]: SIGNALS[name] for name in ("entropy", "kl", "margin")}


def together(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids two texts have in common at their end."""
    shorter = min(len(one), len(other))
    return next((n for n in range(shorter) if one[-1 - n] != other[-1 - n]), shorter)


def outcomes(places: pd.DataFrame) -> pd.Series:
    """The outcome of each row (records.CONSEQUENCE_SCHEMA): one of OUTCOMES; the first two are neutral."""
    same, unknown = places["same_answer"] == True, places["same_answer"].isna()  # noqa: E712
    rejoined = (places["together"] > 0) & (places["together"] >= REJOINED * places["rest"]) & (same | unknown)
    words = np.where(rejoined, "text", np.where(unknown, "undecided", np.where(same, *OUTCOMES[1:3])))
    return pd.Series(words, index=places.index, dtype=object)


def summarise(places: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """Everything `rlprobe consequences` says, as a dictionary that JSON can hold."""
    told = places.assign(outcome=outcomes(places), kind=classify(places, reading.class_k).astype(str))
    decided = told[told["outcome"] != "undecided"]
    groups = {"all": told, **{kind: told[told["kind"] == kind] for kind in CLASSES[1:]}}
    summary = {
        "reading": reading,
        "rejoined": REJOINED,
        "classes": {name: _group(rows, reading.resampling) for name, rows in groups.items()},
        "finders": {
            name: auroc(
                signal.sign * decided[name].to_numpy(dtype=float),
                (decided["outcome"] == "consequential").to_numpy(dtype=bool),
                clusters_of(decided),
                reading.resampling,
            )
            for name, signal in FINDERS.items()
        },
    }
    return plain(summary)


def _group(rows: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    decided = rows[rows["outcome"] != "undecided"]
    clusters = clusters_of(decided)
    neutral = clusters.sums(decided["outcome"].isin(OUTCOMES[:2]).to_numpy(dtype=bool))
    return {
        "places": len(rows),
        "problems": int(rows["problem_id"].nunique()),
        "counts": {name: int((rows["outcome"] == name).sum()) for name in OUTCOMES},
        "neutral": rate(neutral, clusters.sums(np.ones(len(decided))), resampling),
    }
