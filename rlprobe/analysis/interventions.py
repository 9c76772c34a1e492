"""What each intervention did: one summary of the rollouts and grades of a run's arms.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Every arm stands
between the two ends, `base` and `rl`, and is compared with both on the problems that they share; arms that differ only
in their seed are one row. Accuracy and what follows from it are given for either answer, the last and the first.
Knows no torch, no disk, and nothing of gates, writers or of how a number is printed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from rlprobe.analysis.accuracy import KEY, accuracy, differ_much
from rlprobe.analysis.classes import ANSWERS
from rlprobe.analysis.disagreement import count_left_out, extent, plain
from rlprobe.analysis.responses import responses_of
from rlprobe.analysis.statistics import (
    Clusters,
    Interval,
    Sums,
    bootstrap_p_value,
    holm,
    mcnemar,
    mean,
    mean_difference,
    missing,
    rate,
    recovery,
)
from rlprobe.arm_labels import ENDS, ArmLabel, unnamed
from rlprobe.records import MEMBERS, Status
from rlprobe.settings import Reading, Resampling

WHOSE = {"base": "the base's own", "rl": "RL's own"}


def summarise(
    rollouts: pd.DataFrame,
    grades: pd.DataFrame,
    arms: Sequence[ArmLabel],
    reading: Reading,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything `rlprobe intervene` says, as a dictionary that JSON can hold.

    `rollouts` (or what `responses_of` tells of them) and `grades` have the columns of records.ROLLOUT_SCHEMA and
    GRADE_SCHEMA, in any order of rows; `arms` are those to show, without the two ends, in the order to show them; arms
    of the tables that are not among them are named, and counted where p-values are corrected for how many there are. An
    arm is compared with the same draws of the ends. `left_out` gives the reason for each problem_id that is not in the
    run. Of the result, "arms" has an entry for base, each title, and rl, in order.
    """
    titles, (rows, n) = _titles(arms), counted(rollouts, grades)
    pools = {title: Pool(rows[rows["arm"].isin([arm.name for arm in same])], n) for title, same in titles.items()}
    shown = {arm.name for same in titles.values() for arm in same}
    told = {title: _about(same) | _arm(title, same[0], pools, reading) for title, same in titles.items()}
    others = [unnamed(spec) for spec in sorted(set(rollouts["arm"]) - shown)]
    _correct({title: same[0] for title, same in titles.items()}, told, _Rest(rows, n, others, pools), reading)
    summary = {
        "reading": reading,
        "arms": told,
        "no_answer_differs": {
            answer: differ_much(*(told[end]["answers"][answer]["no_answer"] for end in MEMBERS)) for answer in ANSWERS
        },
        "other_arms": [arm.name for arm in others],
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """How often one arm answered each of the run's n problems right, or not at all, of the responses with a verdict."""

    correct: Sums
    no_answer: Sums
    graded: Sums

    @property
    def known(self) -> Bool[np.ndarray, " problems"]:
        """The problems with a verdict."""
        return self.graded > 0

    @property
    def single(self) -> bool:
        """Whether no problem was answered more than once."""
        return bool((self.graded <= 1).all())

    @property
    def shares(self) -> Float[np.ndarray, " problems"]:
        """Each problem's own accuracy; 0 where there is no verdict."""
        return self.correct / np.maximum(self.graded, 1)


@dataclass(frozen=True, slots=True)
class Pool:
    """The responses of the arms that share a title, one row each, and the number of problems of the run."""

    rows: pd.DataFrame
    n_problems: int

    def sums(self, column: str) -> Sums:
        """The sum of a column over the responses to each problem of the run."""
        return Clusters(self.rows["problem"].to_numpy(), self.n_problems).sums(self.rows[column].to_numpy(np.float64))

    def verdicts(self, answer: str) -> Verdicts:
        """Right, answerless and graded responses of each problem, by the last or the first answer."""
        return Verdicts(*(self.sums(f"{what}_{answer}") for what in ("correct", "no_answer", "graded")))


def _titles(arms: Sequence[ArmLabel]) -> dict[str, list[ArmLabel]]:
    """The arms that differ only in their seed under one title: base, then as given, then rl.

    Arms of several kinds that are called the same are told apart by their specification.
    """
    shown = [ENDS[0], *(arm for arm in arms if arm.name not in MEMBERS), ENDS[1]]
    kinds = {arm.title: {other.kind for other in shown if other.title == arm.title} for arm in shown}
    titles: dict[str, list[ArmLabel]] = {}
    for arm in shown:
        title = arm.title if len(kinds[arm.title]) == 1 else f"{arm.title}: {arm.kind}"
        titles.setdefault(title, []).append(arm)
    return titles


def _about(same: list[ArmLabel]) -> dict[str, Any]:
    """What the arms of one title are."""
    first, seeds = same[0], [arm.seed for arm in same if arm.seed is not None]
    shared = {name: getattr(first, name) for name in ("mode", "label", "dose", "host", "half")} | {"spec": first.kind}
    return {**shared, "names": [arm.name for arm in same], "seeds": seeds}


def counted(responses: pd.DataFrame, grades: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """One row a response, with all that is counted of it, and the number of problems.

    `responses` are rollouts, or what `responses_of` tells of them. Adds `problem` (a code from 0), `responses` (1),
    `no_ops`, and for either answer correct_, no_answer_ and graded_ (0 or 1).
    """
    rows = responses_of(responses) if "response_ids" in responses else responses
    codes, problems = pd.factorize(rows["problem_id"], sort=True)
    statuses = rows[KEY].merge(grades, on=KEY, how="left")  # keeps the order of the responses
    counts: dict[str, Any] = {"problem": codes, "responses": 1, "no_ops": rows["gated"] - rows["edited"]}
    for answer in ANSWERS:
        status = statuses[f"status_{answer}"]
        counts[f"graded_{answer}"] = status.notna().to_numpy(dtype=int)
        counts[f"correct_{answer}"] = (status == Status.CORRECT.value).to_numpy(dtype=int)
        counts[f"no_answer_{answer}"] = (status == Status.NO_ANSWER.value).to_numpy(dtype=int)
    return rows.assign(**counts), len(problems)


def _arm(title: str, arm: ArmLabel, pools: dict[str, Pool], reading: Reading) -> dict[str, Any]:
    pool, resampling = pools[title], reading.resampling
    identical = {end: _identical(pool, pools[end], resampling) for end in MEMBERS}
    same_as = arm.identity if arm.identity and identical[arm.identity].value == 1 else None
    identical |= {title: missing("it is this end itself")} if title in MEMBERS else {}
    return {
        **extent(pool.rows, resampling),
        **_edit_rates(pool, title in MEMBERS, resampling),
        "donors_token": _donors_token(pool, arm, title in MEMBERS, resampling),
        "identical": identical,
        "identity": same_as,
        "apart": None if title in MEMBERS else _apart(arm.identity, pool, pools, resampling),
        "answers": {answer: _answers(title, pools, answer, same_as, resampling) for answer in ANSWERS},
    }


def _apart(end: str | None, pool: Pool, pools: Mapping[str, Pool], resampling: Resampling) -> dict[str, Any] | None:
    """Of an arm that writes an end's own text in exact arithmetic: which end, and how many responses are not that text.

    None for every other arm. Where any response differs, rounding told the two apart, and the arm is no identity.
    """
    if end is None:
        return None
    both = _paired(pool, pools[end])
    differs, responses = both.sums("responses") - both.sums("same"), both.sums("responses")
    share = replace(rate(differs, responses, resampling), n_tokens=None)
    return {"end": end, "differing": int(differs.sum()), "responses": int(responses.sum()), "share": share}


def _identical(pool: Pool, end: Pool, resampling: Resampling) -> Interval:
    """The share of responses that have exactly the ids of an end's response to the same problem and draw."""
    paired = _paired(pool, end)
    return replace(rate(paired.sums("same"), paired.sums("responses"), resampling), n_tokens=None)


def _paired(pool: Pool, end: Pool) -> Pool:
    """The responses that an end has as well, to the same problem and draw; `same` where the ids are."""
    key = ["problem_id", "draw"]
    both = pool.rows.merge(end.rows[[*key, "ids"]], on=key, suffixes=("", "_end"))
    return Pool(both.assign(same=both["ids"] == both["ids_end"]), pool.n_problems)


def _edit_rates(pool: Pool, is_end: bool, resampling: Resampling) -> dict[str, Interval]:
    """Gated and edited, per token and per response, and the share of what was gated that changed nothing."""
    names = ("gated", "edited", "no_ops", "gated_per_response", "edited_per_response")
    if is_end:
        return dict.fromkeys(names, missing("it decodes alone"))
    gated, edited, responses = (pool.sums(name) for name in ("gated", "edited", "responses"))
    found = (
        rate(gated, pool.sums("tokens"), resampling),
        rate(edited, pool.sums("tokens"), resampling),
        rate(pool.sums("no_ops"), gated, resampling),
        replace(mean(gated, responses, resampling), n_tokens=None),
        replace(mean(edited, responses, resampling), n_tokens=None),
    )
    return dict(zip(names, found, strict=True))


def _donors_token(pool: Pool, arm: ArmLabel, is_end: bool, resampling: Resampling) -> Interval:
    """The share of edits that are the donor's own token; by construction where the arm writes nothing else."""
    if is_end:
        return missing("it decodes alone")
    edited = pool.sums("edited")
    donors = pool.sums("donors") if pool.rows["donors"].notna().all() else None
    if donors is None and arm.writes_donor is None:
        return missing("the donor's tokens were not kept when it was decoded")
    share = rate(edited * bool(arm.writes_donor) if donors is None else donors, edited, resampling)
    share = replace(share, n_tokens=int(edited.sum()))
    if arm.writes_donor is None or share.value is None:
        return share
    return replace(share, low=None, high=None, method=None, reason="by construction")


def _answers(
    title: str, pools: dict[str, Pool], answer: str, same_as: str | None, resampling: Resampling
) -> dict[str, Any]:
    """By one answer policy: accuracy, recovery, and the arm against either end."""
    verdicts = {name: pools[name].verdicts(answer) for name in {title, *MEMBERS}}
    mine, base, rl = verdicts[title], verdicts["base"], verdicts["rl"]
    graded = int(mine.graded.sum())
    return {
        "accuracy": accuracy(mine.correct, mine.graded, resampling),
        "no_answer": accuracy(mine.no_answer, mine.graded, resampling),
        "correct": int(mine.correct.sum()),
        "graded": graded,
        "ungraded": len(pools[title].rows) - graded,
        "recovery": _recovery(mine, base, rl, same_as, resampling),
        "against": {end: None if end == title else _against(mine, verdicts[end], resampling) for end in MEMBERS},
        "ends": {end: _on_the_same(mine, verdicts[end], resampling) for end in MEMBERS},
    }


def _on_the_same(arm: Verdicts, end: Verdicts, resampling: Resampling) -> Interval | None:
    """An end's accuracy on the problems that the arm has a verdict on; None where its own row is about just these."""
    if np.array_equal(arm.known, end.known):
        return None
    return accuracy(end.correct[arm.known], end.graded[arm.known], resampling)


def _recovery(arm: Verdicts, base: Verdicts, rl: Verdicts, same_as: str | None, resampling: Resampling) -> Interval:
    """On the problems with all three verdicts; an identity holds on every problem, and has no interval."""
    common = arm.known & base.known & rl.known
    found = recovery(arm.shares[common], base.shares[common], rl.shares[common], resampling)
    if same_as is None or found.value is None:
        return found
    return replace(found, low=None, high=None, method=None, reason=f"an identity: every response is {WHOSE[same_as]}")


def _against(arm: Verdicts, end: Verdicts, resampling: Resampling) -> dict[str, Any]:
    """The arm against one end on the problems that both have a verdict on.

    `repaired` problems are those the end gets wrong and the arm right, `broken` the other way round: expected numbers
    where a problem has several responses. One response a problem: McNemar's exact test; several: paired bootstrap.
    """
    common = arm.known & end.known
    mine, theirs, single = arm.shares[common], end.shares[common], arm.single and end.single
    number = int if single else float
    p_value = _p_value(arm, end, resampling)
    return {
        "problems": int(common.sum()),
        "difference": mean_difference(mine - theirs, resampling),
        "repaired": number((mine * (1 - theirs)).sum()),
        "broken": number(((1 - mine) * theirs).sum()),
        "p_value": p_value,
        "p_floor": None if single else resampling.smallest_p,
        "test": None if p_value is None else "McNemar, exact" if single else "paired bootstrap",
    }


def _p_value(arm: Verdicts, end: Verdicts, resampling: Resampling) -> float | None:
    """Two-sided, of the problems that both have a verdict on."""
    common = arm.known & end.known
    mine, theirs = arm.shares[common], end.shares[common]
    if arm.single and end.single:
        return mcnemar(theirs == 1, mine == 1).p_value if common.any() else None
    return bootstrap_p_value(mine - theirs, resampling)


# ---- many arms -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rest:
    """The arms of the tables that are not shown, and what their tests need."""

    rows: pd.DataFrame
    n_problems: int
    arms: Sequence[ArmLabel]
    pools: Mapping[str, Pool]

    def p_values(self, of: tuple[str, str], answer: str, end: str, resampling: Resampling) -> list[float]:
        """Those of the arms of this host and decoding against an end; arms that differ in their seed are one."""
        kinds = {arm.kind for arm in self.arms if (arm.host, arm.decoding) == of}
        names = {kind: [arm.name for arm in self.arms if arm.kind == kind] for kind in sorted(kinds)}
        pools = (Pool(self.rows[self.rows["arm"].isin(same)], self.n_problems) for same in names.values())
        against = self.pools[end].verdicts(answer)
        found = (_p_value(pool.verdicts(answer), against, resampling) for pool in pools)
        return [p_value for p_value in found if p_value is not None]


def _correct(arms: Mapping[str, ArmLabel], told: dict[str, Any], rest: _Rest, reading: Reading) -> None:
    """Beside each p-value that of Holm's correction, and for how many it corrects (`family`).

    A family is all comparisons with one end, by one answer, of the arms of the run that share a host and a decoding,
    shown or not, however many calls made them. The ends themselves are in none.
    """
    families = {(arm.host, arm.decoding) for title, arm in arms.items() if title not in MEMBERS}
    for of, answer, end in product(families, ANSWERS, MEMBERS):
        shown = [t for t, arm in arms.items() if t not in MEMBERS and (arm.host, arm.decoding) == of]
        tests = [told[title]["answers"][answer]["against"][end] for title in shown]
        known = [test for test in tests if test["p_value"] is not None]
        others = rest.p_values(of, answer, end, reading.resampling)
        adjusted = holm([*(test["p_value"] for test in known), *others])
        for test in tests:
            test |= {"p_adjusted": None, "family": len(adjusted)}
        for test, p_value in zip(known, adjusted, strict=False):  # the others come behind
            test["p_adjusted"] = p_value
