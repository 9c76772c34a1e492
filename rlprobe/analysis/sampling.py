"""What sampling shows of a base model and its RL model: pass@k, its gain, and which problems either solves at all.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Every interval
resamples problems. Knows no torch, no disk, and nothing of how a number is printed.

    Does RL really incentivize reasoning?   arXiv 2504.13837, §2.2 and §3: pass@k, solvable sets
    Evaluating LLMs trained on code         arXiv 2107.03374, §2.1: the unbiased estimator
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy import stats

from rlprobe.analysis.accuracy import KEY, accuracy, differ_much
from rlprobe.analysis.classes import ANSWERS
from rlprobe.analysis.disagreement import count_left_out, extent, plain
from rlprobe.analysis.statistics import (
    Clusters,
    Interval,
    bootstrap_p_value,
    macro_rate,
    mcnemar,
    mean,
    mean_difference,
    proportion,
)
from rlprobe.records import MEMBERS, Status
from rlprobe.settings import Reading, Resampling

Counts = Int[np.ndarray, " problems"]


def summarise(
    rollouts: pd.DataFrame, grades: pd.DataFrame, reading: Reading, left_out: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Everything `rlprobe sample` says, as a dictionary that JSON can hold.

    `rollouts` and `grades` have the columns of records.ROLLOUT_SCHEMA and GRADE_SCHEMA; their arms are "base" and "rl",
    or one of them, with the same draws of each. `left_out` gives the reason for each problem_id that is not in the run.
    """
    problems = pd.Index(sorted(set(rollouts["problem_id"])))
    statuses = rollouts[KEY].merge(grades, on=KEY, how="left")
    summary = {
        "reading": reading,
        "members": {m: _text(rollouts[rollouts["arm"] == m], reading.resampling) for m in MEMBERS},
        "answers": {answer: _under(statuses, f"status_{answer}", problems, reading) for answer in ANSWERS},
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


def pass_at_k(drawn: Counts, right: Counts, k: int) -> Float[np.ndarray, " problems"]:
    """The unbiased estimate of P(at least one of k draws is right), 1 - C(n - c, k) / C(n, k), for each problem.

    `drawn` (n) and `right` (c) count each problem's draws; k is at most every n. The fraction is the probability that k
    of the n draws, taken without putting back, hold none of the c right ones: a hypergeometric, in logarithms.
    """
    return 1.0 - stats.hypergeom.pmf(0, drawn, right, k)


def sizes(n: int) -> list[int]:
    """The k of pass@k that n draws are read at: 1, 2, 4, ... and n itself."""
    return sorted({*(2**i for i in range(n.bit_length())), n} - {0})


@dataclass(frozen=True, slots=True)
class Solved:
    """How many of each problem's draws have a verdict, how many of them are right, and how many have no answer."""

    drawn: Counts
    right: Counts
    no_answer: Counts

    @property
    def known(self) -> Bool[np.ndarray, " problems"]:
        """The problems with a verdict."""
        return self.drawn > 0

    @property
    def fewest(self) -> int:
        """The most draws that every problem with a verdict has."""
        return int(self.drawn[self.known].min()) if self.known.any() else 0

    @property
    def at_all(self) -> Bool[np.ndarray, " problems"]:
        """The problems with a right draw."""
        return self.right > 0

    def among(self, problems: Bool[np.ndarray, " problems"]) -> "Solved":
        """The same on some problems."""
        return Solved(self.drawn[problems], self.right[problems], self.no_answer[problems])


def _text(rollouts: pd.DataFrame, resampling: Resampling) -> dict[str, Any] | None:
    """How long a member's responses are, how many were cut, and how surprising their tokens were to itself (nats).

    The mean of -log p (temperature 1) over drawn tokens: where they were drawn at temperature 1 from the whole
    distribution, it estimates the entropy per token along the model's own text.
    """
    if rollouts.empty:
        return None
    codes, problems = pd.factorize(rollouts["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    nats = np.array([-np.sum(logprobs, dtype=np.float64) for logprobs in rollouts["logprobs"]])
    tokens = rollouts["logprobs"].map(len).to_numpy(dtype=np.float64)
    surprisal = mean(clusters.sums(nats), clusters.sums(tokens), resampling)
    return {**extent(rollouts, resampling), "draws": int(rollouts["draw"].nunique()), "surprisal": surprisal}


def _under(statuses: pd.DataFrame, status: str, problems: pd.Index, reading: Reading) -> dict[str, Any]:
    """By one answer policy: each member, the gain of RL at each k, and the problems that either solves."""
    solved = {m: _solved(statuses[statuses["arm"] == m], status, problems) for m in MEMBERS}
    both = solved["base"].known & solved["rl"].known
    paired = {m: solved[m].among(both) for m in MEMBERS}
    members = {m: _member(solved[m].among(solved[m].known), reading.resampling) for m in MEMBERS}
    base, rl = (found["no_answer"] if found else None for found in members.values())
    return {
        "members": members,
        "no_answer_differs": differ_much(base, rl),
        "gain": _gain(paired, reading.resampling),
        "solvable": _solvable(paired, problems[both], reading.resampling),
        "reason": None if both.any() else "no problem has a verdict on draws of both models",
    }


def _solved(statuses: pd.DataFrame, status: str, problems: pd.Index) -> Solved:
    clusters = Clusters(problems.get_indexer(pd.Index(statuses["problem_id"])), len(problems))
    known = statuses[status].notna().to_numpy()
    among = (known, *((statuses[status] == s.value).to_numpy(dtype=bool) for s in (Status.CORRECT, Status.NO_ANSWER)))
    return Solved(*(clusters.sums(kept).astype(np.int64) for kept in among))


def _member(solved: Solved, resampling: Resampling) -> dict[str, Any] | None:
    """Accuracy, pass@k, and how many problems have c right draws, c = 0..n; None where nothing was drawn."""
    if not len(solved.drawn):
        return None
    n = solved.fewest
    return {
        "draws": n,
        "correct": int(solved.right.sum()),
        "graded": int(solved.drawn.sum()),
        "accuracy": accuracy(solved.right, solved.drawn, resampling),
        "no_answer": accuracy(solved.no_answer, solved.drawn, resampling),
        "pass_at_k": {str(k): _pass_at_k(solved, k, resampling) for k in sizes(n)},
        "right_draws": np.bincount(solved.right, minlength=n + 1).tolist(),
    }


def _pass_at_k(solved: Solved, k: int, resampling: Resampling) -> Interval:
    """The mean over problems; so many draws of one are worth at most as many trials as there are sets of k in them."""
    trials = solved.drawn // k
    return replace(macro_rate(pass_at_k(solved.drawn, solved.right, k) * trials, trials, resampling), n_tokens=None)


def _gain(paired: Mapping[str, Solved], resampling: Resampling) -> dict[str, dict[str, Any]]:
    """pass@k of RL minus that of the base, on the problems that both drew for, with paired intervals and p-values."""
    found = {}
    for k in sizes(min(solved.fewest for solved in paired.values())):
        base, rl = (pass_at_k(paired[m].drawn, paired[m].right, k) for m in MEMBERS)
        difference: Interval = mean_difference(rl - base, resampling)
        found[str(k)] = {"difference": difference, "p_value": bootstrap_p_value(rl - base, resampling)}
        found[str(k)]["p_floor"] = resampling.smallest_p
    return found


def _solvable(paired: Mapping[str, Solved], problems: pd.Index, resampling: Resampling) -> dict[str, Any]:
    """The problems with a right draw from both, either or neither model, and McNemar's exact test of the two that
    differ. More draws would move problems from `neither` to the others: a set is of these draws, not of a model."""
    base, rl = paired["base"].at_all, paired["rl"].at_all
    sets = {"both": base & rl, "base_only": base & ~rl, "rl_only": rl & ~base, "neither": ~base & ~rl}
    n = len(problems)
    return {
        "problems": n,
        "draws": {m: paired[m].fewest for m in MEMBERS},
        "counts": {name: int(kept.sum()) for name, kept in sets.items()},
        "shares": {name: proportion(int(kept.sum()), n, resampling) for name, kept in sets.items()},
        "p_value": mcnemar(base, rl).p_value if n else None,
        "base_only": problems[sets["base_only"]].tolist(),
        "rl_only": problems[sets["rl_only"]].tolist(),
    }
