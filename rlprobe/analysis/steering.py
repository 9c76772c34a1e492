"""What steering repairs: one summary of the verdicts on steered responses, beside the base's and RL's own.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Random directions
of equal norm are one control: their verdicts are averaged problem by problem. Where there are several coefficients, one
is chosen on other problems than those that are told. Intervals resample problems. Knows no torch and no disk.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.accuracy import differ_much
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.statistics import Interval, mean_difference, rate, recovery
from rlprobe.records import MEMBERS
from rlprobe.settings import Reading, Resampling

# A row for each response of an arm: `where` is "own" for base and rl themselves, else where the vector acts.
ARM = ("where", "coefficient", "direction")
RESPONSES = (*ARM, "draw", "problem_id", "right", "no_answer", "differs", "tokens", "edited")
OWN = "own"


def summarise(responses: pd.DataFrame, chosen_on: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """Everything `rlprobe steer` says of accuracy; `responses` has the columns RESPONSES.

    `chosen_on` are those to other problems, on which a coefficient is chosen. Problems on which any response has no
    verdict are left out of all arms, and counted.
    """
    graded, ungraded = _graded(responses)
    choices = choose(responses, chosen_on)
    coefficients = {choice["where"]: choice["coefficient"] for choice in choices}
    problems = sorted(graded["problem_id"].unique())
    accuracies = {key: _by_problem(rows, problems) for key, rows in graded.groupby(list(ARM), sort=False)}
    silent = {key: _silent(rows, reading.resampling) for key, rows in graded.groupby(list(ARM), sort=False)}
    base, rl = (accuracies[OWN, 0.0, member] for member in MEMBERS)
    arms = [
        {
            **dict(zip(ARM, key, strict=True)),
            "chosen": coefficients.get(key[0]) == key[1],
            **_effect(accuracies[key], base, rl, reading.resampling),
            "no_answer": silent[key],
            **_changes(rows),
            **({"gain": None, "recovery": None} if key[0] == OWN else {}),  # 0 and 1 by definition
        }
        for key, rows in graded.groupby(list(ARM), sort=False)
    ]
    differs = differ_much(*(silent[OWN, 0.0, member] for member in MEMBERS))
    told = {"ungraded": sorted(ungraded), "tested": len(problems), "no_answer_differs": differs}
    told |= {"choices": choices, "arms": arms}
    return plain({"reading": reading, **told})


def choose(responses: pd.DataFrame, chosen_on: pd.DataFrame) -> list[dict[str, Any]]:
    """For each place where the vector acts, the coefficient with which most of `chosen_on` are answered right.

    Of equally good ones the smallest. A single coefficient was given: its accuracy is None, on 0 problems.
    """
    graded, _ = _graded(chosen_on)
    tried = graded[graded["direction"] == "difference"]
    found = []
    for where in dict.fromkeys(responses.loc[responses["where"] != OWN, "where"]):
        rows = tried[tried["where"] == where]
        accuracies = rows.groupby("coefficient")["right"].mean()
        given = responses.loc[responses["where"] == where, "coefficient"].iloc[0]
        best = min(accuracies.index, key=lambda c: (-accuracies[c], abs(c)), default=given)
        accuracy = None if accuracies.empty else float(accuracies[best])
        found.append(
            {"where": where, "coefficient": best, "accuracy": accuracy, "problems": rows["problem_id"].nunique()}
        )
    return found


def _graded(responses: pd.DataFrame) -> tuple[pd.DataFrame, set[str]]:
    """The rows of problems with every verdict, and the other problems."""
    ungraded = set(responses.loc[responses["right"].isna(), "problem_id"])
    return responses[~responses["problem_id"].isin(ungraded)].astype({"right": float}), ungraded


def _silent(rows: pd.DataFrame, resampling: Resampling) -> Interval:
    """The share of responses in which no answer was found, over directions."""
    by_problem = rows.groupby("problem_id")["no_answer"].mean().to_numpy(dtype=float)
    return replace(rate(by_problem, np.ones(len(by_problem)), resampling), n_tokens=None)


def _by_problem(rows: pd.DataFrame, problems: list[str]) -> np.ndarray:
    """The accuracy on each problem, over directions."""
    return rows.groupby("problem_id")["right"].mean().reindex(problems).to_numpy(dtype=float)


def _effect(arm: np.ndarray, base: np.ndarray, rl: np.ndarray, resampling: Resampling) -> dict[str, Any]:
    """Accuracy (as a mean of 0 and 1 over problems), the difference from the base's, and the share of RL's gain."""
    return {
        "accuracy": replace(rate(arm, np.ones(len(arm)), resampling), n_tokens=None),
        "gain": mean_difference(arm - base, resampling),
        "recovery": recovery(arm, base, rl, resampling),
    }


def _changes(rows: pd.DataFrame) -> dict[str, Any]:
    """How much of the text is not the base's own."""
    edited = rows["edited"].sum() / rows["tokens"].sum() if rows["edited"].notna().all() else None
    return {
        "directions": int(rows["draw"].nunique()),
        "differs": float(rows["differs"].mean()),
        "edited": None if edited is None else float(edited),
        "mean_length": float(rows["tokens"].mean()),
    }
