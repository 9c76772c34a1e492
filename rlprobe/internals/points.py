"""The noun of this room: a point, one place of one response where both models are about to say a token.

Knows ids; knows no models and no tables.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

PASS = 4096  # positions of all texts in one pass


@dataclass(frozen=True, slots=True)
class Point:
    """What both models have read when they choose, and what they choose.

    The choice is made at the last index of `ids`, of which the first `prompt` are the prompt's. `base_id` and `rl_id`
    are the two models' argmaxes as the run has them.
    """

    problem_id: str
    ids: tuple[int, ...]
    prompt: int
    base_id: int
    rl_id: int


def groups(texts: Sequence[Point], most: int = PASS) -> Iterator[list[int]]:
    """The numbers of the texts that share a pass: alike in length, `most` positions at a time, at least one text."""
    group: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: len(texts[i].ids)):
        if group and len(texts[i].ids) * (len(group) + 1) > most:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def padded(texts: Sequence[Point]) -> tuple[Int[Tensor, "rows n"], Int[Tensor, " rows"]]:
    """(ids, right-padded with 0, which causal attention does not see; the index of each text's last id)."""
    rows = [torch.tensor(text.ids) for text in texts]
    last = torch.tensor([len(text.ids) - 1 for text in texts])
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), last
