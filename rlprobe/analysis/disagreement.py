"""Where a base model and its RL model disagree: one summary of a run's token table.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Every rate has an
interval that resamples problems. Rates on the base's responses and on RL's are different numbers and stay apart.
Knows no torch, no disk, and nothing of how a number is printed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from rlprobe.analysis import accuracy, noise, perplexity, sharpening
from rlprobe.analysis.answered import behind_answer
from rlprobe.analysis.classes import CLASSES
from rlprobe.analysis.responses import responses_of
from rlprobe.analysis.statistics import Clusters, Sums, macro_rate, mean, rate, ratio_of_means, streamed_auroc
from rlprobe.analysis.streams import compensated, medians, total
from rlprobe.analysis.texts import Of, Text, every_row, in_class, only, text_of
from rlprobe.records import MEMBERS, OUTSIDE, Stop
from rlprobe.settings import Reading, Resampling

__all__ = ["COLUMNS", "RATES", "Reading", "arms_of", "summarise"]

Mask = Bool[np.ndarray, " rows"]

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
    behind = None if grades is None or grades.empty else behind_answer(tokens, grades, reading.answer)
    marked = tokens if behind is None else tokens.assign(after_answer=behind)
    texts = texts_with(marked, rollouts, reading.class_k)
    return summarise_texts(texts, responses_of(rollouts), grades, reading, token_text, left_out)


def texts_with(tokens: pd.DataFrame, rollouts: pd.DataFrame, class_k: int = 5) -> dict[str, Text]:
    """The texts of a run with what was said while they were decoded, base and rl first."""
    return {arm: _read(tokens, rollouts, arm, class_k) for arm in arms_of(tokens, rollouts)}


def _read(tokens: pd.DataFrame, rollouts: pd.DataFrame, arm: str, class_k: int) -> Text:
    """The text of an arm; its problems are those of its rollouts too, of which one may have no row."""
    own, theirs = tokens[tokens["arm"] == arm], rollouts[rollouts["arm"] == arm]
    own = own.sort_values(["problem_id", "draw", "position"], kind="stable")
    problems = np.array(sorted({*own["problem_id"], *theirs["problem_id"]}), dtype=object)
    return text_of(own.assign(**{noise.DECODED: noise.decoded(own, theirs)}), problems, class_k)


def summarise_texts(
    texts: Mapping[str, Text],
    responses: pd.DataFrame,
    grades: pd.DataFrame | None,
    reading: Reading,
    token_text: Callable[[int], str] = "#{}".format,
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`summarise` of texts (with noise.DECODED and, where answers are known, after_answer) that may lie on disk.

    `responses` has a row for each response of them, as `responses_of` gives it.
    """
    floor = noise.measure(texts, reading.resampling)
    trajectories = {}
    for arm, text in texts.items():
        rows = Trajectory(text, floor["near_tie"]["threshold"], reading.resampling)
        own = responses[responses["arm"] == arm]
        trajectories[arm] = _trajectory(rows, own, reading, token_text) | _outside(text) | _identical(text)
    summary = {
        "reading": reading,
        "noise": floor,
        "trajectories": trajectories,
        "perplexity_ratio": perplexity.ratio(texts, responses, reading.resampling),
        "accuracy": None if grades is None else accuracy.compare(responses, grades, reading.resampling),
        "sampler": noise.sampler_mismatch(texts, responses, reading.resampling),
        "left_out": count_left_out(left_out or {}),
    }
    return plain(summary)


def arms_of(*tables: pd.DataFrame) -> list[str]:
    """The arms of the tables, base and rl first."""
    return in_order({arm for t in tables for arm in t["arm"].unique()})


def in_order(arms: Iterable[str]) -> list[str]:
    """Arms with base and rl first."""
    return sorted(arms, key=lambda arm: (arm not in MEMBERS, arm))


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A text with what every statistic below asks of its rows; rows of a margin below `near_tie` (nats) are near ties.

    The problems are those of the responses: one of them may have no row.
    """

    text: Text
    near_tie: float | None
    resampling: Resampling

    def near_ties(self, rows: Text) -> Mask:
        """Where either model all but says something else."""
        assert self.near_tie is not None
        return np.minimum(rows.rows["margin_base"], rows.rows["margin_rl"]) < self.near_tie

    def totals(self, column: str, *among: Of) -> list[tuple[Sums, Sums]]:
        """Per problem the sum of a column over some rows, and the number of those rows, for each kind of rows."""
        sums = self.text.sums(*among, *(only(rows, column) for rows in among))
        return list(zip(sums[len(among) :], sums[: len(among)], strict=True))


def _both(one: Of, other: Of) -> Of:
    return lambda rows: one(rows) & other(rows)


def _disagrees(rows: Text) -> Mask:
    return rows.disagrees


EVENTS: dict[str, Of] = {**{name: in_class(name) for name in CLASSES}, "disagreements": _disagrees}


def _outside(text: Text) -> dict:
    """What each model puts outside the common vocabulary, where a head knows ids that are: mean, and the largest."""
    if not len(text) or not {*OUTSIDE} <= {*text.rows}:
        return {}
    found = {}
    for m in MEMBERS:
        largest = max(float(rows.numbers(f"outside_{m}").max()) for rows in text.stretches())
        whole = total((rows.numbers(f"outside_{m}") for rows in text.stretches()), len(text))
        found[m] = {"mean": whole / len(text), "largest": largest}
    return {"outside": found}


def _identical(text: Text) -> dict:
    """A word where the two models say the very same of every token: then the RL model is the base."""
    columns = (("logprob_base", "logprob_rl"), ("argmax_base", "argmax_rl"))
    same = all((rows.rows[a] == rows.rows[b]).all() for rows in text.stretches() for a, b in columns)
    return {"identical": True} if len(text) and same else {}


def _trajectory(rows: Trajectory, responses: pd.DataFrame, reading: Reading, token_text: Callable[[int], str]) -> dict:
    return {
        **extent(responses, reading.resampling),
        "tokens": len(rows.text),
        "rates": _rates(rows),
        "ranks": _ranks(rows),
        "entropy": _entropy(rows),
        "detector": _detector(rows, reading.tau),
        "swaps": _swaps(rows.text, token_text),
        "sharpening": sharpening.sharpening(rows.text, rows.resampling),
        "perplexity": perplexity.perplexity(rows.text, rows.resampling),
    }


def extent(responses: pd.DataFrame, resampling: Resampling) -> dict:
    """How many problems and responses, how many of those were cut, and how long they are (`tokens`)."""
    codes, problems = pd.factorize(responses["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    counts = clusters.sums(np.ones(len(responses)))
    cut = clusters.sums((responses["stop"] == Stop.LENGTH.value).to_numpy(dtype=bool))
    lengths = responses["tokens"].to_numpy(dtype=np.float64)
    return {
        "problems": len(problems),
        "responses": len(responses),
        "empty": int((lengths == 0).sum()),
        "truncated": replace(rate(cut, counts, resampling), n_tokens=None),
        "length": replace(mean(clusters.sums(lengths), counts, resampling), n_tokens=None),
    }


def _rates(rows: Trajectory) -> dict:
    """By subset of the positions, its rates; a subset that this run cannot tell apart is None."""
    subsets: dict[str, Of | None] = {
        "all": every_row,
        "without_terminator": lambda text: ~text.rows["terminator"],
        "up_to_answer": (lambda text: ~text.rows["after_answer"]) if "after_answer" in rows.text.rows else None,
        "without_near_ties": (lambda text: ~rows.near_ties(text)) if rows.near_tie is not None else None,
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


def _rates_among(rows: Trajectory, kept: Of) -> dict:
    """The size of one subset, and in it the micro and macro rates of each class and of all disagreements."""
    among, everything, *events = rows.text.sums(kept, _disagrees, *(_both(event, kept) for event in EVENTS.values()))
    of = dict(zip(EVENTS, events, strict=True))
    n, size, disagreements = len(rows.text), int(among.sum()), int(everything.sum())
    gone = disagreements - int(of["disagreements"].sum())
    return {
        "tokens": size,
        "removed": (n - size) / n if n else None,
        "reason": None,
        "removed_of_disagreements": gone / disagreements if disagreements else None,
        "micro": {event: rate(of[event], among, rows.resampling) for event in RATES},
        "macro": {event: macro_rate(of[event], among, rows.resampling) for event in RATES},
    }


def _ranks(rows: Trajectory) -> dict:
    """The base's rank of RL's argmax where the two disagree: its mean, and how often each rank occurs."""
    counts = np.zeros(len(RANK_BINS), np.int64)
    for part in rows.text.stretches():
        ranks = part.rows["rank_base_of_rl"][part.disagrees]
        counts += np.bincount(np.searchsorted(list(RANK_BINS.values()), ranks), minlength=len(RANK_BINS))
    (totals,) = rows.totals("rank_base_of_rl", _disagrees)
    histogram = dict(zip(RANK_BINS, counts.tolist(), strict=True))
    return {"mean": mean(*totals, rows.resampling), "histogram": histogram}


def _entropy(rows: Trajectory) -> dict:
    """The base's entropy (nats) by class, and the ratio of the means, reranked to unchanged."""
    totals = dict(zip(CLASSES, rows.totals("entropy_base", *map(in_class, CLASSES)), strict=True))
    sizes = [int(counts.sum()) for _, counts in totals.values()]
    middles = medians(lambda: (entropies_by_class(part) for part in rows.text.stretches()), sizes)
    return {
        "mean": {name: mean(*of, rows.resampling) for name, of in totals.items()},
        "median": dict(zip(CLASSES, middles, strict=True)),
        "ratio": ratio_of_means(totals["reranked"], totals["unchanged"], rows.resampling),
    }


def entropies_by_class(rows: Text) -> list[Float[np.ndarray, " some"]]:
    """The base's entropies (nats) in each of `CLASSES`."""
    return [rows.numbers("entropy_base")[rows.kinds == number] for number in range(len(CLASSES))]


def _detector(rows: Trajectory, tau: float) -> dict:
    """The base's entropy as a detector of disagreement: AUROC, and what a gate at `tau` (nats) would do."""
    resampling, text = rows.resampling, rows.text

    def gate(part: Text) -> Mask:
        return part.rows["entropy_base"] > tau

    gated, everywhere, disagrees, both = text.sums(gate, every_row, _disagrees, _both(gate, _disagrees))
    scored = lambda: ((part.rows["entropy_base"], part.disagrees, part.clusters) for part in text.stretches())  # noqa: E731
    return {
        "tau": tau,
        "auroc": streamed_auroc(scored, text.n, resampling),
        "gated": rate(gated, everywhere, resampling),
        "precision": rate(both, gated, resampling),
        "recall": rate(both, disagrees, resampling),
    }


def _swaps(text: Text, token_text: Callable[[int], str]) -> list[dict]:
    """The most frequent pairs (base's argmax, RL's argmax) among the disagreements, the commonest first."""
    tables = [_swaps_in(rows) for rows in text.stretches()]
    swaps = pd.concat(tables).groupby(["argmax_base", "argmax_rl"]).sum().reset_index()
    swaps = swaps.sort_values(["count", "argmax_base", "argmax_rl"], ascending=[False, True, True])
    disagreements = int(swaps["count"].sum())
    return [
        {
            "base_id": swap["argmax_base"],
            "rl_id": swap["argmax_rl"],
            "base": token_text(swap["argmax_base"]),
            "rl": token_text(swap["argmax_rl"]),
            "count": swap["count"],
            "share": swap["count"] / disagreements,
            "problems": swap["problems"],
            "mean_entropy": _mean_entropy(text, swap["argmax_base"], swap["argmax_rl"], swap["count"]),
        }
        for swap in swaps.head(SWAPS).to_dict("records")  # plain ints and floats
    ]


def _swaps_in(rows: Text) -> pd.DataFrame:
    """The swaps of a stretch: a problem has all of its rows in one, so that problems can be added up."""
    found = pd.DataFrame({m: rows.rows[m][rows.disagrees] for m in ("argmax_base", "argmax_rl")})
    found = found.assign(problem=rows.clusters.codes[rows.disagrees])
    return (
        found.groupby(["argmax_base", "argmax_rl"])
        .agg(count=("problem", "size"), problems=("problem", "nunique"))
        .reset_index()
    )


def _mean_entropy(text: Text, base_id: int, rl_id: int, count: int) -> float:
    """The base's mean entropy (nats) where it would say the one and RL the other."""

    def here(rows: Text) -> Mask:
        return rows.disagrees & (rows.rows["argmax_base"] == base_id) & (rows.rows["argmax_rl"] == rl_id)

    return compensated(rows.numbers("entropy_base")[here(rows)] for rows in text.stretches()) / count


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
