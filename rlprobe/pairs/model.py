"""The nouns of this room: one loaded model, and a pair of them. Knows how a trunk is called, not what logits mean."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from enum import StrEnum
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


class Way(StrEnum):
    """How a model is read, fastest first; a member says which way its architecture allows, the check which are exact.

    The others are for states that cannot be rewound, or that stand for texts without padding alone.
    """

    LANES = "lanes"  # decoding/lanes.py: rows of unequal length, chunks, rewinding
    STEPS = (
        "steps"  # decoding/steps.py: whole texts of one length, which go on a token at a time in the model's own cache
    )
    ALONE = "alone"  # the same, one text at a time
    WHOLE = "whole"  # texts of one length again, without a cache: the whole text is read again for every token


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
    way: Way = Way.LANES

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
        return self.for_head(self.outputs(ids, **reading).last_hidden_state)

    def for_head(self, hidden: Tensor) -> Tensor:
        """Hidden states as the head reads them: on its device, in its dtype (Mamba adds in float32)."""
        return hidden.to(self.head_weight.device, self.dtype)

    def outputs(self, ids: Int[Tensor, "rows n"], **reading: Any) -> Any:
        """The same with everything else that the trunk returns, such as its cache."""
        with self.as_member():
            return self.body(input_ids=ids, **reading)

    @property
    def body(self) -> Any:
        """The network without its head."""
        found = self.network.base_model
        return self.network.model if found is self.network else found  # where it is not where its class says (Llama 4)


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

    @property
    def way(self) -> Way:
        """How both are read: one that cannot be rewound makes its partner go as slowly."""
        return max((self.base.way, self.rl.way), key=list(Way).index)

    def read_by(self, way: Way) -> "ModelPair":
        """The same pair, both of whose members are read this way."""
        return replace(self, base=replace(self.base, way=way), rl=replace(self.rl, way=way))


def parameter_count(config: Any) -> int:
    """How many weights a model of this (transformers) config has, tied ones once. Nothing is read or allocated."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return sum(weight.numel() for weight in AutoModelForCausalLM.from_config(config).parameters())
