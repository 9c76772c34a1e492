"""Which places to look inside the models at: disagreements, and unchanged places that are as uncertain.

Disagreements sit where entropy is high, so a place where both models agree is compared with them only if the base is as
unsure there. Tables in, tables out; knows no torch.
"""

from bisect import bisect_left
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.classes import classify
from rlprobe.analysis.statistics import Clusters, mean
from rlprobe.errors import BadInput
from rlprobe.settings import PointChoice, Reading

KINDS = {"disagreement": ("reranked", "shifted"), "reranked": ("reranked",), "shifted": ("shifted",)}
COLUMNS = (
    *("arm", "problem_id", "draw", "position"),
    *("argmax_base", "argmax_rl", "rank_base_of_rl", "entropy_base"),
)
GROUPS = ("disagreement", "unchanged")


def choose(tokens: pd.DataFrame, choice: PointChoice, reading: Reading) -> pd.DataFrame:
    """The places, in order of problem and position: rows of `tokens` with the columns class and group.

    `tokens` is the token table (COLUMNS, and after_answer where that is known) of one trajectory. At most
    `choice.points` places of the kind are drawn at random, as far as the answer; each gets the unchanged place whose
    base entropy is nearest, none twice. Raises BadInput where the text has no place of the kind.
    """
    here = _up_to_answer(tokens, reading)
    wanted = here[here["class"].isin(KINDS[choice.kind])]
    if wanted.empty:
        raise BadInput(
            f"the run has no {choice.kind} position on the text of {choice.trajectory} (class k {reading.class_k}); "
            "ask for another --kind or --trajectory"
        )
    drawn = wanted.sample(min(choice.points, len(wanted)), random_state=reading.resampling.generator())
    unchanged = here[here["class"] == "unchanged"]
    matched = unchanged.iloc[_nearest(unchanged["entropy_base"].to_numpy(), drawn["entropy_base"].to_numpy())]
    chosen = pd.concat([drawn.assign(group="disagreement"), matched.assign(group="unchanged")])
    return chosen.sort_values(["group", "problem_id", "position"]).reset_index(drop=True)


def first_disagreements(tokens: pd.DataFrame, choice: PointChoice, reading: Reading) -> pd.DataFrame:
    """The first disagreement of each response, where it is of the kind: at most `choice.points` of them, at random.

    Up to there the greedy texts of both models are one. In order of problem; a response without any has none.
    """
    here = _up_to_answer(tokens, reading)
    differs = here[here["class"] != "unchanged"].sort_values("position").drop_duplicates(["problem_id", "draw"])
    wanted = differs[differs["class"].isin(KINDS[choice.kind])].sort_values("problem_id").reset_index(drop=True)
    drawn = wanted.sample(min(choice.points, len(wanted)), random_state=reading.resampling.generator())
    return drawn.sort_index().reset_index(drop=True)


def _up_to_answer(tokens: pd.DataFrame, reading: Reading) -> pd.DataFrame:
    """The rows that do not stand behind an answer, with the class of each."""
    here = (tokens[~tokens["after_answer"]] if "after_answer" in tokens else tokens).reset_index(drop=True)
    return here.assign(**{"class": classify(here, reading.class_k).astype(str)})


def describe(chosen: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """How many places of each group, in how many problems, and the base's mean entropy there."""
    found = {}
    for group in GROUPS:
        rows = chosen[chosen["group"] == group]
        clusters = clusters_of(rows)
        entropies = clusters.sums(rows["entropy_base"].to_numpy())
        entropy = mean(entropies, clusters.sums(np.ones(len(rows))), reading.resampling)
        found[group] = {"points": len(rows), "problems": clusters.n, "entropy": entropy}
    return found


def clusters_of(rows: pd.DataFrame) -> Clusters:
    """Which problem each row belongs to."""
    codes, problems = pd.factorize(rows["problem_id"])
    return Clusters(codes, len(problems))


def _nearest(pool: np.ndarray, wanted: np.ndarray) -> list[int]:
    """For each wanted value the index of the nearest in the pool, none twice; the largest, which are rare, first."""
    order = np.argsort(pool, kind="stable")
    values, indices = pool[order].tolist(), order.tolist()
    taken = []
    for value in sorted(wanted.tolist(), reverse=True):
        if not values:
            break
        at = bisect_left(values, value)
        if at == len(values) or (at > 0 and value - values[at - 1] <= values[at] - value):
            at -= 1
        values.pop(at)
        taken.append(indices.pop(at))
    return taken
