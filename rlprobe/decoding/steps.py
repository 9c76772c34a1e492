"""Reading without lanes: whole texts, and texts that go on a token at a time. Ids in, hidden states out.

For models whose state cannot be rewound (recurrent, linear attention), or stands for texts without padding alone. Texts
of one length share a pass, so that nothing is padded; the state is the model's own, in transformers' cache of whatever
name, and only ever goes forward.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.pairs.model import Model, Way

POSITIONS = 4096  # of all texts in one pass
_CACHES = ("past_key_values", "cache_params", "state")  # what trunks call it


class Steps:
    """One model's state after some texts of one length."""

    def __init__(self, model: Model):
        self.model = model
        self._read: list[Tensor] = []
        self._state: dict[str, Any] = {}
        self._length = 0
        self._takes_positions = "position_ids" in inspect.signature(model.body.forward).parameters

    def read(self, ids: Int[Tensor, "rows n"]) -> Float[Tensor, "rows width"]:
        """Append `ids` to the texts; the hidden states of the last ones."""
        ids = ids.to(self.model.device)
        if self.model.way is Way.WHOLE:
            self._read.append(ids)
            return self.model.trunk(torch.cat(self._read, dim=1), use_cache=False)[:, -1]
        if self._takes_positions:  # else it counts itself, which layers without keys make some do wrongly
            places = torch.arange(self._length, self._length + ids.shape[1], device=ids.device)
            self._state["position_ids"] = places.expand(ids.shape)
        self._length += ids.shape[1]
        found = self.model.outputs(ids, use_cache=True, **self._state)
        self._state = {name: found[name] for name in _CACHES if found.get(name) is not None}
        return self.model.for_head(found.last_hidden_state[:, -1])


def read_whole(model: Model, texts: Sequence[Sequence[int]]) -> list[Float[Tensor, "n width"]]:
    """The hidden states of each text, from plain passes over whole texts."""
    hidden: list[Tensor] = [torch.empty(0)] * len(texts)
    most = 1 if model.way is Way.ALONE else max(1, POSITIONS // max(map(len, texts), default=1))
    for group in alike([len(text) for text in texts], most):
        ids = torch.tensor([list(texts[i]) for i in group], device=model.device)
        for i, states in zip(group, model.trunk(ids, use_cache=False), strict=True):
            hidden[i] = states
    return hidden


def alike(lengths: Sequence[int], most: int) -> list[list[int]]:
    """The numbers of texts, at most so many together, all of one length; in order of first appearance."""
    of_length: dict[int, list[int]] = {}
    for i, length in enumerate(lengths):
        of_length.setdefault(length, []).append(i)
    return [numbers[at : at + most] for numbers in of_length.values() for at in range(0, len(numbers), most)]
