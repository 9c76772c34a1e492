"""How often each arm is right, and whether RL's gain over the base could be chance.

Verdicts come from a grade table, one row a response, with one status for the first and one for the last answer.
Responses without a verdict (a gold answer that does not parse, a missing grade) are left out and counted. A response in
which no answer was found is not right; beside each accuracy stands how many there are, since an extraction that finds
one model's answers and not the other's makes a gap that is no gap.
Knows nothing of tokens.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from rlprobe.analysis.classes import ANSWERS
from rlprobe.analysis.statistics import Interval, McNemar, Sums, mcnemar, mean_difference, missing, proportion, rate
from rlprobe.records import MEMBERS, Status
from rlprobe.settings import Resampling

KEY = ["arm", "problem_id", "draw"]
GRADES = (*KEY, *(f"status_{answer}" for answer in ANSWERS))  # the columns that are counted
MUCH = 0.05  # two shares of responses without an answer that differ by more are worth a warning


def compare(rollouts: pd.DataFrame, grades: pd.DataFrame, resampling: Resampling) -> dict:
    """For either answer policy: the accuracy of each arm of `rollouts`, and RL against base on the same problems."""
    graded = rollouts[KEY].merge(grades, on=KEY, how="left")
    return {answer: _under(graded, f"status_{answer}", resampling) for answer in ANSWERS}


def _under(graded: pd.DataFrame, status: str, resampling: Resampling) -> dict:
    known = graded[graded[status].notna()]
    correct, silent = ((known[status] == s.value).to_numpy(dtype=bool) for s in (Status.CORRECT, Status.NO_ANSWER))
    verdicts = known[KEY].assign(correct=correct, no_answer=silent)
    arms = {arm: _arm(verdicts[verdicts["arm"] == arm], n, resampling) for arm, n in _responses(graded).items()}
    paired = _pairs(verdicts)
    return {
        "arms": arms,
        "no_answer_differs": differ_much(*(arms[m]["no_answer"] if m in arms else None for m in MEMBERS)),
        "gain": _gain(paired, resampling),
        "mcnemar": _mcnemar(paired),
        "reason": None if len(paired) else "no problem has a verdict on both the base's and RL's response",
    }


def _responses(graded: pd.DataFrame) -> dict[str, int]:
    """The number of responses of each arm; base and rl come first."""
    counts = graded["arm"].value_counts()
    return {arm: int(counts[arm]) for arm in sorted(counts.index, key=lambda arm: (arm not in MEMBERS, arm))}


def _arm(verdicts: pd.DataFrame, responses: int, resampling: Resampling) -> dict:
    by_problem = verdicts.groupby("problem_id")
    graded = by_problem.size().to_numpy()
    counts = {"correct": int(verdicts["correct"].sum()), "graded": len(verdicts), "ungraded": responses - len(verdicts)}
    shares = {"accuracy": "correct", "no_answer": "no_answer"}
    return counts | {k: accuracy(by_problem[c].sum().to_numpy(), graded, resampling) for k, c in shares.items()}


def differ_much(base: Interval | None, rl: Interval | None) -> bool:
    """Whether one model is found without an answer so much more often that this, too, may be the gap in accuracy."""
    if base is None or rl is None or base.value is None or rl.value is None:
        return False
    return abs(rl.value - base.value) > MUCH


def accuracy(correct: Sums, graded: Sums, resampling: Resampling) -> Interval:
    """Right ones of the graded responses. One a problem is a binomial, and exact; several are clusters: resampled."""
    if (graded <= 1).all():
        return proportion(int(correct.sum()), int(graded.sum()), resampling)
    return replace(rate(correct, graded, resampling), n_tokens=None)


def _pairs(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row a problem and draw on which both models have a verdict: problem_id, draw, correct_base, correct_rl, ...

    Columns of the verdicts have the model behind their name.
    """
    base, rl = (verdicts[verdicts["arm"] == m].drop(columns="arm") for m in MEMBERS)
    return base.merge(rl, on=["problem_id", "draw"], suffixes=("_base", "_rl"))


def _gain(paired: pd.DataFrame, resampling: Resampling) -> Interval:
    """accuracy_rl - accuracy_base over the problems that both have a verdict on."""
    if paired.empty:
        return missing("no problem has a verdict on both the base's and RL's response")
    difference = paired["correct_rl"].astype(np.float64) - paired["correct_base"]
    return mean_difference(difference.groupby(paired["problem_id"]).mean().to_numpy(), resampling)


def _mcnemar(paired: pd.DataFrame) -> McNemar | None:
    return mcnemar(paired["correct_base"].to_numpy(), paired["correct_rl"].to_numpy()) if len(paired) else None
