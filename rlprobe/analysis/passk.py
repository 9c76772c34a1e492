"""pass@k of a base model and its RL model on the same problems, from how many draws were made and how many are right.

Counts in, one plain dictionary out, ready for JSON. Every k is read from the same draws, and every interval resamples
problems. Knows no responses, no disk, and nothing of how a number is printed.

    Does RL really incentivize reasoning?   arXiv 2504.13837, §2.2 and §3: pass@k, solvable sets
    Evaluating LLMs trained on code         arXiv 2107.03374, §2.1: the unbiased estimator
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from rlprobe.analysis.accuracy import accuracy
from rlprobe.analysis.crossing import crossing
from rlprobe.analysis.statistics import Interval, macro_rate, mcnemar, mean_differences, proportion
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

Counts = Int[np.ndarray, " problems"]
Ks = Sequence[int]
ENDS = ("value", "low", "high")


def pass_at_k(drawn: Counts, right: Counts, k: int) -> Float[np.ndarray, " problems"]:
    """The unbiased estimate of P(at least one of k draws is right), 1 - C(n - c, k) / C(n, k), for each problem.

    `drawn` (n) and `right` (c) count each problem's draws. Raises BadInput where k is more than the fewest of them.
    """
    return pass_at_every_k(drawn, right, k)[:, -1]


def pass_at_every_k(drawn: Counts, right: Counts, most: int) -> Float[np.ndarray, "problems k"]:
    """The same for k = 1..most, a column each.

    C(n - c, k) / C(n, k) is the product over j < k of 1 - c / (n - j), the chance that no right one is among k draws
    taken without putting back. It is summed in logarithms, so that no binomial overflows and nothing near 1 is lost.
    """
    if len(drawn) and not 1 <= most <= drawn.min():
        raise BadInput(f"pass@{most} is not to be had from {drawn.min()} draws: k is from 1 to the fewest draws")
    left = drawn[:, None] - np.arange(most)  # (problems, k) draws that are left when so many have been taken
    with np.errstate(divide="ignore"):  # log 0: those that are left are all right
        missed = np.cumsum(np.log1p(-np.minimum(1.0, right[:, None] / left)), axis=1)
    return -np.expm1(missed)


def sizes(n: int) -> list[int]:
    """The k that n draws are shown at: 1, 2, 4, ... and n itself."""
    return sorted({*(2**i for i in range(n.bit_length())), n} - {0})


@dataclass(frozen=True, slots=True)
class Draws:
    """How many draws of each problem have a verdict, and how many of them are right."""

    drawn: Counts
    right: Counts

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

    def among(self, problems: Bool[np.ndarray, " problems"]) -> "Draws":
        """The same on some problems."""
        return Draws(self.drawn[problems], self.right[problems])

    def curve(self, most: int) -> Float[np.ndarray, "problems k"]:
        """pass@1..most of each problem."""
        return pass_at_every_k(self.drawn, self.right, most)


def alone(draws: Draws, resampling: Resampling, shown: Ks = ()) -> dict[str, Any] | None:
    """One model: accuracy, pass@k at the k that are `shown` (else 1, 2, 4, ...), and at every k as a curve.

    `right_draws` says how many problems have c right draws, c = 0, 1, ...; None where nothing was drawn.
    """
    draws = draws.among(draws.known)
    n = draws.fewest
    if not n:
        return None
    curve = draws.curve(n)
    every = [_mean(draws, curve[:, k - 1], k, resampling) for k in range(1, n + 1)]
    return {
        "draws": n,
        "most_draws": int(draws.drawn.max()),
        "correct": int(draws.right.sum()),
        "graded": int(draws.drawn.sum()),
        "accuracy": accuracy(draws.right, draws.drawn, resampling),
        "pass_at_k": {str(k): every[k - 1] for k in shown or sizes(n) if k <= n},
        "curve": columns_of(every),
        "right_draws": np.bincount(draws.right, minlength=n + 1).tolist(),
    }


def _mean(draws: Draws, passed: Float[np.ndarray, " problems"], k: int, resampling: Resampling) -> Interval:
    """The mean over problems; so many draws of one are worth at most as many trials as there are sets of k in them."""
    trials = draws.drawn // k
    return replace(macro_rate(passed * trials, trials, resampling), n_tokens=None)


def columns_of(every: list[Interval]) -> dict[str, list[Any]]:
    """A curve as JSON holds it: k, and the ends of its intervals."""
    return {"k": list(range(1, len(every) + 1)), **{end: [getattr(each, end) for each in every] for end in ENDS}}


def compared(draws: Mapping[str, Draws], problems: pd.Index, resampling: Resampling, shown: Ks = ()) -> dict[str, Any]:
    """RL against base on the problems that both have verdicts on: gain, crossing, solvable sets.

    `draws` has an entry for each member, of the same `problems`; k goes up to the fewest draws of any problem.
    """
    both = draws["base"].known & draws["rl"].known
    paired = {m: draws[m].among(both) for m in MEMBERS}
    most = min(each.fewest for each in paired.values())
    found: dict[str, Any] = {"gain": {}, "gain_curve": columns_of([]), "crossing": crossing([])}
    if most:
        found = _gained(paired["rl"].curve(most) - paired["base"].curve(most), resampling, shown or sizes(most))
    reason = None if both.any() else "no problem has a verdict on draws of both models"
    return {**found, "solvable": _solvable(paired, problems[both], resampling), "reason": reason}


def _gained(differences: Float[np.ndarray, "problems k"], resampling: Resampling, shown: Ks) -> dict[str, Any]:
    """pass@k of RL minus that of the base: paired intervals and p-values, who wins, and where the curves cross."""
    differences = np.where(np.isclose(differences, 0, atol=1e-12), 0.0, differences)  # equal counts are a tie
    every, p_values = mean_differences(differences, resampling)
    gain = {
        str(k): {
            "difference": every[k - 1],
            "p_value": p_values[k - 1],
            "p_floor": resampling.smallest_p,
            "wins": int((differences[:, k - 1] > 0).sum()),
            "ties": int((differences[:, k - 1] == 0).sum()),
            "losses": int((differences[:, k - 1] < 0).sum()),
        }
        for k in shown
        if k <= len(every)
    }
    return {"gain": gain, "gain_curve": columns_of(every), "crossing": crossing(every)}


def _solvable(paired: Mapping[str, Draws], problems: pd.Index, resampling: Resampling) -> dict[str, Any]:
    """The problems with a right draw from both, either or neither model, and McNemar's exact test of the two that
    differ. More draws would move problems from `neither` to the others: a set is of these draws, not of a model.

    `unseen_at_most`: of a problem of which none of n draws is right, each draw was right with at most this chance, with
    the confidence of the reading: 1 - (1 - confidence)^(1/n), at 95 % the rule of three, 3 / n.
    """
    base, rl = paired["base"].at_all, paired["rl"].at_all
    sets = {"both": base & rl, "base_only": base & ~rl, "rl_only": rl & ~base, "neither": ~base & ~rl}
    n, doubt = len(problems), 1 - resampling.confidence
    fewest = {m: paired[m].fewest for m in MEMBERS}
    return {
        "problems": n,
        "draws": fewest,
        "counts": {name: int(kept.sum()) for name, kept in sets.items()},
        "shares": {name: proportion(int(kept.sum()), n, resampling) for name, kept in sets.items()},
        "unseen_at_most": {m: 1 - doubt ** (1 / draws) if draws else None for m, draws in fewest.items()},
        "p_value": mcnemar(base, rl).p_value if n else None,
        "base_only": problems[sets["base_only"]].tolist(),
        "rl_only": problems[sets["rl_only"]].tolist(),
    }
