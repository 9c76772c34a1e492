"""What is kept of each response where its ids are not: counts, and a digest that tells two texts apart.

Tables in, tables out, a row a response: what a run holds of texts is read a shard at a time, and this is what stays.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int

Ids = Sequence[int] | Int[np.ndarray, " positions"]  # a table that was read from disk holds arrays

COLUMNS = ("arm", "problem_id", "draw", "stop", "response_ids", "host_ids", "gated", "logprobs", "donor_ids")


def responses_of(rollouts: pd.DataFrame) -> pd.DataFrame:
    """Of rollouts (records.ROLLOUT_SCHEMA): the key, why each stopped, and what is counted of it.

    `tokens`, `gated` and `edited` count positions, `donors` the edits that are the donor's token (nan where that was
    not kept); `nats` is -Σ logprobs while decoding (nan without), and `ids` a digest of the response.
    """
    ids = [np.asarray(some, dtype=np.int64) for some in rollouts["response_ids"]]
    lacking = pd.Series(None, rollouts.index, dtype=object)
    columns = [rollouts.get(name, lacking) for name in ("host_ids", "donor_ids", "gated", "logprobs")]
    told = [_told(*of_one) for of_one in zip(ids, *columns, strict=True)]
    counts = pd.DataFrame(told, rollouts.index, ["edited", "donors", "gated", "nats", "has_logprobs"])
    digests = pd.Series([hashlib.blake2b(some.tobytes(), digest_size=16).digest() for some in ids], dtype=object)
    kept = rollouts[[name for name in ("arm", "problem_id", "draw", "stop") if name in rollouts]]
    return kept.assign(tokens=np.array([len(some) for some in ids], np.int64), **counts, ids=digests.to_numpy())


def _told(ids: np.ndarray, host_ids: Any, donor_ids: Any, gated: Any, logprobs: Any) -> tuple[Any, ...]:
    """edited, donors, gated, nats, has_logprobs of one response."""
    edited, donors = 0, np.nan
    if np.ndim(host_ids):
        differs = ids != np.asarray(host_ids)
        edited = int(np.count_nonzero(differs))
        if np.ndim(donor_ids):
            donors = float(np.count_nonzero(differs & (ids == np.asarray(donor_ids))))
    fired = int(np.count_nonzero(gated)) if np.ndim(gated) else 0
    known = bool(np.ndim(logprobs))
    return edited, donors, fired, -np.sum(logprobs, dtype=np.float64) if known else np.nan, known
