"""Grouped-query attention that does not copy keys and values for every query head.

On a CPU generation is bound by memory traffic, and transformers' own attention repeats each key/value head for the three
query heads that share it. The same arithmetic on views reads them once. Used for training only: the saved models name no
attention, and whoever loads them uses transformers' default.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask

GROUPED = "grouped"


def grouped_attention(
    module: nn.Module,
    query: Float[Tensor, "batch heads queries width"],
    key: Float[Tensor, "batch kv_heads keys width"],
    value: Float[Tensor, "batch kv_heads keys width"],
    attention_mask: Float[Tensor, "batch 1 queries keys"] | None,
    scaling: float,
    **_: object,
) -> tuple[Float[Tensor, "batch queries heads width"], None]:
    """Softmax attention in the form that transformers asks for; the mask is added to the scores."""
    batch, heads, queries, width = query.shape
    kv_heads, keys = key.shape[1:3]
    gathered = query.reshape(batch, kv_heads, heads // kv_heads * queries, width)
    scores = (gathered @ key.transpose(-1, -2) * scaling).view(batch, heads, queries, keys)
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(value.dtype)
    mixed = weights.view(batch, kv_heads, heads // kv_heads * queries, keys) @ value
    return mixed.view(batch, heads, queries, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, eager_mask)
