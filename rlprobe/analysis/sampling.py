"""What sampling shows of a base model and its RL model: their texts, and pass@k of the counts of right answers.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Every interval
resamples problems; pass@k itself is passk.py's. Knows no torch, no disk, and nothing of how a number is printed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.accuracy import KEY, accuracy, differ_much
from rlprobe.analysis.classes import ANSWERS
from rlprobe.analysis.disagreement import count_left_out, extent, plain
from rlprobe.analysis.passk import Counts, Draws, alone, compared
from rlprobe.analysis.responses import responses_of
from rlprobe.analysis.statistics import Clusters, Interval, mean, rate
from rlprobe.records import MEMBERS, Status
from rlprobe.settings import Reading, Resampling

CHOICES = ("problem_id", "token_id", "argmax_base", "argmax_rl")  # the columns that `choices` needs


def summarise(
    rollouts: pd.DataFrame, grades: pd.DataFrame, reading: Reading, left_out: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Everything `rlprobe sample` says, as a dictionary that JSON can hold.

    `rollouts` (or what `responses_of` tells of them) and `grades` have the columns of records.ROLLOUT_SCHEMA and
    GRADE_SCHEMA; their arms are "base" and "rl",
    or one of them, with the same draws of each. `left_out` gives the reason for each problem_id that is not in the run.
    """
    rows = responses_of(rollouts) if "response_ids" in rollouts else rollouts
    problems = pd.Index(sorted(set(rows["problem_id"])))
    statuses = rows[KEY].merge(grades, on=KEY, how="left")
    summary = {
        "reading": reading,
        "members": {m: _text(rows[rows["arm"] == m], reading.resampling) for m in MEMBERS},
        "answers": {answer: _under(statuses, f"status_{answer}", problems, reading) for answer in ANSWERS},
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


def choices(stretches: Iterable[pd.DataFrame], problems: pd.Index, resampling: Resampling) -> dict[str, Interval]:
    """Whose first choice a text has where the two models that read it differ: RL's, the base's, or neither's.

    `stretches` are rows of a token table with the columns CHOICES. `differ` is the share of all positions, the others
    are shares of those where the models differ; they add up to 1.
    """
    sums: dict[str, Any] = dict.fromkeys(("tokens", "differ", *MEMBERS))
    for rows in stretches:
        clusters = Clusters(problems.get_indexer(pd.Index(rows["problem_id"])), len(problems))
        drawn, base, rl = (rows[name].to_numpy() for name in ("token_id", "argmax_base", "argmax_rl"))
        found = {"tokens": np.ones(len(rows), bool), "differ": base != rl}
        found |= {"base": found["differ"] & (drawn == base), "rl": found["differ"] & (drawn == rl)}
        sums = {name: clusters.sums(which, sums[name]) for name, which in found.items()}
    if sums["tokens"] is None:
        return {}
    sums["neither"] = sums["differ"] - sums["base"] - sums["rl"]
    shares = {name: rate(sums[name], sums["differ"], resampling) for name in (*MEMBERS, "neither")}
    return {"differ": rate(sums["differ"], sums["tokens"], resampling), **shares}


def _text(responses: pd.DataFrame, resampling: Resampling) -> dict[str, Any] | None:
    """How long a member's responses are, how many were cut, and how surprising their tokens were to itself (nats).

    The mean of -log p (temperature 1) over drawn tokens: where they were drawn at temperature 1 from the whole
    distribution, it estimates the entropy per token along the model's own text.
    """
    if responses.empty:
        return None
    codes, problems = pd.factorize(responses["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    nats, tokens = (clusters.sums(responses[name].to_numpy(np.float64)) for name in ("nats", "tokens"))
    surprisal = mean(nats, tokens, resampling)
    return {**extent(responses, resampling), "draws": int(responses["draw"].nunique()), "surprisal": surprisal}


def _under(statuses: pd.DataFrame, status: str, problems: pd.Index, reading: Reading) -> dict[str, Any]:
    """By one answer policy: each member, the gain of RL at each k, and the problems that either solves."""
    draws = {m: draws_of(statuses[statuses["arm"] == m], status, problems) for m in MEMBERS}
    members = {m: alone(each, reading.resampling) for m, each in draws.items()}
    for m, found in members.items():
        if found:
            mine = statuses[statuses["arm"] == m]
            found["no_answer"] = _no_answer(mine, status, draws[m], problems, reading.resampling)
    base, rl = (found["no_answer"] if found else None for found in members.values())
    return {
        "members": members,
        "no_answer_differs": differ_much(base, rl),
        **compared(draws, problems, reading.resampling),
    }


def draws_of(statuses: pd.DataFrame, status: str, problems: pd.Index) -> Draws:
    """The counts of one model's draws, from a table with a row a draw and its verdict in the column `status`."""
    return Draws(*(_count(statuses, kept, problems) for kept in (statuses[status].notna(), _is(statuses, status))))


def _no_answer(
    statuses: pd.DataFrame, status: str, draws: Draws, problems: pd.Index, resampling: Resampling
) -> Interval:
    """The share of draws with a verdict in which no answer was found."""
    silent = _count(statuses, _is(statuses, status, Status.NO_ANSWER), problems)
    return accuracy(silent[draws.known], draws.drawn[draws.known], resampling)


def _is(statuses: pd.DataFrame, status: str, wanted: Status = Status.CORRECT) -> pd.Series:
    return statuses[status] == wanted.value


def _count(statuses: pd.DataFrame, kept: pd.Series, problems: pd.Index) -> Counts:
    codes = problems.get_indexer(pd.Index(statuses["problem_id"]))
    return Clusters(codes, len(problems)).sums(kept.to_numpy(dtype=bool)).astype(np.int64)
