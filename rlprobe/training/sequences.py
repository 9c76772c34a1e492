"""Many prompts that begin alike: what they share is read once, for sampling and for the loss.

Token ids in, token ids or log-probabilities out; knows nothing of texts, rewards or optimizers. A few-shot prompt is
several times as long as the question and the response together, so reading it for every response is most of the cost.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Ids = list[int]


@dataclass(frozen=True)
class Laid:
    """Rows as a network reads them: after the shared prefix, what is left of each prompt (padded on the left) and its
    response (padded on the right)."""

    prefix: Ids
    ids: Int[Tensor, "rows width"]
    mask: Bool[Tensor, "rows width"]

    @property
    def whole_mask(self) -> Int[Tensor, "rows all"]:
        """1 for every token that is read, the prefix's included."""
        before = self.mask.new_ones(len(self.mask), len(self.prefix))
        return torch.cat([before, self.mask], dim=1).long()

    @property
    def positions(self) -> Int[Tensor, "rows width"]:
        """The position of each of `ids` in its own text, the prefix counted."""
        return (self.whole_mask.cumsum(1) - 1).clamp(min=0)[:, len(self.prefix) :]


def lay_out(prompts: Sequence[Ids], responses: Sequence[Ids], pad_id: int = 0, device: Any = "cpu") -> Laid:
    """Prompts with their responses; a last id of each prompt is never part of the prefix, so that it is read here."""
    at_once = zip(*(prompt[:-1] for prompt in prompts), strict=False)  # as far as the shortest goes
    prefix = [ids[0] for ids in takewhile(lambda ids: len(set(ids)) == 1, at_once)]
    rests = [prompt[len(prefix) :] for prompt in prompts]
    before, after = max(map(len, rests)), max(map(len, responses))
    ids = torch.full((len(prompts), before + after), pad_id)
    mask = torch.zeros(len(prompts), before + after, dtype=torch.bool)
    for row, (rest, response) in enumerate(zip(rests, responses, strict=True)):
        ids[row, before - len(rest) : before + len(response)] = torch.tensor(rest + response)
        mask[row, before - len(rest) : before + len(response)] = True
    return Laid(prefix, ids.to(device), mask.to(device))


def read_prefix(network: Any, prefix: Ids, rows: int) -> Any:
    """A cache of `rows` rows that holds the prefix; gradients flow through it."""
    from transformers import DynamicCache

    cache = DynamicCache(config=network.config)
    if prefix:
        network(
            input_ids=torch.tensor([prefix], device=network.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        cache.batch_repeat_interleave(rows)
    return cache


@torch.no_grad()
def respond(
    network: Any, prompts: Sequence[Ids], stop_id: int | Sequence[int], samples: int = 1, **how: Any
) -> list[Ids]:
    """`samples` responses to each prompt, one prompt after the other, the stop id included; a prompt is read once.

    `stop_id`: the id, or the ids, that end a response. `how` is what transformers' GenerationConfig takes.
    """
    from transformers import GenerationConfig

    stops = [stop_id] if isinstance(stop_id, int) else list(stop_id)
    laid = lay_out(prompts, [[]] * len(prompts), stops[0], network.device)
    cache = read_prefix(network, laid.prefix, len(prompts))
    if laid.ids.shape[1] > 1:  # generate reads the last id of each prompt
        network(
            input_ids=laid.ids[:, :-1],
            attention_mask=laid.whole_mask[:, :-1],
            position_ids=laid.positions[:, :-1],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    cache.batch_repeat_interleave(samples)
    before = laid.ids.new_tensor(laid.prefix).expand(len(prompts), -1)
    out = network.generate(
        input_ids=torch.cat([before, laid.ids], dim=1).repeat_interleave(samples, dim=0),
        attention_mask=laid.whole_mask.repeat_interleave(samples, dim=0),
        past_key_values=cache,
        generation_config=GenerationConfig(eos_token_id=stops, pad_token_id=stops[0], **how),
    )
    found = out[:, len(laid.prefix) + laid.ids.shape[1] :].tolist()
    ends = [next((place for place, each in enumerate(ids, 1) if each in stops), len(ids)) for ids in found]
    return [ids[:end] for ids, end in zip(found, ends, strict=True)]


def response_logprobs(
    network: Any, prompts: Sequence[Ids], responses: Sequence[Ids], temperature: float
) -> tuple[Float[Tensor, "rows longest"], Bool[Tensor, "rows longest"]]:
    """The log-probability of every response token at a temperature, in float32, and which of them are no padding."""
    laid = lay_out(prompts, responses, device=network.device)
    longest = max(map(len, responses))
    logits = network(
        input_ids=laid.ids,
        attention_mask=laid.whole_mask,
        position_ids=laid.positions,
        past_key_values=read_prefix(network, laid.prefix, len(prompts)),
        use_cache=True,
        logits_to_keep=longest + 1,
    ).logits[:, :-1]  # logits[t] predict ids[t + 1]
    logprobs = torch.log_softmax(logits.float() / temperature, dim=-1)
    chosen = laid.ids[:, -longest:, None]
    return logprobs.gather(-1, chosen)[..., 0], laid.mask[:, -longest:]
