"""How few positions hold what changed: shares of the divergence, and whether both models waver at the same places.

Which positions are the top ones depends on the sample. The intervals allow for that to first order: a resample moves
the threshold, and what crosses it weighs as much as the threshold itself (as in inference for Lorenz curves).
"""

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from rlprobe.analysis.statistics import Interval, mean, missing, rate
from rlprobe.analysis.texts import Text
from rlprobe.settings import Resampling

SHARES = (0.01, 0.05, 0.2)
FORKS = 0.2  # the share of positions of highest entropy; arXiv 2506.01939 finds at least 87 % of them in both models


def divergence_share(text: Text, resampling: Resampling) -> dict[str, Any]:
    """KL(π_RL ‖ π_base): its mean (nats), and the share of its sum at the top positions and at the disagreements."""
    kl = text.numbers("kl_rl_base")
    sums = text.clusters.sums
    per_token = mean(sums(kl), sums(np.ones(len(kl))), resampling)
    at_disagreements = _share(text, np.where(text.disagrees, kl, 0.0), kl, resampling)
    top = {f"{share:g}": _share(text, _linearised(kl, share), kl, resampling) for share in SHARES}
    return {"mean": per_token, "top": top, "at_disagreements": at_disagreements}


def entropy_overlap(text: Text, resampling: Resampling) -> Interval:
    """Of the 20 % of positions where the base's entropy is highest: the share that is among RL's 20 % too.

    The interval holds the two thresholds fixed.
    """
    base, rl = (_top(text.numbers(f"entropy_{m}"), FORKS) for m in ("base", "rl"))
    return rate(text.clusters.sums(base & rl), text.clusters.sums(base), resampling)


def _share(text: Text, part: np.ndarray, kl: np.ndarray, resampling: Resampling) -> Interval:
    if not kl.any():
        return missing("the two models do not differ at any position")
    found = mean(text.clusters.sums(part), text.clusters.sums(kl), resampling)
    return replace(found, n_tokens=len(kl))


def _linearised(kl: Float[np.ndarray, " rows"], share: float) -> Float[np.ndarray, " rows"]:
    """Adds up to the divergence at the top positions; resampled, also to what a moved threshold lets in or out."""
    top = _top(kl, share)
    threshold = kl[top].min()
    return kl * top - threshold * (top - top.mean())


def _top(values: Float[np.ndarray, " rows"], share: float) -> Bool[np.ndarray, " rows"]:
    """The largest values, as many as the share says and at least one; of equal ones, those that come first."""
    top = np.zeros(len(values), bool)
    top[np.argsort(-values, kind="stable")[: max(1, round(share * len(values)))]] = True
    return top
