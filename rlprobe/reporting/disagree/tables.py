"""The tables of `rlprobe disagree`: each function takes a summary of analysis/disagreement.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing but shares of counts.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pandas as pd

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell, quoted, table_of

Summary = dict[str, Any]

# What arXiv 2605.06241 reports over its four pairs, on the base's own MATH-500 responses: its text, and its Table 2 as
# a third party's note gives it.
PUBLISHED = {
    "arXiv 2605.06241, text": {"reranked": Cell(None, 0.010, 0.041, "%"), "shifted": Cell(0.0, unit="%")},
    "arXiv 2605.06241, table": {
        "reranked": Cell(None, 0.0103, 0.0396, "%"),
        "shifted": Cell(None, 0.0001, 0.0012, "%"),
    },
}
PUBLISHED_RANK = Cell(None, 2.14, 2.39)
PUBLISHED_RATIO = Cell(None, 5.0, 12.0, "×")

TEXT_OF = {"base": "the base's text", "rl": "RL's text", "responses": "the given text"}
POSITIONS = {
    "all": "all",
    "without_terminator": "without stop ids",
    "up_to_answer": "up to the answer",
    "without_near_ties": "without near ties",
}


def text_of(arm: Any) -> str:
    """Whose text a trajectory is, in words."""
    return TEXT_OF.get(arm, str(arm))


def classes_table(summary: Summary) -> pd.DataFrame:
    """Table 1: the class rates of each trajectory, per token, with the published ranges under them."""
    rows = [_classes(summary, arm, found) for arm, found in summary["trajectories"].items()]
    published = [
        {"trajectory": name, **rates, "mean base rank": PUBLISHED_RANK, "entropy ratio": PUBLISHED_RATIO}
        for name, rates in PUBLISHED.items()
    ]
    columns = ["trajectory", "problems", "tokens", "unchanged", "reranked", "shifted", "mean base rank"]
    return table_of([*rows, *published], [*columns, "entropy ratio", "disagreements without near ties", "noise floor"])


def _classes(summary: Summary, arm: str, found: dict) -> dict:
    micro, apart = found["rates"]["all"]["micro"], found["rates"]["without_near_ties"]
    return {
        "trajectory": arm,
        "problems": found["problems"],
        "tokens": found["tokens"],
        **{name: Cell.of(micro[name], "%") for name in ("unchanged", "reranked", "shifted")},
        "mean base rank": Cell.of(found["ranks"]["mean"]),
        "entropy ratio": Cell.of(found["entropy"]["ratio"], "×"),
        "disagreements without near ties": Cell.of(apart and apart["micro"] and apart["micro"]["disagreements"], "%"),
        "noise floor": noise_floor(summary, arm),
    }


def noise_floor(summary: Summary, arm: str) -> Cell:
    """The floor of the model that wrote the trajectory; empty where that was neither of the two."""
    model = summary["noise"]["models"].get(arm)
    return Cell.of(model and model["floor"], "%")


def rates_table(summary: Summary) -> pd.DataFrame:
    """Every rate: per token (micro) and per problem (macro), over all positions and over each part of them."""
    rows = [
        {
            "trajectory": arm,
            "positions": POSITIONS[subset],
            "class": event,
            "micro": Cell.of(rates["micro"][event], "%"),
            "macro": Cell.of(rates["macro"][event], "%"),
            "tokens": rates["tokens"],
            "removed": Cell(rates["removed"], unit="%"),
            "disagreements removed": Cell(rates["removed_of_disagreements"], unit="%"),
            "noise floor": noise_floor(summary, arm),
        }
        for arm, found in summary["trajectories"].items()
        for subset, rates in found["rates"].items()
        if rates is not None and rates["micro"] is not None
        for event in rates["micro"]
    ]
    columns = ["trajectory", "positions", "class", "micro", "macro", "tokens", "removed", "disagreements removed"]
    return table_of(rows, [*columns, "noise floor"])


def responses_table(summary: Summary) -> pd.DataFrame:
    """What was read: responses, how many of them were cut at the token limit, and their mean length in tokens."""
    rows = [
        {
            "trajectory": arm,
            **{name: found[name] for name in ("problems", "responses", "empty", "tokens")},
            "truncated": Cell.of(found["truncated"], "%"),
            "mean length": Cell.of(found["length"]),
        }
        for arm, found in summary["trajectories"].items()
    ]
    return table_of(rows, ["trajectory", "problems", "responses", "empty", "tokens", "truncated", "mean length"])


def accuracy_table(summary: Summary) -> pd.DataFrame:
    """Accuracy by either answer, and RL against base: the gain and McNemar's exact test of the discordant pairs."""
    columns = ["answer", "arm", "accuracy", "no answer", "correct", "graded", "ungraded"]
    columns += ["only base right", "only rl right"]
    return table_of(list(_accuracies(summary["accuracy"] or {})), [*columns, "McNemar p"])


def _accuracies(accuracy: dict) -> Iterator[dict]:
    for answer, found in accuracy.items():
        for arm, counts in found["arms"].items():
            shares = {name.replace("_", " "): Cell.of(counts[name], "%") for name in ("accuracy", "no_answer")}
            yield {"answer": answer, "arm": arm, **counts, **shares}
        if test := found["mcnemar"]:
            yield {
                "answer": answer,
                "arm": "rl - base",
                "accuracy": Cell.of(found["gain"], "%"),
                "only base right": test["only_base"],
                "only rl right": test["only_rl"],
                "McNemar p": Cell(test["p_value"]),
            }


def entropy_table(summary: Summary) -> pd.DataFrame:
    """The base's entropy by class, in nats, and its ratio to that of the unchanged positions."""
    rows = [
        {
            "trajectory": arm,
            "class": name,
            "tokens": mean["n_tokens"],
            "mean entropy": Cell.of(mean, "nats"),
            "median entropy": Cell(found["entropy"]["median"][name], unit="nats"),
            "ratio to unchanged": Cell.of(found["entropy"]["ratio"], "×") if name == "reranked" else None,
        }
        for arm, found in summary["trajectories"].items()
        for name, mean in found["entropy"]["mean"].items()
    ]
    return table_of(rows, ["trajectory", "class", "tokens", "mean entropy", "median entropy", "ratio to unchanged"])


def detector_table(summary: Summary) -> pd.DataFrame:
    """The base's entropy as a detector of disagreement: AUROC, and what a gate at tau would do."""
    rows = [
        {
            "trajectory": arm,
            "AUROC": Cell.of(found["detector"]["auroc"]),
            "tau": Cell(found["detector"]["tau"], unit="nats"),
            **{name: Cell.of(found["detector"][name], "%") for name in ("gated", "precision", "recall")},
        }
        for arm, found in summary["trajectories"].items()
    ]
    return table_of(rows, ["trajectory", "AUROC", "tau", "gated", "precision", "recall"])


def ranks_table(summary: Summary) -> pd.DataFrame:
    """How often RL's argmax had each base rank, over the disagreements."""
    histograms = {arm: found["ranks"]["histogram"] for arm, found in summary["trajectories"].items()}
    rows = [
        {"trajectory": arm, "base rank": rank, "disagreements": n, "share": _share(n, histogram.values())}
        for arm, histogram in histograms.items()
        for rank, n in histogram.items()
    ]
    return table_of(rows, ["trajectory", "base rank", "disagreements", "share"])


def swaps_table(summary: Summary) -> pd.DataFrame:
    """The most frequent swaps: what the base would say, what RL would say in its place."""
    rows = [
        {
            "trajectory": arm,
            "base": quoted(swap["base"]),
            "rl": quoted(swap["rl"]),
            "count": swap["count"],
            "share": Cell(swap["share"], unit="%"),
            "problems": swap["problems"],
            "mean entropy": Cell(swap["mean_entropy"], unit="nats"),
        }
        for arm, found in summary["trajectories"].items()
        for swap in found["swaps"]
    ]
    return table_of(rows, ["trajectory", "base", "rl", "count", "share", "problems", "mean entropy"])


def noise_table(summary: Summary) -> pd.DataFrame:
    """Each model on its own greedy text: the noise floor, and |logprob decoding - logprob teacher-forced| (nats)."""
    threshold = Cell(summary["noise"]["near_tie"]["threshold"], unit="nats")
    rows = [
        {
            "model": model,
            "positions": found["positions"],
            "differing": found["differing"],
            "noise floor": Cell.of(found["floor"], "%"),
            **{name: Cell(found["difference"][name], unit="nats") for name in ("mean", "p99", "max")},
            "small margins": found["difference"]["small"],
            "p99 of small margins": Cell(found["difference"]["p99_small"], unit="nats"),
            "near-tie threshold": threshold,
            "near ties": _near_ties(summary, model),
        }
        for model, found in summary["noise"]["models"].items()
    ]
    return table_of(
        rows,
        [
            *("model", "positions", "differing", "noise floor", "mean", "p99", "max"),
            *("small margins", "p99 of small margins", "near-tie threshold", "near ties"),
        ],
    )


def _near_ties(summary: Summary, model: str) -> Any:
    """The share of the tokens of a model's text that the threshold removes, or why it is no filter."""
    apart = summary["trajectories"].get(model, {}).get("rates", {}).get("without_near_ties")
    return apart and (apart["reason"] or Cell(apart["removed"], unit="%"))


def sampler_table(summary: Summary) -> pd.DataFrame:
    """The log-probabilities that came with responses made elsewhere, less those of either model (nats)."""
    sampler = summary["sampler"]
    rows = [
        {
            "model": model,
            **{name: sampler[name] for name in ("responses", "without", "tokens")},
            "mean difference": Cell.of(sampler[model]["mean"], "nats"),
            "mean size": Cell.of(sampler[model]["absolute"], "nats"),
            **{name: Cell(sampler[model][name], unit="nats") for name in ("p99", "max")},
        }
        for model in (MEMBERS if sampler else ())
    ]
    columns = ["model", "responses", "without", "tokens", "mean difference", "mean size", "p99", "max"]
    return table_of(rows, columns)


def _share(n: int, counts: Iterable[int]) -> Cell:
    """One of the counts as a share of them all; empty where they are all 0."""
    total = sum(counts)
    return Cell(n / total if total else None, unit="%")


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "classes": classes_table,
    "rates": rates_table,
    "responses": responses_table,
    "accuracy": accuracy_table,
    "entropy": entropy_table,
    "detector": detector_table,
    "ranks": ranks_table,
    "swaps": swaps_table,
    "noise": noise_table,
    "sampler": sampler_table,
}
