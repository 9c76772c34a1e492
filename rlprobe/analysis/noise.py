"""What reading twice costs: how far the numbers read along a text lie from those it was decoded with.

Each model, teacher-forced on its own greedy text, must choose the token it chose; the share of positions where it does
not is the noise floor of every disagreement rate: float arithmetic depends on shapes. The difference of the
two logprobs of an emitted token says how close a margin must be to mean nothing: a near tie. Most tokens are certain,
and their logprob has next to no error: only tokens of small margin, which can flip, say how large it is.
Knows texts and rollout tables; knows nothing of classes.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from rlprobe.analysis.statistics import Sums, mean, missing, rate
from rlprobe.analysis.streams import quantile, total
from rlprobe.analysis.texts import Text
from rlprobe.errors import RlprobeError
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

DECODED = "decoded"  # the column of what a token's logprob was when it was decoded
NEAR_TIE_FACTOR = 10
SMALL_MARGIN = 1.0  # nats; the likelier of two is at most e times as likely
FEWEST = 100  # tokens of small margin, for a 99th percentile
NEAR_TIE = (
    f"either model's margin is below {NEAR_TIE_FACTOR} x the larger of the two models' 99th percentiles of "
    "|logprob while decoding - logprob teacher-forced| over the tokens of its own greedy text "
    f"whose margin is below {SMALL_MARGIN:g} nat"
)


def measure(texts: Mapping[str, Text], resampling: Resampling) -> dict:
    """Per model its noise floor and the difference between decoding and teacher forcing; and the near-tie threshold.

    The text of a model is the one of its name, with the column `DECODED`; a model without one has None with a reason.
    """
    models = {m: _model(texts.get(m), m, resampling) for m in MEMBERS}
    told = [m["difference"] for m in models.values() if m["difference"]["p99"] is not None]
    found = [difference["p99_small"] for difference in told if difference["p99_small"] is not None]
    few = f"no model has {FEWEST} tokens of its own greedy text with a margin below {SMALL_MARGIN:g} nat"
    reason = None if found else few if told else "no logprobs were kept while decoding"
    threshold = NEAR_TIE_FACTOR * max(found) if found else None
    return {"models": models, "near_tie": {"threshold": threshold, "definition": NEAR_TIE, "reason": reason}}


def _model(text: Text | None, model: str, resampling: Resampling) -> dict:
    if text is None or not len(text):
        reason = f"no greedy text of {model} in this run"
        return {"positions": 0, "differing": 0, "floor": missing(reason), "difference": _no_difference(reason)}
    differs, read = floor_sums(text, model)
    found, difference = rate(differs, read, resampling), _difference(text, model)
    return {"positions": len(text), "differing": int(differs.sum()), "floor": found, "difference": difference}


def floor_sums(text: Text, model: str) -> tuple[Sums, Sums]:
    """What the noise floor of a model is the rate of, along its own greedy text: by problem that has a token."""
    differs, read = text.sums(
        lambda rows: rows.rows[f"argmax_{model}"] != rows.rows["token_id"], lambda rows: np.ones(len(rows))
    )
    return differs[read > 0], read[read > 0]


def _difference(text: Text, model: str) -> dict:
    """Max, mean and 99th percentile in nats over all tokens of the model's own greedy text, and over those that can
    flip: how many have a small margin, and the 99th percentile over them (None: too few)."""
    if any(np.isnan(rows.rows[DECODED]).any() for rows in text.stretches()):
        return _no_difference("no logprobs were kept while decoding")
    sizes = lambda: (np.abs(_differences(rows, model)) for rows in text.stretches())  # noqa: E731
    small = lambda: (  # noqa: E731
        np.abs(_differences(rows, model))[rows.rows[f"margin_{model}"] < SMALL_MARGIN] for rows in text.stretches()
    )
    count = sum(len(some) for some in small())
    n = len(text)
    whole = {"max": max(float(some.max()) for some in sizes()), "mean": total(sizes(), n) / n}
    whole["p99"] = quantile(sizes, n, 0.99)
    p99 = quantile(small, count, 0.99) if count >= FEWEST else None
    return {**whole, "small": count, "p99_small": p99, "reason": None}


def _no_difference(reason: str) -> dict:
    return dict.fromkeys(("max", "mean", "p99", "small", "p99_small")) | {"reason": reason}


def _differences(rows: Text, model: str) -> Float[np.ndarray, " positions"]:
    """logprob while decoding - logprob that `model` gives, teacher-forced, in nats, of each token."""
    return rows.numbers(DECODED) - rows.numbers(f"logprob_{model}")


def decoded(tokens: pd.DataFrame, rollouts: pd.DataFrame) -> Float[np.ndarray, " rows"]:
    """The column `DECODED` of rows of one arm that stand in the order of (problem_id, draw, position).

    The logprob (nats) that came with the token when it was decoded, or made elsewhere; nan where none did. Raises
    RlprobeError where the responses (in any order) do not hold the ids of the rows.
    """
    there = rollouts[rollouts["problem_id"].isin(tokens["problem_id"].unique())].sort_values(["problem_id", "draw"])
    ids = np.concatenate([np.zeros(0, np.int64), *there["response_ids"]])
    if not np.array_equal(ids, tokens["token_id"].to_numpy()):
        arm = rollouts["arm"].iloc[0] if len(rollouts) else "that is read"
        raise RlprobeError(
            f"the token table and the rollouts of arm {arm!r} hold different ids: remove tokens/ of the run"
        )
    pairs = zip(there["logprobs"], there["response_ids"], strict=True)
    return np.concatenate([np.zeros(0), *(_kept(logprobs, len(ids)) for logprobs, ids in pairs)])


def _kept(logprobs: Any, n: int) -> Float[np.ndarray, " tokens"]:
    """Without logprobs as many nans."""
    return np.full(n, np.nan) if np.ndim(logprobs) == 0 else np.asarray(logprobs, np.float64)


def sampler_mismatch(texts: Mapping[str, Text], responses: pd.DataFrame, resampling: Resampling) -> dict | None:
    """The log-probabilities that came with responses made elsewhere, less those of either model (nats).

    The sampler's arithmetic, temperature and truncation, and which model it was, all show in it. None where no response
    came with them; responses that came without are counted. `responses` has a row each, with `has_logprobs`.
    """
    given = responses[~responses["arm"].isin(MEMBERS)]
    kept = given["has_logprobs"].to_numpy(dtype=bool)
    if not kept.any():
        return None
    (text,) = (text for arm, text in texts.items() if arm not in MEMBERS)
    (read,) = text.sums(_with_logprobs)
    counts = {"responses": int(kept.sum()), "without": int((~kept).sum()), "tokens": int(read.sum())}
    return {**counts, **{m: _mismatch(text, m, resampling) for m in MEMBERS}}


def _with_logprobs(rows: Text) -> Bool[np.ndarray, " rows"]:
    return ~np.isnan(rows.rows[DECODED])


def _mismatch(text: Text, model: str, resampling: Resampling) -> dict:
    def among(of: Callable[[np.ndarray], np.ndarray]) -> Callable[[Text], np.ndarray]:
        return lambda rows: np.where(_with_logprobs(rows), of(_differences(rows, model)), 0.0)

    found, size, counts = text.sums(among(np.asarray), among(np.abs), _with_logprobs)
    sizes = lambda: (np.abs(_differences(rows, model))[_with_logprobs(rows)] for rows in text.stretches())  # noqa: E731
    some, n = counts > 0, int(counts.sum())
    return {
        "mean": mean(found[some], counts[some], resampling),
        "absolute": mean(size[some], counts[some], resampling),
        "p99": quantile(sizes, n, 0.99) if n else None,
        "max": max(float(each.max(initial=0)) for each in sizes()) if n else None,
    }
