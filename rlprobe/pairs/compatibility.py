"""Can these two models be compared token by token, and over which tokens? Reads configs and tokenizers, no weights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from rlprobe.errors import IncompatiblePair
from rlprobe.records import TOP

_REWINDABLE = {"full_attention", "sliding_attention"}

_COMPARED = (
    "model_type",
    "hidden_size",
    "num_hidden_layers",
    "vocab_size",
    "max_position_embeddings",
    "rope_theta",
    "rope_scaling",
    "rope_parameters",
    "sliding_window",
    "use_sliding_window",
    "layer_types",
    "tie_word_embeddings",
    "eos_token_id",
)


@dataclass(frozen=True)
class CommonVocabulary:
    """The ids that are real tokens of both tokenizers and rows of both heads, ascending.

    Models speak about *columns* of it, 0..len-1; everything on disk about ids. The two are the same when the common ids
    are 0..len-1 (`prefix`), which they are in nearly every published pair.
    """

    ids: Int[Tensor, " vocab"]
    only_base: int  # real tokens of the base alone
    only_rl: int
    padded_rows: tuple[int, int]  # rows of either head that are no token of its tokenizer

    @property
    def prefix(self) -> bool:
        """Whether columns equal ids."""
        return int(self.ids[-1]) == len(self.ids) - 1

    def columns(self, ids: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The column of each id; -1 for an id outside."""
        at = torch.searchsorted(self.ids, ids).clamp(max=len(self.ids) - 1)
        return torch.where(self.ids[at] == ids, at, -1)

    def rows_of(self, weight: Tensor) -> Tensor:
        """The common rows of a head's weight or bias: a view when `prefix`, else a copy."""
        return weight[: len(self.ids)] if self.prefix else weight[self.ids.to(weight.device)]


def common_vocabulary(base: Mapping[str, int], rl: Mapping[str, int], head_rows: tuple[int, int]) -> CommonVocabulary:
    """The common vocabulary of two tokenizers (token -> id) whose heads have `head_rows` rows.

    Raises IncompatiblePair at the first id that is a different string in the two.
    """
    of_base = {i: token for token, i in base.items() if i < head_rows[0]}
    of_rl = {i: token for token, i in rl.items() if i < head_rows[1]}
    ids = sorted(of_base.keys() & of_rl.keys())
    for i in ids:
        if of_base[i] != of_rl[i]:
            raise IncompatiblePair(
                f"base and rl disagree at id {i} ({of_base[i]!r} / {of_rl[i]!r}); a pair must share one tokenizer"
            )
    if len(ids) < TOP:
        raise IncompatiblePair(f"base and rl have {len(ids)} token ids in common; a pair must share one tokenizer")
    padded = (head_rows[0] - len(of_base), head_rows[1] - len(of_rl))
    return CommonVocabulary(torch.tensor(ids), len(of_base) - len(ids), len(of_rl) - len(ids), padded)


def config_differences(base: Mapping[str, Any], rl: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """In which settings two configs (as dictionaries) differ that change how a model reads: name -> (base, rl)."""
    pairs = {name: (base.get(name), rl.get(name)) for name in _COMPARED}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def stop_ids(sources: Iterable[Any]) -> list[int]:
    """Every end-of-sequence id that configs, generation configs and tokenizers of a pair name, ascending."""
    found: set[int] = set()
    for source in sources:
        eos = getattr(source, "eos_token_id", None)
        found.update(eos if isinstance(eos, list | tuple) else [] if eos is None else [eos])
    return sorted(found)


def attention_kinds(config: Any) -> set[str]:
    """The kinds of attention layer in a model: "full_attention", "sliding_attention" or both.

    Raises IncompatiblePair for a model whose state cannot be rewound token by token (recurrent or linear attention).
    """
    layer_types = getattr(config, "layer_types", None)
    if layer_types is None:
        if hasattr(config, "num_key_value_heads") or hasattr(config, "num_attention_heads"):
            return {"sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"}
        layer_types = [f"no attention ({config.model_type})"]
    unknown = set(layer_types) - _REWINDABLE
    if unknown:
        raise IncompatiblePair(
            f"{config.model_type} has layers of kind {', '.join(sorted(unknown))}, whose state cannot be rewound; "
            "rlprobe decodes models with full or sliding-window attention only"
        )
    return set(layer_types)
