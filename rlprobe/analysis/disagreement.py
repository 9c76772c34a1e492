"""Where a base model and its RL model disagree: one summary of a run's token table.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Every rate has an
interval that resamples problems. Rates on the base's responses and on RL's are different numbers and stay apart.
Knows no torch, no disk, and nothing of how a number is printed.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis import accuracy, noise, perplexity, sharpening
from rlprobe.analysis.answered import behind_answer
from rlprobe.analysis.classes import CLASSES, classify
from rlprobe.analysis.statistics import Clusters, auroc, macro_rate, mean, rate, ratio_of_means
from rlprobe.analysis.trajectory import Mask, Trajectory
from rlprobe.records import MEMBERS, OUTSIDE, Stop
from rlprobe.settings import Reading, Resampling

__all__ = ["COLUMNS", "RATES", "Reading", "arms_of", "summarise"]

RATES = (*CLASSES, "disagreements")  # disagreements = reranked + shifted
SWAPS = 20  # how many of the most frequent swaps are kept
RANK_BINS = {"2": 2, "3": 3, "4": 4, "5": 5, "6-10": 10, "11-20": 20, "21-100": 100, ">100": np.inf}  # label: last rank

# What `summarise` reads of a token table; a reader of Parquet need not load the rest.
COLUMNS = (
    *("arm", "problem_id", "draw", "position", "token_id", "logprob_base", "logprob_rl", "argmax_base", "argmax_rl"),
    *("margin_base", "margin_rl", "entropy_base", "rank_base_of_rl", *sharpening.COLUMNS),
    "terminator",
)


def summarise(
    tokens: pd.DataFrame,
    rollouts: pd.DataFrame,
    grades: pd.DataFrame | None,
    reading: Reading,
    token_text: Callable[[int], str] = "#{}".format,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Everything `rlprobe disagree` says, as a dictionary that JSON can hold.

    `tokens`, `rollouts` and `grades` have the columns of records.TOKEN_SCHEMA, ROLLOUT_SCHEMA and GRADE_SCHEMA, in any
    order of rows; every arm in them is a trajectory. Documents have no grades: None. `token_text` gives the string of a
    token id; `left_out` the reason for each problem_id that is not in the run. Raises RlprobeError where tokens and
    rollouts do not match.
    """
    floor = noise.measure(tokens, rollouts, reading.resampling)
    threshold = floor["near_tie"]["threshold"]
    behind = None if grades is None or grades.empty else behind_answer(tokens, grades, reading.answer)
    trajectories, texts = dict[str, Any](), dict[str, Trajectory]()
    for arm in arms_of(tokens, rollouts):
        responses = rollouts[rollouts["arm"] == arm]
        here = (tokens["arm"] == arm).to_numpy(dtype=bool)
        own = tokens[here].assign(**({} if behind is None else {"after_answer": behind[here]}))
        columns = [*COLUMNS, *(("after_answer",) if behind is not None else ())]
        rows = texts[arm] = mark(own[columns], responses, reading, threshold)
        trajectories[arm] = _trajectory(rows, responses, reading, token_text) | _outside(own) | _identical(own)
    summary = {
        "reading": reading,
        "noise": floor,
        "trajectories": trajectories,
        "perplexity_ratio": perplexity.ratio(texts, reading.resampling),
        "accuracy": None if grades is None else accuracy.compare(rollouts, grades, reading.resampling),
        "sampler": noise.sampler_mismatch(tokens, rollouts, reading.resampling),
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


def arms_of(*tables: pd.DataFrame) -> list[str]:
    """The arms of the tables, base and rl first."""
    return sorted({arm for t in tables for arm in t["arm"].unique()}, key=lambda arm: (arm not in MEMBERS, arm))


def mark(tokens: pd.DataFrame, rollouts: pd.DataFrame, reading: Reading, near_tie: float | None) -> Trajectory:
    """The rows of one arm with what every statistic below asks of them, in the order of their keys.

    Adds the columns class, disagrees (bool) and, where the threshold (nats) is known, near_tie (bool), and keeps
    after_answer where it is there. The problems are those of the rollouts: one of them may have no row.
    """
    problems = np.unique(np.concatenate([tokens["problem_id"].unique(), rollouts["problem_id"].unique()]))
    codes = pd.Categorical(tokens["problem_id"], categories=problems).codes.astype(np.int64)
    order = np.lexsort((tokens["position"], tokens["draw"], codes))  # sums of floats depend on it in the last digit
    tokens, codes = tokens.iloc[order], codes[order]
    kinds = classify(tokens, reading.class_k)
    marks: dict[str, Any] = {
        "class": kinds,
        "disagrees": (kinds != "unchanged").to_numpy(dtype=bool),
    }
    if "after_answer" in tokens:
        marks["after_answer"] = tokens["after_answer"]
    if near_tie is not None:
        marks["near_tie"] = np.minimum(tokens["margin_base"], tokens["margin_rl"]) < near_tie
    rows = tokens[[*_KEPT, *perplexity.COLUMNS, *sharpening.COLUMNS]].assign(**marks)
    return Trajectory(rows, Clusters(codes, len(problems)), reading.resampling, problems)


_KEPT = ("draw", "argmax_base", "argmax_rl", "rank_base_of_rl", "entropy_base", "terminator")


def _outside(tokens: pd.DataFrame) -> dict:
    """What each model puts outside the common vocabulary, where a head knows ids that are: mean, and the largest."""
    if not len(tokens) or not {*OUTSIDE} <= {*tokens.columns}:
        return {}
    found = {m: tokens[f"outside_{m}"].to_numpy(dtype=np.float64) for m in MEMBERS}
    return {"outside": {m: {"mean": float(p.mean()), "largest": float(p.max())} for m, p in found.items()}}


def _identical(tokens: pd.DataFrame) -> dict:
    """A word where the two models say the very same of every token: then the RL model is the base."""
    same = len(tokens) and (tokens["logprob_base"] == tokens["logprob_rl"]).all()
    return {"identical": True} if same and (tokens["argmax_base"] == tokens["argmax_rl"]).all() else {}


def _trajectory(rows: Trajectory, rollouts: pd.DataFrame, reading: Reading, token_text: Callable[[int], str]) -> dict:
    return {
        **extent(rollouts, reading.resampling),
        "tokens": len(rows.rows),
        "rates": _rates(rows),
        "ranks": _ranks(rows),
        "entropy": _entropy(rows),
        "detector": _detector(rows, reading.tau),
        "swaps": _swaps(rows, token_text),
        "sharpening": sharpening.sharpening(rows),
        "perplexity": perplexity.perplexity(rows),
    }


def extent(rollouts: pd.DataFrame, resampling: Resampling) -> dict:
    """How many problems and responses, how many of those were cut, and how long they are (tokens)."""
    codes, problems = pd.factorize(rollouts["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    responses = clusters.sums(np.ones(len(rollouts)))
    cut = clusters.sums((rollouts["stop"] == Stop.LENGTH.value).to_numpy(dtype=bool))
    lengths = rollouts["response_ids"].map(len).to_numpy(dtype=np.float64)
    return {
        "problems": len(problems),
        "responses": len(rollouts),
        "empty": int((lengths == 0).sum()),
        "truncated": replace(rate(cut, responses, resampling), n_tokens=None),
        "length": replace(mean(clusters.sums(lengths), responses, resampling), n_tokens=None),
    }


def _rates(rows: Trajectory) -> dict:
    """By subset of the positions, its rates; a subset that this run cannot tell apart is None."""
    subsets = {
        "all": np.ones(len(rows.rows), bool),
        "without_terminator": ~rows.mask("terminator"),
        "up_to_answer": ~rows.mask("after_answer") if "after_answer" in rows.rows else None,
        "without_near_ties": ~rows.mask("near_tie") if "near_tie" in rows.rows else None,
    }
    found = {name: None if kept is None else _rates_among(rows, kept) for name, kept in subsets.items()}
    if (apart := found["without_near_ties"]) and (reason := no_filter(apart)):
        apart |= {"reason": reason, "micro": None, "macro": None}
    return found


def no_filter(apart: Mapping[str, Any]) -> str | None:
    """Why leaving near ties out says nothing here: what removes nothing, or all there is to see, is no filter."""
    if not apart["removed"]:
        return "no token is a near tie: the threshold removes nothing"
    if apart["removed"] == 1 or apart["removed_of_disagreements"] == 1:
        what = "token" if apart["removed"] == 1 else "disagreement"
        return f"every {what} is a near tie: the threshold removes all there is to see"
    return None


def _rates_among(rows: Trajectory, kept: Mask) -> dict:
    """The size of one subset, and in it the micro and macro rates of each class and of all disagreements."""
    disagrees = rows.mask("disagrees")
    return {
        "tokens": int(kept.sum()),
        "removed": float(np.mean(~kept)) if len(kept) else None,
        "reason": None,
        "removed_of_disagreements": float(np.mean(~kept[disagrees])) if disagrees.any() else None,
        "micro": {event: rows.rate(_events(rows, event), kept) for event in RATES},
        "macro": {event: rows.rate(_events(rows, event), kept, macro_rate) for event in RATES},
    }


def _events(rows: Trajectory, event: str) -> Mask:
    return rows.mask("disagrees" if event == "disagreements" else event)


def _ranks(rows: Trajectory) -> dict:
    """The base's rank of RL's argmax where the two disagree: its mean, and how often each rank occurs."""
    disagrees = rows.mask("disagrees")
    ranks = rows.rows["rank_base_of_rl"].to_numpy()[disagrees]
    counts = np.bincount(np.searchsorted(list(RANK_BINS.values()), ranks), minlength=len(RANK_BINS))
    histogram = dict(zip(RANK_BINS, counts.tolist(), strict=True))
    return {"mean": rows.mean("rank_base_of_rl", disagrees), "histogram": histogram}


def _entropy(rows: Trajectory) -> dict:
    """The base's entropy (nats) by class, and the ratio of the means, reranked to unchanged."""
    entropy = rows.rows["entropy_base"].to_numpy(dtype=np.float64)
    by_class = {name: rows.mean("entropy_base", rows.mask(name)) for name in CLASSES}
    medians = {name: float(np.median(entropy[mask])) if (mask := rows.mask(name)).any() else None for name in CLASSES}
    reranked, unchanged = (rows.totals("entropy_base", rows.mask(name)) for name in ("reranked", "unchanged"))
    return {"mean": by_class, "median": medians, "ratio": ratio_of_means(reranked, unchanged, rows.resampling)}


def _detector(rows: Trajectory, tau: float) -> dict:
    """The base's entropy as a detector of disagreement: AUROC, and what a gate at `tau` (nats) would do."""
    entropy, disagrees = rows.rows["entropy_base"].to_numpy(), rows.mask("disagrees")
    gated, everywhere = entropy > tau, np.ones(len(entropy), bool)
    return {
        "tau": tau,
        "auroc": auroc(entropy, disagrees, rows.clusters, rows.resampling),
        "gated": rows.rate(gated, everywhere),
        "precision": rows.rate(disagrees, gated),
        "recall": rows.rate(gated, disagrees),
    }


def _swaps(rows: Trajectory, token_text: Callable[[int], str]) -> list[dict]:
    """The most frequent pairs (base's argmax, RL's argmax) among the disagreements, the commonest first."""
    disagrees = rows.mask("disagrees")
    found = rows.rows.loc[disagrees, ["argmax_base", "argmax_rl", "entropy_base"]]
    found = found.assign(problem=rows.clusters.codes[disagrees], entropy_base=found["entropy_base"].astype(np.float64))
    swaps = found.groupby(["argmax_base", "argmax_rl"]).agg(
        count=("problem", "size"), problems=("problem", "nunique"), entropy=("entropy_base", "mean")
    )
    swaps = swaps.reset_index().sort_values(["count", "argmax_base", "argmax_rl"], ascending=[False, True, True])
    return [
        {
            "base_id": swap["argmax_base"],
            "rl_id": swap["argmax_rl"],
            "base": token_text(swap["argmax_base"]),
            "rl": token_text(swap["argmax_rl"]),
            "count": swap["count"],
            "share": swap["count"] / len(found),
            "problems": swap["problems"],
            "mean_entropy": swap["entropy"],
        }
        for swap in swaps.head(SWAPS).to_dict("records")  # plain ints and floats
    ]


def count_left_out(reasons: Mapping[str, str]) -> dict:
    """How many problems are not in these numbers, and how many for each reason, the commonest first."""
    counts = Counter(reasons.values())
    return {"problems": len(reasons), "reasons": dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))}


def plain(value: Any) -> Any:
    """The same with dictionaries in place of dataclasses."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value
