"""Can these two models be compared token by token, and over which tokens? Reads configs and tokenizers, no weights."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.records import MEMBERS, TOP

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
    def is_whole(self) -> bool:
        """Whether both heads hold common ids alone."""
        return not (self.only_base or self.only_rl or any(self.padded_rows))

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

    def outside(self, rows: int) -> Int[Tensor, " outside"]:
        """The rows of a head of so many that are outside: ids that one model alone has, and padding."""
        inside = torch.zeros(rows, dtype=torch.bool)
        inside[self.ids] = True
        return (~inside).nonzero()[:, 0]


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


def stop_ids(sources: Iterable[Any], ids: Mapping[str, int]) -> list[int]:
    """Every end-of-sequence id that configs, generation configs and tokenizers of a pair name, ascending.

    A name in place of an id is looked up in `ids` (token -> id). Raises NotAvailable for what names no token.
    """
    named = [getattr(source, "eos_token_id", None) for source in sources]
    return sorted({stop for eos in named for stop in _flat_ids(eos, ids)})


def _flat_ids(eos: Any, ids: Mapping[str, int]) -> Iterator[int]:
    if isinstance(eos, list | tuple):
        for inner in eos:
            yield from _flat_ids(inner, ids)
    elif isinstance(eos, str) and eos in ids:
        yield ids[eos]
    elif isinstance(eos, int) and not isinstance(eos, bool):
        yield eos
    elif eos is not None:
        raise NotAvailable(
            f"eos_token_id is {eos!r} in a model's config, which is no token id; write the id (or ids) of the tokens "
            "that end a response in config.json and generation_config.json"
        )


def tokenizer_differences(base: Any, rl: Any) -> list[str]:
    """In what two tokenizers with the same tokens differ, in words: one text may have other ids in the other."""
    if base is rl:
        return []
    found = [name for name, (a, b) in _said_by(base, rl).items() if a != b]
    bos = [list(tokenizer("x")["input_ids"])[:-1] for tokenizer in (base, rl)]
    if bos[0] != bos[1]:
        found.append(f"what they put before a text (base {bos[0] or 'nothing'}, rl {bos[1] or 'nothing'})")
    templates = [getattr(tokenizer, "chat_template", None) for tokenizer in (base, rl)]
    if templates[0] != templates[1]:
        lacking = [member for member, template in zip(MEMBERS, templates, strict=True) if not template]
        found.append("the chat template" + (f" ({lacking[0]} has none)" if lacking else ""))
    return found


def _said_by(base: Any, rl: Any) -> dict[str, tuple[Any, Any]]:
    """What both tokenizers' own files say of how a text is cut: name -> (base's, rl's)."""
    backends: list[Any] = [getattr(tokenizer, "backend_tokenizer", None) for tokenizer in (base, rl)]
    if None in backends:
        return {"their kind": (type(base).__name__, type(rl).__name__)}
    both = [json.loads(backend.to_str()) for backend in backends]
    return {
        "the merges": tuple(content["model"].get("merges") for content in both),
        "the normaliser": tuple(content.get("normalizer") for content in both),
        "how a text is split before merging": tuple(content.get("pre_tokenizer") for content in both),
    }
