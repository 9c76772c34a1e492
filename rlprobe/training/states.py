"""Last hidden states of responses, and the head that makes logits of them a slice of positions at a time.

Token ids in, tensors out; a tensor of all positions times the vocabulary never exists. Knows no losses.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from rlprobe.measures.head import Head
from rlprobe.pairs.architecture import logit_formula
from rlprobe.training.sequences import Ids, lay_out, read_prefix

SLICE = 256  # positions whose logits exist at once


def trunk_of(network: Any) -> Any:
    """The network below its head; of an adapted one, with the adapter as it is switched."""
    whole = network.get_base_model() if hasattr(network, "get_base_model") else network
    return whole.base_model


def head_of(network: Any, ids: Int[Tensor, " common"] | None = None) -> Head:
    """The head of a network, over some ids where given."""
    layer = network.get_output_embeddings()
    weight, bias = layer.weight.detach(), getattr(layer, "bias", None)
    if ids is not None and len(ids) < len(weight):
        weight, bias = weight[ids.to(weight.device)], None if bias is None else bias[ids.to(weight.device)]
    return Head(weight, None if bias is None else bias.detach(), logit_formula(network.config.get_text_config()))


def response_states(
    network: Any, prompts: Sequence[Ids], responses: Sequence[Ids]
) -> tuple[Float[Tensor, "rows longest width"], Bool[Tensor, "rows longest"], Int[Tensor, "rows longest"]]:
    """The last hidden state that speaks about each response token, which of them are no padding, and the tokens."""
    laid = lay_out(prompts, responses, device=network.device)
    longest = max(map(len, responses))
    hidden = trunk_of(network)(
        input_ids=laid.ids,
        attention_mask=laid.whole_mask,
        position_ids=laid.positions,
        past_key_values=read_prefix(network, laid.prefix, len(prompts)),
        use_cache=True,
    ).last_hidden_state
    return hidden[:, -longest - 1 : -1], laid.mask[:, -longest:], laid.ids[:, -longest:]


@torch.no_grad()
def over_vocabulary(head: Head, hidden: Float[Tensor, "n width"], of: Callable[[Tensor], Tensor]) -> Tensor:
    """A number a position from its logits, a slice of positions at a time."""
    return torch.cat([of(head(part)) for part in hidden.split(SLICE)])


def entropy(logits: Float[Tensor, "n vocab"]) -> Float[Tensor, " n"]:
    """Of each distribution, in nats."""
    logprobs = torch.log_softmax(logits, dim=-1)
    return -(logprobs.exp() * logprobs).sum(-1)


def best(logits: Float[Tensor, "n vocab"]) -> Int[Tensor, " n"]:
    """The column of the largest logit; of equal ones the first."""
    return logits.argmax(-1)
