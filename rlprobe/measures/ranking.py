"""The tie rule, and what follows from it: the best tokens, their order, the greedy choice.

Of two tokens with equal logits the one with the smaller id comes first. So the argmax is one token and has rank 1
always, and every order below is the same on every machine and code path: what is compared are keys of which no two are
equal, so nothing hangs on which of two maxima a kernel meets first. Knows one model's logits at a time.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

BLOCK = 128  # ids a block: a vocabulary of 150k leaves 1 200 block maxima to sort instead of 150k logits


class Best(NamedTuple):
    """Each row's k best tokens, best first, ties by the smaller id."""

    ids: Int[Tensor, "rows k"]
    logits: Float[Tensor, "rows k"]


class Greedy(NamedTuple):
    """What a model says at temperature 0, and how surely: nats; the margin is 0.0 where two tokens tie for first."""

    ids: Int[Tensor, " rows"]
    logprob: Float[Tensor, " rows"]
    margin: Float[Tensor, " rows"]


def greedy(logits: Float[Tensor, "rows vocab"]) -> Greedy:
    """Each row's argmax with its log-probability and its margin over the second best, in float32 nats.

    A vocabulary of one token has a margin of infinity.
    """
    logits = logits.float()
    best = best_tokens(logits, 2)
    peak = best.logits[:, :1]
    # centred first: a log-probability of -1e-6 does not survive the subtraction of a normaliser near 20
    logprob = -torch.log(torch.exp(logits - peak).sum(-1))
    second = best.logits[:, 1] if logits.shape[1] > 1 else torch.full_like(logprob, -torch.inf)
    return Greedy(best.ids[:, 0], logprob, peak[:, 0] - second)


def best_tokens(logits: Float[Tensor, "rows vocab"], k: int) -> Best:
    """The k best tokens of each row (fewer where the vocabulary is smaller), exact also where ties straddle the cut.

    Only the k best blocks can hold them: a token outside has k better ones, the best of each of those blocks.
    """
    maxima = block_maxima(logits)  # (rows, blocks)
    columns = torch.arange(maxima.shape[1], device=logits.device)
    blocks = _order(maxima, columns).topk(min(k, maxima.shape[1])).indices
    ids = (blocks[:, :, None] * BLOCK + torch.arange(BLOCK, device=logits.device)).flatten(1)  # (rows, k * BLOCK)
    beyond = ids >= logits.shape[1]  # the last block may be short
    candidates = logits.gather(1, ids.masked_fill(beyond, 0)).masked_fill(beyond, -torch.inf)
    best = _order(candidates, ids).topk(min(k, logits.shape[1])).indices
    return Best(ids.gather(1, best), candidates.gather(1, best))


def _order(values: Float[Tensor, "rows m"], ids: Int[Tensor, "*batch m"]) -> Int[Tensor, "rows m"]:
    """An integer for each value that sorts like (value, then the smaller id): all different, so topk has no ties.

    Read as an integer, a float keeps its order if the lower bits of the negative ones are flipped; + 0.0 makes -0.0 a
    0.0. The value takes the upper 32 bits of the key, the id the lower.
    """
    bits = (values + 0.0).view(torch.int32)
    ordered = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return ordered.long() * 2**32 - ids


def block_maxima(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows blocks"]:
    """The maximum of each block of consecutive ids; the last block may be short."""
    whole = logits.shape[1] // BLOCK * BLOCK
    parts = [logits[:, :whole].unflatten(1, (-1, BLOCK)).amax(-1)] if whole else []
    if whole < logits.shape[1]:
        parts.append(logits[:, whole:].amax(-1, keepdim=True))
    return torch.cat(parts, dim=1)
