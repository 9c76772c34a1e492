"""Lanes: a KV cache in which every row has its own length. Ids in, hidden states out; knows no logits and no stopping.

Row r holds `lengths[r]` positions. A read writes its n new positions to slots lengths[r]..lengths[r]+n-1, and the mask
lets each query see the slots up to its own (and no further back than the window, in a layer that has one). Rewinding is
`lengths -= n`: what lies beyond a row's length is never seen and is written over. A row is given to the next text by
setting its length to 0. Rows that are read together are right-padded, which the same rule makes harmless.
"""

import math
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

from rlprobe.pairs.model import Model

_SLOT_STEP = 64  # slots are allotted in steps, so that passes come in few shapes


class Lanes:
    """The cache of one model for `rows` texts at a time; it grows with the longest text that is in it.

    Rows 0..r-1 are read together where `read` is given no others; keep the rows in use at the front (`move`).
    """

    def __init__(self, model: Model, rows: int):
        self.model = model
        self.rows = rows
        self.lengths = torch.zeros(rows, dtype=torch.long)  # on the CPU: the loop that drives the lanes looks at them
        self.slots = 0
        self._reading: _Reading | None = None
        layers = model.network.get_decoder().config.num_hidden_layers
        self._layers = [_Layer(self) for _ in range(layers)]
        self._cache = Cache(layers=list(self._layers))

    def read(
        self, ids: Int[Tensor, "rows n"], counts: Int[Tensor, " rows"], rows: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "rows n width"]:
        """Append `ids` (right-padded; `counts` of them are real) to rows 0..len-1, or to `rows`; return hidden states.

        Those of padding are meaningless. The lengths of the rows read grow by `counts`.
        """
        n = ids.shape[1]
        where = slice(0, len(ids)) if rows is None else rows
        starts = self.lengths[where]
        self._reading = _Reading(where, starts, n, self._reserve(int(starts.max()) + n))
        device = self.model.device
        positions = self._reading.on(device).positions
        hidden = self.model.trunk(
            ids.to(device),
            position_ids=positions.clamp(max=self.model.context - 1),  # padding may reach further, where no model does
            attention_mask=self._masks(positions),
            past_key_values=self._cache,
            use_cache=True,
        )
        self.lengths[where] += counts
        return hidden  # (rows, n, width)

    def move(self, source: int, target: int) -> None:
        """Let row `target` hold what row `source` holds."""
        for layer in self._layers:
            if layer.is_initialized:
                layer.move(source, target)
        self.lengths[target] = self.lengths[source]

    def copy(self, source: int, target: int, n: int) -> None:
        """Let row `target` hold the first n positions of row `source`; with n = 0 it is empty."""
        if n:
            self.move(source, target)
        self.lengths[target] = n

    def _reserve(self, needed: int) -> int:
        """Make room for `needed` slots a row; return how many the coming pass looks at."""
        visible = math.ceil(needed / _SLOT_STEP) * _SLOT_STEP
        if visible > self.slots:
            self.slots = max(visible, math.ceil(1.5 * self.slots / _SLOT_STEP) * _SLOT_STEP)
            for layer in self._layers:
                if layer.is_initialized:
                    layer.grow(self.slots)
        return visible

    def _masks(self, positions: Int[Tensor, "rows n"]) -> Any:
        """The mask in the form that the trunk takes as it is: one for all layers, or one for each kind of layer."""
        assert self._reading is not None
        slot = torch.arange(self._reading.visible, device=positions.device)
        masks = {kind: self._mask(kind, positions, slot) for kind in sorted(self.model.attention_kinds)}
        if self.model.eager:
            masks = {kind: _additive(mask, self.model.dtype) for kind, mask in masks.items()}
        return next(iter(masks.values())) if len(masks) == 1 else masks

    def _mask(
        self, kind: str, positions: Int[Tensor, "rows n"], slot: Int[Tensor, " slots"]
    ) -> Bool[Tensor, "rows 1 n slots"]:
        seen = slot <= positions[:, :, None]  # (rows, n, slots)
        config = self.model.network.get_decoder().config
        if kind == "sliding_attention":
            seen &= slot > positions[:, :, None] - config.sliding_window
        elif kind == "chunked_attention":
            seen &= slot // config.attention_chunk_size == positions[:, :, None] // config.attention_chunk_size
        return seen[:, None]


def _additive(seen: Bool[Tensor, "rows 1 n slots"], dtype: torch.dtype) -> Float[Tensor, "rows 1 n slots"]:
    """The same mask as what is added to attention's weights: 0 where a slot is seen, the least number elsewhere."""
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, torch.finfo(dtype).min)


class _Places(NamedTuple):
    """Rows and positions of a pass, on one device."""

    where: slice | Tensor  # the rows that are looked at
    rows: Int[Tensor, "rows 1"]
    positions: Int[Tensor, "rows n"]


class _Reading:
    """Where the pass that is under way writes and looks."""

    def __init__(self, where: slice | Tensor, starts: Tensor, n: int, visible: int):
        self.visible = visible
        rows = torch.arange(len(starts)) if isinstance(where, slice) else where
        self._places = {torch.device("cpu"): _Places(where, rows[:, None], starts[:, None] + torch.arange(n))}

    def on(self, device: torch.device) -> _Places:
        """The places on a device: copied there once a pass, not once a layer, since every copy waits for the GPU."""
        if device not in self._places:
            where, rows, positions = self._places[torch.device("cpu")]
            there = where if isinstance(where, slice) else where.to(device)
            self._places[device] = _Places(there, rows.to(device), positions.to(device))
        return self._places[device]


class _Layer(CacheLayerMixin):
    """One layer's keys and values, (rows, heads, slots, head width), as transformers asks for them."""

    def __init__(self, lanes: Lanes):
        super().__init__()
        self._lanes = lanes

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        lanes = self._lanes
        self.keys, self.values = (
            x.new_zeros(lanes.rows, x.shape[1], lanes.slots, x.shape[3]) for x in (key_states, value_states)
        )
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        reading = self._lanes._reading
        assert reading is not None
        assert self.keys is not None
        assert self.values is not None
        where, rows, slots = reading.on(self.keys.device)
        self.keys[rows, :, slots] = key_states.transpose(1, 2)
        self.values[rows, :, slots] = value_states.transpose(1, 2)
        return self.keys[where, :, : reading.visible], self.values[where, :, : reading.visible]

    def move(self, source: int, target: int) -> None:
        """Let one row hold what another holds."""
        for held in (self.keys, self.values):
            assert held is not None
            held[target] = held[source]

    def grow(self, slots: int) -> None:
        """Keep what is held in a larger allocation."""
        for name in ("keys", "values"):
            held = getattr(self, name)
            larger = held.new_zeros(*held.shape[:2], slots, held.shape[3])
            larger[:, :, : held.shape[2]] = held
            setattr(self, name, larger)

    def get_seq_length(self) -> int:
        return 0  # positions are given explicitly

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        reading = self._lanes._reading
        return (reading.visible if reading else query_length), 0

    def get_max_length(self) -> int:
        return -1
