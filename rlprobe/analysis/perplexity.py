"""How likely either model finds a text: its perplexity, of the base's text, RL's, or any third.

The perplexity of a response is exp of the mean of -log p over its tokens (arXiv 2504.13837, §4.1: what RL says, the
base finds likely). Here it is that of all tokens together, and that of a typical response, the geometric mean over
responses. Intervals resample problems. Knows no models and no disk.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.statistics import Interval, Sums, mean
from rlprobe.analysis.trajectory import Trajectory
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling

COLUMNS = tuple(f"logprob_{m}" for m in MEMBERS)


def perplexity(rows: Trajectory) -> dict[str, dict[str, Any]]:
    """By the model that reads: mean nats a token, the perplexity of all tokens, and that of a typical response.

    An empty response has no perplexity.
    """
    return {member: _under(rows, member) for member in MEMBERS}


def _under(rows: Trajectory, member: str) -> dict[str, Any]:
    nats = -rows.rows[f"logprob_{member}"].to_numpy(dtype=np.float64)
    together = mean(rows.clusters.sums(nats), rows.clusters.sums(np.ones(len(nats))), rows.resampling)
    totals, responses = by_response(rows, member)
    typical = replace(mean(totals, responses, rows.resampling), n_tokens=None)
    return {"responses": int(responses.sum()), "nats": together, "all": _exp(together), "typical": _exp(typical)}


def by_response(rows: Trajectory, member: str) -> tuple[Sums, Sums]:
    """Per problem the sum over its responses of their mean nats a token, and how many responses that are."""
    columns = {"problem": rows.clusters.codes, "draw": rows.rows["draw"], "nats": -rows.rows[f"logprob_{member}"]}
    own = pd.DataFrame(columns).astype({"nats": float}).groupby(["problem", "draw"])["nats"].mean().reset_index()
    counts = np.bincount(own["problem"], minlength=rows.clusters.n).astype(np.float64)
    return np.bincount(own["problem"], weights=own["nats"], minlength=rows.clusters.n).astype(np.float64), counts


def ratio(texts: Mapping[str, Trajectory], resampling: Resampling) -> dict[str, Interval] | None:
    """By the model that reads: the perplexity of RL's typical response over that of the base's, problems paired.

    None where one of the two texts is not there.
    """
    if not {*MEMBERS} <= {*texts}:
        return None
    found = {}
    for member in MEMBERS:
        own = {arm: _of_problems(texts[arm], member) for arm in MEMBERS}
        apart = (own["rl"] - own["base"]).dropna().to_numpy()
        found[member] = replace(_exp(mean(apart, np.ones(len(apart)), resampling)), n_tokens=None)
    return found


def _of_problems(rows: Trajectory, member: str) -> pd.Series:
    """The mean nats a token of each problem's typical response, by its name."""
    totals, counts = by_response(rows, member)
    return pd.Series(totals[counts > 0] / counts[counts > 0], index=rows.problems[counts > 0])


def _exp(interval: Interval) -> Interval:
    """The same of exp of the number: the quantiles of resamples go with it."""
    value, low, high = (None if x is None else float(np.exp(x)) for x in (interval.value, interval.low, interval.high))
    return replace(interval, value=value, low=low, high=high)
