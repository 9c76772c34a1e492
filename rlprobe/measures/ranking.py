"""The tie rule, and what follows from it: the best tokens, their order, the greedy choice.

Of two tokens with equal logits the one with the smaller id comes first. So the argmax is one token and has rank 1
always, and every order below is the same on every machine and code path: it comes from stable sorts, never from
whichever of two equal maxima a kernel meets first. Knows one model's logits at a time.
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

    Only the k best blocks can hold them: a token outside has k better ones, the maxima of those blocks, before it. The
    candidates are laid out by id, so that a stable sort leaves equal logits in the order of their ids.
    """
    maxima = block_maxima(logits)  # (rows, blocks)
    blocks = maxima.sort(dim=1, descending=True, stable=True).indices[:, :k].sort(dim=1).values
    ids = (blocks[:, :, None] * BLOCK + torch.arange(BLOCK, device=logits.device)).flatten(1)  # (rows, k * BLOCK)
    beyond = ids >= logits.shape[1]  # the last block may be short
    candidates = logits.gather(1, ids.masked_fill(beyond, 0)).masked_fill(beyond, -torch.inf)
    order = candidates.sort(dim=1, descending=True, stable=True)
    k = min(k, logits.shape[1])
    return Best(ids.gather(1, order.indices[:, :k]), order.values[:, :k])


def block_maxima(logits: Float[Tensor, "rows vocab"]) -> Float[Tensor, "rows blocks"]:
    """The maximum of each block of consecutive ids; the last block may be short."""
    whole = logits.shape[1] // BLOCK * BLOCK
    parts = [logits[:, :whole].unflatten(1, (-1, BLOCK)).amax(-1)] if whole else []
    if whole < logits.shape[1]:
        parts.append(logits[:, whole:].amax(-1, keepdim=True))
    return torch.cat(parts, dim=1)
