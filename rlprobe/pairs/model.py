"""The nouns of this room: one loaded model, and a pair of them. Knows how a trunk is called, not what logits mean."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.pairs.architecture import LogitFormula
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.records import MEMBERS


@dataclass(frozen=True)
class Outside:
    """The rows of a head that are outside the common vocabulary: ids of one model alone, and padding."""

    ids: Int[Tensor, " outside"]
    weight: Float[Tensor, "outside width"]
    bias: Float[Tensor, " outside"] | None


@dataclass(frozen=True)
class Model:
    """One causal language model, split where it matters: the trunk reads ids, the head speaks the common vocabulary.

    `head_weight` is (common vocabulary, width), a view of the model's own where the common ids are a prefix.
    """

    name: str
    network: Any  # transformers' PreTrainedModel; adapters and quantised models are not all subclasses of it
    head_weight: Float[Tensor, "vocab width"]
    head_bias: Float[Tensor, " vocab"] | None
    context: int  # positions that the model can read
    attention_kinds: frozenset[str]
    as_member: Callable[[], AbstractContextManager[None]] = field(default=nullcontext)  # turns an adapter on or off
    formula: LogitFormula = LogitFormula()  # noqa: RUF009 - frozen; what follows the head's product
    outside: Outside | None = None  # rows of the head that are not in the common vocabulary

    @property
    def eager(self) -> bool:
        """Whether attention adds its mask to weights that it computes itself, rather than asking torch's kernel."""
        return self.network.config._attn_implementation == "eager"

    @property
    def device(self) -> torch.device:
        """Where ids go in."""
        return self.network.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the trunk computes in."""
        return self.head_weight.dtype

    def trunk(self, ids: Int[Tensor, "rows n"], **reading: Any) -> Float[Tensor, "rows n width"]:
        """The last hidden states (after the final norm) of `ids`; `reading` goes to the transformers trunk as it is."""
        with self.as_member():
            return self.network.base_model(input_ids=ids, **reading).last_hidden_state


@dataclass(frozen=True)
class ModelPair:
    """A base model and the RL model trained from it, over the tokens they have in common."""

    base: Model
    rl: Model
    vocabulary: CommonVocabulary
    stop_ids: frozenset[int]
    tokenizer: Any

    def member(self, name: str) -> Model:
        """`base` or `rl` by name."""
        return {"base": self.base, "rl": self.rl}[name]

    @property
    def members(self) -> dict[str, Model]:
        """Both, in the order base, rl."""
        return {name: self.member(name) for name in MEMBERS}

    @property
    def context(self) -> int:
        """Positions that both models can read."""
        return min(self.base.context, self.rl.context)


def parameter_count(config: Any) -> int:
    """How many weights a model of this (transformers) config has, tied ones once. Nothing is read or allocated."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
