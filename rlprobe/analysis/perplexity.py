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
from rlprobe.analysis.texts import Of, Text, every_row
from rlprobe.records import MEMBERS
from rlprobe.settings import Resampling


def perplexity(text: Text, resampling: Resampling) -> dict[str, dict[str, Any]]:
    """By the model that reads: mean nats a token, the perplexity of all tokens, and that of a typical response.

    An empty response has no perplexity.
    """
    return {member: _under(text, member, resampling) for member in MEMBERS}


def _under(text: Text, member: str, resampling: Resampling) -> dict[str, Any]:
    nats, tokens = text.sums(lambda rows: -rows.numbers(f"logprob_{member}"), every_row)
    together = mean(nats, tokens, resampling)
    totals, responses = by_response(text, member)
    typical = replace(mean(totals, responses, resampling), n_tokens=None)
    return {"responses": int(responses.sum()), "nats": together, "all": _exp(together), "typical": _exp(typical)}


def by_response(text: Text, member: str) -> list[Sums]:
    """Per problem the sum over its responses of their mean nats a token, and how many responses that are."""
    return text.sums(_share_of_mean(member), lambda rows: rows.rows["position"] == 0)


def _share_of_mean(member: str) -> Of:
    """The nats of each token, over the tokens of its response."""
    return lambda rows: -rows.numbers(f"logprob_{member}") / np.repeat(rows.lengths, rows.lengths)


def ratio(texts: Mapping[str, Text], responses: pd.DataFrame, resampling: Resampling) -> dict[str, Interval] | None:
    """By the model that reads: the perplexity of RL's typical response over that of the base's, problems paired.

    None where one of the two texts is not there. `responses` has the arm and the problem of each of them.
    """
    if not {*MEMBERS} <= {*texts}:
        return None
    found = {}
    for member in MEMBERS:
        own = {arm: _of_problems(texts[arm], responses[responses["arm"] == arm], member) for arm in MEMBERS}
        apart = (own["rl"] - own["base"]).dropna().to_numpy()
        found[member] = replace(_exp(mean(apart, np.ones(len(apart)), resampling)), n_tokens=None)
    return found


def _of_problems(text: Text, responses: pd.DataFrame, member: str) -> pd.Series:
    """The mean nats a token of each problem's typical response, by its name."""
    totals, counts = by_response(text, member)
    return pd.Series(totals, sorted({*responses["problem_id"]}))[counts > 0] / counts[counts > 0]


def _exp(interval: Interval) -> Interval:
    """The same of exp of the number: the quantiles of resamples go with it."""
    value, low, high = (None if x is None else float(np.exp(x)) for x in (interval.value, interval.low, interval.high))
    return replace(interval, value=value, low=low, high=high)
