"""Activation patching across models: the donor's activations put into the host while both read the same text.

A cell says what is put where: the residual stream after a layer, what its attention or its MLP adds, or the output of
one head (the block of the output projection's input that belongs to it, so that the host's own projection writes it),
at some indices of the text. All cells of a point are rows of one batch and share one forward pass of the host, in
slices that fit; what lies before the first patched index is the same in every row, and is read once and kept as keys
and values (Vig et al. 2020, Meng et al. 2022; across two models: Prakash et al. 2024). Knows points and models; knows
no tables.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import DynamicCache

from rlprobe.internals.modules import Inside, nnsight
from rlprobe.internals.points import Point

SITES = ("residual", "attention", "mlp", "head")
_PASS = 16_384  # positions of all rows of a pass, those kept as keys and values included


@dataclass(frozen=True, slots=True)
class Cell:
    """What is put in: a site of a layer (a head of it), at the indices `start`..`stop - 1` of the text."""

    site: str
    layer: int
    start: int
    stop: int
    head: int | None = None


@dataclass(frozen=True)
class Donation:
    """A donor's activations at the indices from `first` on, for each site (layers, indices, width)."""

    first: int
    sites: dict[str, Float[Tensor, "layers n width"]]

    @property
    def last_residual(self) -> Float[Tensor, "1 width"]:
        """What its own final norm would read at the last index."""
        return self.sites["residual"][-1, -1:]

    def moved(self, source: tuple[int, int], to: tuple[int, int]) -> "Donation":
        """Its indices `source` (start, stop) offered as the indices `to` of another text.

        The two are aligned at their ends; a shorter source is repeated.
        """
        back = torch.arange(to[1] - to[0] - 1, -1, -1) % (source[1] - source[0])
        taken = source[1] - 1 - self.first - back
        return Donation(to[0], {site: held[:, taken.to(held.device)] for site, held in self.sites.items()})

    def of(self, cell: Cell) -> Float[Tensor, "n width"]:
        """What a cell puts in; for a head, all heads side by side."""
        return self.sites[cell.site][cell.layer, cell.start - self.first : cell.stop - self.first]


def span(where: str, point: Point) -> tuple[int, int] | None:
    """The indices (start, stop) that a name means in a point's text; None where the text has no such place.

    "0" is the decision point itself, "-3" three tokens before it, "earlier" everything before it, "prompt" the prompt
    before it.
    """
    decision = len(point.ids) - 1
    if where in ("earlier", "prompt"):
        stop = decision if where == "earlier" else min(point.prompt, decision)
        return (0, stop) if stop > 0 else None
    start = decision + int(where)
    return (start, start + 1) if start >= 0 else None


@torch.no_grad()
def donate(donor: Inside, point: Point, first: int) -> Donation:
    """What the donor computes along a point's text, from index `first` on."""
    tracer, cache, device = nnsight(), _prefix(donor, point, first), donor.model.device
    with donor.traced.trace(**_reading(donor, point, first, cache, 1)):
        taken: dict[str, list[Tensor]] = {site: [] for site in SITES}
        for layer in donor.traced.layers:
            taken["head"].append(layer.self_attn.o_proj.input[0].to(device))
            taken["attention"].append(layer.self_attn.output[0][0].to(device))
            taken["mlp"].append(layer.mlp.output[0].to(device))
            taken["residual"].append(layer.output[0].to(device))
        sites = tracer.save({site: torch.stack(held) for site, held in taken.items()})
    return Donation(first, sites)


@torch.no_grad()
def patched_residuals(
    host: Inside, point: Point, cells: Sequence[Cell], donation: Donation, rows: int | None = None
) -> Float[Tensor, "rows width"]:
    """The host's last residual at the point: first as it is, then with each cell put in, one row a cell.

    Its final norm and head are still to come (`Inside.logits`). `rows` share a pass; by default as many as fit in
    _PASS positions, keys and values counted.
    """
    first = min((cell.start for cell in cells), default=len(point.ids) - 1)
    rows = rows or max(1, _PASS // len(point.ids))
    prefix, todo = _prefix(host, point, first), [None, *cells]
    parts = [_slice(host, point, todo[n : n + rows], donation, first, prefix) for n in range(0, len(todo), rows)]
    return torch.cat(parts)


def _slice(
    host: Inside, point: Point, cells: Sequence[Cell | None], donation: Donation, first: int, prefix: Any
) -> Float[Tensor, "rows width"]:
    """One forward pass: row i with cell i put in; None puts nothing in."""
    tracer = nnsight()
    cache = copy.deepcopy(prefix)
    if cache is not None:
        cache.batch_repeat_interleave(len(cells))
    writes = {
        (site, layer): [_Write.of(row, cell, donation, host, first) for row, cell in _at(cells, site, layer)]
        for site in SITES
        for layer in range(host.depth)
    }
    with host.traced.trace(**_reading(host, point, first, cache, len(cells))):
        for number, layer in enumerate(host.traced.layers):
            if writes["head", number]:
                _put(layer.self_attn.o_proj.input, writes["head", number])
            if writes["attention", number]:
                _put(layer.self_attn.output[0], writes["attention", number])
            if writes["mlp", number]:
                _put(layer.mlp.output, writes["mlp", number])
            if writes["residual", number]:
                _put(layer.output, writes["residual", number])
        last = tracer.save(host.traced.layers[host.depth - 1].output[:, -1].clone())
    return last  # noqa: RET504 - a trace cannot hold a return


@dataclass(frozen=True)
class _Write:
    """Values for one row, at some indices of the pass and some columns of the width."""

    row: int
    indices: slice
    columns: slice
    values: Float[Tensor, "n m"]

    @classmethod
    def of(cls, row: int, cell: Cell, donation: Donation, host: Inside, first: int) -> "_Write":
        width = host.head_width
        columns = slice(None) if cell.head is None else slice(cell.head * width, (cell.head + 1) * width)
        return cls(row, slice(cell.start - first, cell.stop - first), columns, donation.of(cell)[:, columns])


def _put(held: Float[Tensor, "rows n width"], writes: Sequence[_Write]) -> None:
    """In place, since nnsight takes no notice of a rebinding."""
    for write in writes:
        held[write.row, write.indices, write.columns] = write.values.to(held.device, held.dtype)


def _at(cells: Sequence[Cell | None], site: str, layer: int) -> Iterator[tuple[int, Cell]]:
    """The cells of one place in the network, with their rows."""
    for row, cell in enumerate(cells):
        if cell is not None and (cell.site, cell.layer) == (site, layer):
            yield row, cell


def _prefix(inside: Inside, point: Point, first: int) -> Any:
    """Keys and values of what comes before index `first`; None where nothing does."""
    if first == 0:
        return None
    cache = DynamicCache(config=inside.model.network.config)
    ids = torch.tensor(point.ids[:first], device=inside.model.device)[None]
    inside.trunk(input_ids=ids, past_key_values=cache, use_cache=True)
    return cache


def _reading(inside: Inside, point: Point, first: int, cache: Any, rows: int) -> dict[str, Any]:
    """The arguments of a pass over a point's text from index `first` on, in so many rows."""
    ids = torch.tensor(point.ids[first:], device=inside.model.device).expand(rows, -1)
    return {"input_ids": ids, "past_key_values": cache, "use_cache": cache is not None}
