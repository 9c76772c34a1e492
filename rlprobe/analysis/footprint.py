"""The footprint over training: what several RL checkpoints of one base changed, step by step.

Each checkpoint has its own summaries (disagreement.py, direction.py), of which the numbers that make a curve are taken.
What those cannot say is which disagreements come and go: every checkpoint has read the same text, the base's own
greedy responses, so that positions can be followed through training. Knows no torch and no disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.statistics import Clusters, Interval, missing, rate
from rlprobe.analysis.texts import texts_of
from rlprobe.errors import RlprobeError
from rlprobe.settings import Reading, Resampling


@dataclass(frozen=True)
class Marks:
    """Along the base's own text: whose token stands where, what RL would say, and whether that is another token."""

    token_ids: Int[np.ndarray, " rows"] = field(repr=False)
    argmax_rl: Int[np.ndarray, " rows"] = field(repr=False)
    disagrees: Bool[np.ndarray, " rows"] = field(repr=False)
    clusters: Clusters = field(repr=False)


@dataclass(frozen=True)
class Step:
    """One checkpoint: its name, what `disagree` and `direction` found, and its marks on the base's text."""

    name: str
    disagreement: dict[str, Any] = field(repr=False)
    direction: dict[str, Any] = field(repr=False)
    marks: Marks = field(repr=False)


def mark(tokens: pd.DataFrame, reading: Reading) -> Marks:
    """The marks of one checkpoint, from its token table. Raises RlprobeError where that lacks the base's own text."""
    text = texts_of(tokens, reading).get("base")
    if text is None:
        raise RlprobeError("a checkpoint's run has no text of the base: run the same command again")
    return Marks(text.rows["token_id"], text.rows["argmax_rl"], text.disagrees, text.clusters)


def summarise(steps: Sequence[Step], reading: Reading) -> dict[str, Any]:
    """Everything `rlprobe footprint` says, as a dictionary that JSON can hold; steps are in the order of training."""
    followed = follow([step.marks for step in steps], reading.resampling)
    return plain(
        {
            "reading": reading,
            "steps": [
                {**_curves(step, reading), "followed": found} for step, found in zip(steps, followed, strict=True)
            ],
        }
    )


def _curves(step: Step, reading: Reading) -> dict[str, Any]:
    """The numbers of one checkpoint that make a point of a curve, by text."""
    accuracy = step.disagreement["accuracy"][reading.answer]
    whole = [row for row in step.direction["distributions"] if row["split"] == "all" and row["delta_of"] == "token"]
    return {
        "name": step.name,
        "tokens": {arm: found["tokens"] for arm, found in step.disagreement["trajectories"].items()},
        "rates": {a: found["rates"]["all"]["micro"] for a, found in step.disagreement["trajectories"].items()},
        "accuracy": {arm: found["accuracy"] for arm, found in accuracy["arms"].items()},
        "no_answer": {arm: found["no_answer"] for arm, found in accuracy["arms"].items()},
        "no_answer_differs": accuracy["no_answer_differs"],
        "gain": accuracy["gain"],
        "mcnemar": accuracy["mcnemar"],
        "sharpening": {a: found["sharpening"]["all"] for a, found in step.disagreement["trajectories"].items()},
        "perplexity": {a: found["perplexity"] for a, found in step.disagreement["trajectories"].items()},
        "length": {arm: found["length"] for arm, found in step.disagreement["trajectories"].items()},
        "tails": {row["text"]: row["tails"] for row in whole},
        "divergence": {arm: found["divergence_share"]["mean"] for arm, found in step.direction["texts"].items()},
    }


def follow(marks: Sequence[Marks], resampling: Resampling) -> list[dict[str, Interval]]:
    """Disagreements on the base's text through training, a dictionary a checkpoint.

    "new": the share of positions that disagree and did not one step before (before the first there is the base, which
    agrees with itself); "lost": that did and do not. "of_final": of the last checkpoint's disagreements, the share
    that is there already; "same_of_final": there with the same token of RL. "lasting": of the disagreements here, the
    share that is there in the last checkpoint. Raises RlprobeError where the checkpoints have read different texts.
    """
    for later in marks[1:]:
        if not np.array_equal(later.token_ids, marks[0].token_ids):
            raise RlprobeError(
                "the checkpoints' runs hold different texts of the base: ask for as many problems as the largest "
                "--limit before, or start anew with --overwrite"
            )
    nothing = np.zeros_like(marks[0].disagrees)
    before = [nothing, *(mark.disagrees for mark in marks[:-1])]
    return [_followed(here, then, marks[-1], resampling) for here, then in zip(marks, before, strict=True)]


def _followed(here: Marks, before: np.ndarray, final: Marks, resampling: Resampling) -> dict[str, Interval]:
    everywhere = np.ones(len(before), bool)
    same = here.disagrees & final.disagrees & (here.argmax_rl == final.argmax_rl)

    def share(events: np.ndarray, among: np.ndarray) -> Interval:
        return rate(here.clusters.sums(events & among), here.clusters.sums(among), resampling)

    return {
        "disagreements": share(here.disagrees, everywhere),
        "new": share(here.disagrees & ~before, everywhere),
        "new_share": share(~before, here.disagrees),
        "lost": share(before & ~here.disagrees, everywhere) if before.any() else missing("nothing to lose yet"),
        "lost_share": share(~here.disagrees, before),
        "of_final": share(here.disagrees, final.disagrees),
        "same_of_final": share(same, final.disagrees),
        "lasting": share(final.disagrees, here.disagrees),
    }
