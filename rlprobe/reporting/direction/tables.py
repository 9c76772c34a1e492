"""The tables of `rlprobe direction`: each function takes a summary of analysis/direction.py and gives one table.

Entries are strings, whole numbers, `Cell`s and None, as formats.py wants them. Computes nothing.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from rlprobe.reporting.formats import Cell, quoted, table_of
from rlprobe.reporting.names import text_of

Summary = dict[str, Any]

DELTA_OF = {"token": "the token present", "argmax_base": "base's choice", "argmax_rl": "RL's choice"}
SPLITS = {
    "class": "class",
    "entropy": "base's entropy (nats)",
    "position": "place in the response",
    "divergence": "divergence of the two texts",
    "answer": "answer",
}
SIGNALS = {
    "delta": "Δ log p of the token",
    "abs_delta": "|Δ log p| of the token",
    "minus_delta_argmax_base": "−Δ log p of base's choice",
    "kl_rl_base": "KL(RL ‖ base)",
    "js": "JS",
    "entropy_base": "entropy of the base",
    "entropy_rl": "entropy of RL",
    "minus_margin_base": "−margin of the base",
}
AMONG = {
    "all": "all",
    "apart": "from the first divergence on",
    "apart_moved": "… where |Δ log p| ≥ 0.3",
    "apart_moved_unchanged": "… where |Δ log p| ≥ 0.3 and both agree",
    "apart_unchanged": "… where both agree",
    "apart_disagreements": "… where they disagree",
}
SIDES = {"suppressed": "suppressed", "promoted": "promoted"}


def tails_table(summary: Summary) -> pd.DataFrame:
    """How Δ log p is spread over each text: mean, median and the mass of either tail."""
    return _tails(row for row in summary["distributions"] if row["split"] == "all")


def tails_by_table(summary: Summary) -> pd.DataFrame:
    """The same by class, entropy, place, divergence and answer."""
    return _tails(row for row in summary["distributions"] if row["split"] != "all")


def _tails(found: Any) -> pd.DataFrame:
    rows = [
        {
            "text": text_of(row["text"]),
            "Δ log p of": DELTA_OF[row["delta_of"]],
            "split by": SPLITS.get(row["split"]),
            "group": row["group"],
            "tokens": row["tokens"],
            "mean": Cell.of(row["mean"], "nats"),
            "median": Cell(row["median"], unit="nats"),
            **{tail_title(tail): Cell.of(mass, "%") for tail, mass in row["tails"].items()},
        }
        for row in found
    ]
    titles = [title for title in (rows[0] if rows else {}) if rows[0]["split by"] or title not in ("split by", "group")]
    return table_of(rows, titles)


def tail_title(tail: str) -> str:
    """ "-0.3" and "+1" as inequalities."""
    return f"≤ −{tail[1:]}" if tail.startswith("-") else f"≥ {tail[1:]}"


def authorship_table(summary: Summary) -> pd.DataFrame:
    """The AUROC of each signal for "RL wrote this token", over both texts."""
    rows = [
        {"positions": AMONG[among], "signal": SIGNALS[name], "AUROC": Cell.of(found), "tokens": found["n_tokens"]}
        for among, signals in summary["separation"].items()
        for name, found in signals.items()
    ]
    return table_of(rows, ["positions", "signal", "AUROC", "tokens"])


def detection_table(summary: Summary) -> pd.DataFrame:
    """The AUROC of each signal for "the two models disagree here", on each text."""
    rows = [
        {"text": text_of(arm), "signal": SIGNALS[name], "AUROC": Cell.of(found), "tokens": found["n_tokens"]}
        for arm, signals in summary["detection"].items()
        for name, found in signals.items()
    ]
    return table_of(rows, ["text", "signal", "AUROC", "tokens"])


def words_table(summary: Summary) -> pd.DataFrame:
    """The commonest tokens of each tail, on each text."""
    rows = [
        {
            "text": text_of(arm),
            "tail": SIDES[side],
            "token": quoted(word["token"]),
            "in the tail": word["count"],
            "in the text": word["in_text"],
            "problems": word["problems"],
            "per problem": Cell.of(word["per_problem"]),
            "mean Δ log p": Cell(word["mean_delta"], unit="nats"),
        }
        for arm, found in summary["texts"].items()
        for side, words in found["words"].items()
        for word in words
    ]
    columns = ["text", "tail", "token", "in the tail", "in the text", "problems", "per problem", "mean Δ log p"]
    return table_of(rows, columns)


def divergence_table(summary: Summary) -> pd.DataFrame:
    """KL(RL ‖ base): its mean, the share of its sum that few positions hold; and the overlap of high entropy."""
    rows = []
    for arm, found in summary["texts"].items():
        share = found["divergence_share"]
        top = {f"in the top {100 * float(part):g} %": Cell.of(held, "%") for part, held in share["top"].items()}
        rows.append(
            {
                "text": text_of(arm),
                "tokens": found["tokens"],
                "mean KL": Cell.of(share["mean"], "nats"),
                **top,
                "at disagreements": Cell.of(share["at_disagreements"], "%"),
                "overlap of top-20 % entropy": Cell.of(found["entropy_overlap"], "%"),
            }
        )
    return table_of(rows, list(rows[0]))


def sparks_table(summary: Summary) -> pd.DataFrame:
    """What RL says, and has made likelier, though the base gives it little: sparks and noise."""
    rows = [
        {
            "text": text_of(arm),
            "base's probability": f"below {bound['below']:g}",
            "tokens": bound["count"],
            "rate": Cell.of(bound["rate"], "%"),
            "sparks": bound["sparks"],
            "noise": bound["noise"],
            "share of sparks": Cell.of(bound["spark_share"], "%"),
        }
        for arm, found in summary["texts"].items()
        for bound in found["promoted"]
    ]
    return table_of(rows, ["text", "base's probability", "tokens", "rate", "sparks", "noise", "share of sparks"])


# name of the table: summary -> table
TABLES: dict[str, Callable[[Summary], pd.DataFrame]] = {
    "tails": tails_table,
    "tails_by": tails_by_table,
    "authorship": authorship_table,
    "detection": detection_table,
    "words": words_table,
    "divergence": divergence_table,
    "sparks": sparks_table,
}
