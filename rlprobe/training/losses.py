"""What the methods add to TRL's losses, as functions of tensors: weights, masks, terms. Knows no models, no trainers.

Shapes are (rows, tokens), a row a response; `mask` is true where a response has a token. Natural logarithms. What is
compared with is given without a gradient.
"""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ADVANTAGE_CLIP = 2.5  # ReasonMaxxer's
_LOG_RATIO_CLAMP = 10.0  # Lp-Reg's

Rows = Float[Tensor, " rows"]
Tokens = Float[Tensor, "rows tokens"]
Mask = Bool[Tensor, "rows tokens"]


def reweighted(advantages: Rows, old_logprobs: Tokens, strength: float) -> Tokens:
    """DIR (arXiv 2603.22117): each token's advantage times 1 + strength (1 - π_old), so that rare tokens weigh more."""
    return advantages[:, None] * (1 + strength * (1 - old_logprobs.exp()))


# ---- Lp-Reg (arXiv 2510.03222) ---------------------------------------------------------------------------------------


def proxy_logprobs(logits: Float[Tensor, "n vocab"], chosen: Tensor, floor: float) -> Float[Tensor, " n"]:
    """Log-probability of the chosen ids once tokens below `floor` times the likeliest one's are removed; -inf there."""
    logprobs = torch.log_softmax(logits.float(), dim=-1)
    kept = logprobs >= logprobs.amax(-1, keepdim=True) + math.log(floor)
    left = logprobs.masked_fill(~kept, -math.inf)
    return (left - left.logsumexp(-1, keepdim=True)).gather(-1, chosen[:, None])[:, 0]


def least_likely(logprobs: Tokens, proxy: Tokens, advantages: Rows, mask: Mask, share: float) -> Mask:
    """Of the tokens of bad responses the `share` with the smallest probability, where the proxy finds them likelier.

    None where that share is not more than one token.
    """
    bad = mask & (advantages[:, None] < 0)
    count = int(share * bad.sum())
    if count <= 1:
        return torch.zeros_like(mask)
    ranked = logprobs.detach().masked_fill(~bad, math.inf).flatten()
    found = torch.zeros_like(mask).flatten()
    found[ranked.topk(count, largest=False).indices] = True
    return found.view_as(mask) & (logprobs.detach() < proxy)


def pull(logprobs: Tokens, proxy: Tokens, where: Mask) -> Tokens:
    """The estimate e^d - d - 1 of KL(policy ‖ proxy), d = log π_proxy - log π within ±10; 0 elsewhere."""
    d = (torch.where(where, proxy, logprobs.detach()) - logprobs).clamp(-_LOG_RATIO_CLAMP, _LOG_RATIO_CLAMP)
    return (d.exp() - d - 1) * where


# ---- KL-Cov (arXiv 2505.22617) ---------------------------------------------------------------------------------------


def most_covariant(logprobs: Tokens, advantages: Rows, mask: Mask, share: float) -> Mask:
    """The `share` of tokens (at least one) with the largest (A - mean A)(log π - mean log π), means over tokens."""
    told, spread = logprobs.detach(), advantages[:, None].expand_as(logprobs)
    covariance = (spread - spread[mask].mean()) * (told - told[mask].mean())
    ranked = covariance.masked_fill(~mask, -math.inf).flatten()
    found = torch.zeros_like(mask).flatten()
    found[ranked.topk(max(1, int(share * mask.sum()))).indices] = True
    return found.view_as(mask)


# ---- pass@k (arXiv 2508.10751) ---------------------------------------------------------------------------------------


def pass_at_k_advantages(right: Bool[Tensor, "groups samples"], k: int) -> Float[Tensor, "groups samples"]:
    """What a right and a wrong response add to the pass@k of their group of n with c right, over its deviation.

    ρ = 1 - C(n-c, k) / C(n, k); 0 for a group of which every choice of k, or none, holds a right one.
    """
    n = right.shape[1]
    found = []
    for c in right.sum(1).tolist():
        rho = 1 - math.comb(n - c, k) / math.comb(n, k)
        spread = math.sqrt(rho * (1 - rho))
        beside = math.comb(n - c - 1, k - 1) / math.comb(n - 1, k - 1) if c < n else 0.0
        found.append(((1 - rho) / spread, (1 - rho - beside) / spread) if spread else (0.0, 0.0))
    good, bad = torch.tensor(found).T[..., None]
    return torch.where(right, good.to(right.device), bad.to(right.device))


# ---- ReasonMaxxer and KL-LoRA (arXiv 2605.06241) ---------------------------------------------------------------------


def contrast(logprobs: Float[Tensor, " n"], advantages: Float[Tensor, " n"], floor: float) -> Float[Tensor, ""]:
    """-mean of advantage × log π over the decisions; 0 without any.

    A negative advantage alone would be worth more the smaller π is, without end: below `floor` it says nothing more.
    """
    if not len(logprobs):
        return logprobs.sum()
    held = torch.where(advantages < 0, logprobs.clamp(min=math.log(floor)), logprobs)
    return -(held * advantages).mean()


def learned_positions(which: str, disagree: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """Where KL-LoRA learns: `all` positions, the `disagreements` of base and teacher, or the `rest`."""
    return {"all": torch.ones_like(disagree), "disagreements": disagree, "rest": ~disagree}[which]
