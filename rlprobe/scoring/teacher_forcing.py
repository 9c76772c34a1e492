"""The dual pass: both models read the same rollouts, and every response position becomes one row of the token table.

The trunks run one after the other, in chunks of at most 1024 positions through the lanes, and leave only their last
hidden states of the response (width numbers a token); the two heads then meet in slices of positions (measures/), so no
tensor of tokens x vocabulary ever exists. Which rows share a pass depends on the rollouts given and on nothing else:
the same shard gives the same bytes. Knows no classes, no grades and no disk.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.steps import read_whole
from rlprobe.errors import RlprobeError
from rlprobe.measures.head import Head
from rlprobe.measures.tokens import dual_statistics, outside_probabilities
from rlprobe.pairs.model import Model, ModelPair, Way
from rlprobe.pairs.pieces import token_names
from rlprobe.records import TOP, Rollout, token_schema

CHUNK = 1024  # positions of one text in one pass
PASS = 4096  # positions of all texts in one pass


# (member, number of the pass, its rollouts) -> `hidden_of` them
Read = Callable[[str, int, Sequence[Rollout]], Tensor]


@dataclass(frozen=True)
class Reader:
    """A pair ready for dual passes; `path` is how statistics are computed ("auto", "plain" or "compiled")."""

    pair: ModelPair
    path: str = "auto"
    outside: dict[str, Tensor] = field(
        default_factory=dict
    )  # member -> sum over all positions read, for each row outside
    read: Read | None = None  # else by the pair's own trunks

    @property
    def schema(self) -> pa.Schema:
        """The columns of its tables."""
        return token_schema(any(member.outside for member in self.pair.members.values()))

    def table(self, rollouts: Sequence[Rollout]) -> pa.Table:
        """The token table (records.TOKEN_SCHEMA) of some rollouts, in their order, one row per response position."""
        by_length = _by_length(rollouts)
        parts = dict(zip(by_length, self._statistics([rollouts[i] for i in by_length]), strict=True))
        tables = [self._table(rollouts[i], parts[i]) for i in sorted(parts)]
        return pa.concat_tables(tables) if tables else self.schema.empty_table()

    @torch.no_grad()
    def _statistics(self, rollouts: Sequence[Rollout]) -> Iterator[dict[str, np.ndarray]]:
        """The statistics of each rollout's positions, column by column."""
        heads = Head.of(self.pair.base), Head.of(self.pair.rl)
        for number, group in enumerate(_groups(rollouts)):
            columns = torch.cat([self._columns(rollout) for rollout in group])
            hidden = [self._hidden(name, number, group) for name in self.pair.members]
            statistics = dual_statistics(heads[0], heads[1], hidden[0], hidden[1], columns, self.path)
            named = {name: _numpy(getattr(statistics, name)) for name in statistics._fields}
            for (name, member), states in zip(self.pair.members.items(), hidden, strict=True):
                named[f"outside_{name}"] = self._outside(name, member, states, getattr(statistics, f"log_sum_{name}"))
            start = 0
            for rollout in group:
                stop = start + len(rollout.response_ids)
                yield {name: values[start:stop] for name, values in named.items()}
                start = stop

    def _hidden(self, name: str, number: int, group: Sequence[Rollout]) -> Float[Tensor, "n width"]:
        if self.read:
            return self.read(name, number, group)
        return hidden_of(self.pair.member(name), group)

    def _outside(self, name: str, member: Model, hidden: Tensor, log_sum: Tensor) -> np.ndarray:
        """The probability that a member puts outside the common vocabulary, at each position."""
        head = Head.outside(member)
        if head is None:
            return np.zeros(len(hidden), np.float32)
        parts = list(outside_probabilities(head, hidden, log_sum))
        seen = torch.stack([part.sum(0).cpu() for part in parts]).sum(0)
        self.outside[name] = self.outside[name] + seen if name in self.outside else seen
        return _numpy(torch.cat([part.sum(-1) for part in parts]))

    @cached_property
    def _token_name(self) -> Callable[[int], str]:
        return token_names(self.pair.tokenizer)

    def _columns(self, rollout: Rollout) -> Int[Tensor, " n"]:
        columns = self.pair.vocabulary.columns(torch.tensor(rollout.response_ids, dtype=torch.long))
        if (columns < 0).any():
            outside = rollout.response_ids[int((columns < 0).nonzero()[0])]
            raise RlprobeError(
                f"{rollout.arm}, {rollout.problem_id}: id {outside} is not in the pair's common vocabulary; "
                "leave this response out"
            )
        return columns

    def _table(self, rollout: Rollout, statistics: dict[str, np.ndarray]) -> pa.Table:
        n = len(rollout.response_ids)
        ids = self.pair.vocabulary.ids.numpy()
        for name in statistics:
            if name.startswith(("argmax_", "top_ids_")):
                statistics[name] = ids[statistics[name]]
        columns: dict[str, Any] = {
            "arm": [rollout.arm] * n,
            "problem_id": [rollout.problem_id] * n,
            "draw": np.full(n, rollout.draw),
            "position": np.arange(n),
            "token_id": np.asarray(rollout.response_ids),
            "token": list(map(self._token_name, rollout.response_ids)),
            "terminator": np.isin(rollout.response_ids, list(self.pair.stop_ids)),
            **statistics,
        }
        return pa.table({f.name: _array(columns[f.name], f.type) for f in self.schema}, schema=self.schema)


def hidden_of(model: Model, group: Sequence[Rollout]) -> Float[Tensor, "n width"]:
    """The hidden states of some responses, one after the other."""
    return torch.cat(response_hidden_states(model, group))


def passes(rollouts: Sequence[Rollout]) -> list[list[Rollout]]:
    """The rollouts that share a pass, in the order in which a table of them is made."""
    return list(_groups([rollouts[i] for i in _by_length(rollouts)]))


def _by_length(rollouts: Sequence[Rollout]) -> list[int]:
    """The numbers of those that have a response, the shortest first: less padding in a pass."""
    return sorted((i for i, r in enumerate(rollouts) if r.response_ids), key=lambda i: _length(rollouts[i]))


def response_hidden_states(model: Model, rollouts: Sequence[Rollout]) -> list[Float[Tensor, "n width"]]:
    """The hidden states that predict each response token: those at index prompt-1 .. prompt+response-2 of each text."""
    texts = [
        [*rollout.prompt_ids, *rollout.response_ids[:-1]] for rollout in rollouts
    ]  # the last token predicts nothing
    if model.way is not Way.LANES:
        whole = read_whole(model, texts)
        return [hidden[len(rollout.prompt_ids) - 1 :] for rollout, hidden in zip(rollouts, whole, strict=True)]
    longest = max(map(len, texts))
    lanes = Lanes(model, len(texts))
    kept: list[list[Tensor]] = [[] for _ in texts]
    for start in range(0, longest, CHUNK):
        chunks = [text[start : start + CHUNK] for text in texts]
        counts = torch.tensor([len(chunk) for chunk in chunks])
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(c, dtype=torch.long) for c in chunks], batch_first=True)
        hidden = lanes.read(ids, counts)
        for row, (rollout, chunk) in enumerate(zip(rollouts, chunks, strict=True)):
            first = max(0, len(rollout.prompt_ids) - 1 - start)  # hidden[t] predicts ids[t + 1]
            kept[row].append(hidden[row, first : len(chunk)].clone())
    return [torch.cat(parts) for parts in kept]


def _groups(rollouts: Sequence[Rollout]) -> Iterator[list[Rollout]]:
    """Consecutive rollouts (ascending in length) that share a pass: as many as fit in PASS positions, at least one."""
    group: list[Rollout] = []
    for rollout in rollouts:
        if group and min(CHUNK, _length(rollout)) * (len(group) + 1) > PASS:
            yield group
            group = []
        group.append(rollout)
    if group:
        yield group


def _length(rollout: Rollout) -> int:
    return len(rollout.prompt_ids) + len(rollout.response_ids)


def _numpy(values: Tensor) -> np.ndarray:
    return values.cpu().numpy()


def _array(values: Any, type_: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(type_):
        return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1), type_.value_type), TOP)
    return pa.array(values, type_)
