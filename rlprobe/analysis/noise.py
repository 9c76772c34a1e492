"""What reading twice costs: how far the numbers read along a text lie from those it was decoded with.

Each model, teacher-forced on its own greedy text, must choose the token it chose; the share of positions where it does
not is the noise floor of every disagreement rate: float arithmetic depends on shapes. The difference of the
two logprobs of an emitted token says how close a margin must be to mean nothing: a near tie. Most tokens are certain,
and their logprob has next to no error: only tokens of small margin, which can flip, say how large it is.
Knows token and rollout tables; knows nothing of classes.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis.statistics import Clusters, Interval, mean, missing, rate
from rlprobe.errors import RlprobeError
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

NEAR_TIE_FACTOR = 10
SMALL_MARGIN = 1.0  # nats; the likelier of two is at most e times as likely
FEWEST = 100  # tokens of small margin, for a 99th percentile
NEAR_TIE = (
    f"either model's margin is below {NEAR_TIE_FACTOR} x the larger of the two models' 99th percentiles of "
    "|logprob while decoding - logprob teacher-forced| over the tokens of its own greedy text "
    f"whose margin is below {SMALL_MARGIN:g} nat"
)


def measure(tokens: pd.DataFrame, rollouts: pd.DataFrame, resampling: Resampling) -> dict:
    """Per model its noise floor and the difference between decoding and teacher forcing; and the near-tie threshold.

    `tokens` and `rollouts` have the columns of records.TOKEN_SCHEMA and ROLLOUT_SCHEMA. The text of a model is the
    arm of its name; a model whose arm is not there has None with a reason. Raises RlprobeError where tokens and
    rollouts of one arm do not hold the same ids.
    """
    models = {m: _model(tokens[tokens["arm"] == m], rollouts[rollouts["arm"] == m], m, resampling) for m in MEMBERS}
    told = [m["difference"] for m in models.values() if m["difference"]["p99"] is not None]
    found = [difference["p99_small"] for difference in told if difference["p99_small"] is not None]
    few = f"no model has {FEWEST} tokens of its own greedy text with a margin below {SMALL_MARGIN:g} nat"
    reason = None if found else few if told else "no logprobs were kept while decoding"
    threshold = NEAR_TIE_FACTOR * max(found) if found else None
    return {"models": models, "near_tie": {"threshold": threshold, "definition": NEAR_TIE, "reason": reason}}


def _model(tokens: pd.DataFrame, rollouts: pd.DataFrame, model: str, resampling: Resampling) -> dict:
    if tokens.empty:
        reason = f"no greedy text of {model} in this run"
        return {"positions": 0, "differing": 0, "floor": missing(reason), "difference": _no_difference(reason)}
    differing = int((tokens[f"argmax_{model}"] != tokens["token_id"]).sum())
    found, difference = floor(tokens, model, resampling), _difference(tokens, rollouts, model)
    return {"positions": len(tokens), "differing": differing, "floor": found, "difference": difference}


def floor(tokens: pd.DataFrame, model: str, resampling: Resampling) -> Interval:
    """The noise floor of a model: `tokens` are rows of its own greedy text (problem_id, token_id, argmax_MODEL)."""
    codes, problems = pd.factorize(tokens["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    differs = (tokens[f"argmax_{model}"] != tokens["token_id"]).to_numpy()
    return rate(clusters.sums(differs), clusters.sums(np.ones(len(tokens))), resampling)


def _difference(tokens: pd.DataFrame, rollouts: pd.DataFrame, model: str) -> dict:
    """Max, mean and 99th percentile in nats over all tokens of the model's own greedy text, and over those that can
    flip: how many have a small margin, and the 99th percentile over them (None: too few)."""
    rollouts = rollouts[rollouts["problem_id"].isin(tokens["problem_id"].unique())]
    if rollouts.empty or rollouts["logprobs"].isna().any():
        return _no_difference("no logprobs were kept while decoding")
    found = np.abs(decoding_differences(tokens, rollouts, model))
    keys = ["problem_id", "draw", "position"]
    small = found[(tokens.sort_values(keys)[f"margin_{model}"] < SMALL_MARGIN).to_numpy()]
    whole = {"max": float(found.max()), "mean": float(found.mean()), "p99": float(np.quantile(found, 0.99))}
    p99 = float(np.quantile(small, 0.99)) if len(small) >= FEWEST else None
    return {**whole, "small": len(small), "p99_small": p99, "reason": None}


def _no_difference(reason: str) -> dict:
    return dict.fromkeys(("max", "mean", "p99", "small", "p99_small")) | {"reason": reason}


def decoding_differences(tokens: pd.DataFrame, rollouts: pd.DataFrame, model: str) -> Float[np.ndarray, " positions"]:
    """logprob while decoding - logprob that `model` gives, teacher-forced, in nats, of each token.

    Both tables hold one arm; rows are brought into the order of (problem_id, draw, position), and the ids of the two
    tables must then be the same (RlprobeError).
    """
    read = tokens[["problem_id", "draw", "position", "token_id", f"logprob_{model}"]]
    read = read.sort_values(["problem_id", "draw", "position"])
    decoded = rollouts.sort_values(["problem_id", "draw"])
    if not np.array_equal(np.concatenate(decoded["response_ids"].tolist()), read["token_id"].to_numpy()):
        raise RlprobeError(
            f"the token table and the rollouts of arm {model!r} hold different ids: remove tokens/ of the run"
        )
    then = np.concatenate(decoded["logprobs"].tolist()).astype(np.float64)
    return then - read[f"logprob_{model}"].to_numpy(dtype=np.float64)


def sampler_mismatch(tokens: pd.DataFrame, rollouts: pd.DataFrame, resampling: Resampling) -> dict | None:
    """The log-probabilities that came with responses made elsewhere, less those of either model (nats).

    The sampler's arithmetic, temperature and truncation, and which model it was, all show in it. None where no response
    came with them; responses that came without are counted.
    """
    given = rollouts[~rollouts["arm"].isin(MEMBERS)]
    kept = given[given["logprobs"].notna()]
    if kept.empty:
        return None
    read = tokens[~tokens["arm"].isin(MEMBERS)].merge(kept[["problem_id", "draw"]], on=["problem_id", "draw"])
    counts = {"responses": len(kept), "without": len(given) - len(kept), "tokens": len(read)}
    return {**counts, **{m: _mismatch(read, kept, m, resampling) for m in MEMBERS}}


def _mismatch(tokens: pd.DataFrame, rollouts: pd.DataFrame, model: str, resampling: Resampling) -> dict:
    found = decoding_differences(tokens, rollouts, model)
    codes, problems = pd.factorize(tokens.sort_values(["problem_id", "draw", "position"])["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    counts, size = clusters.sums(np.ones(len(found))), np.abs(found)
    return {
        "mean": mean(clusters.sums(found), counts, resampling),
        "absolute": mean(clusters.sums(size), counts, resampling),
        "p99": float(np.quantile(size, 0.99)) if len(size) else None,
        "max": float(size.max()) if len(size) else None,
    }
