"""What RL changed in the weights, tensor by tensor, from the files on disk: no model is loaded and nothing is run.

Each tensor is read in blocks of `BLOCK` numbers, so memory holds a few blocks and, of a matrix, the Gram matrix of its
smaller side. The singular values of ΔW = W_rl - W_base are the roots of the eigenvalues of that float64 matrix, summed
over the blocks: exact to about 1e-8 of the largest. (A randomised method would not do: the published updates are nearly
full rank, arXiv 2505.11711, and the rank that holds 90 % of the energy is then far beyond a sketch.)

A weight is *unchanged* if both models hold the same number once rounded to bfloat16: training in bfloat16 cannot
express a smaller change, and a test on the float32 copies would count rounding as learning (arXiv 2511.08567).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.errors import IncompatiblePair, NotAvailable, UnsupportedArchitecture
from rlprobe.pairs.checkpoint import Held, Stored, stored_tensors
from rlprobe.pairs.loading import LocatedPair, whole_exactly
from rlprobe.pairs.networks import is_harmless
from rlprobe.pairs.sources import Source

BLOCK = 2**23  # numbers read at a time: 64 MiB in float64
HEAD = "lm_head.weight"


@dataclass(frozen=True, slots=True)
class Place:
    """What a tensor is: its kind, one of `KINDS`, and its layer, None for what stands outside the layers."""

    kind: str
    layer: int | None

    @property
    def order(self) -> tuple[float, int]:
        """Embedding, layers from below, then what follows them."""
        outside = -1 if self.kind == "embed" else float("inf")
        return (outside if self.layer is None else self.layer), KINDS.index(self.kind)


@dataclass(frozen=True, slots=True)
class Both:
    """One tensor of a pair: as the base stores it and as RL does."""

    name: str
    place: Place
    base: Stored | Held
    rl: Stored | Held

    @property
    def shape(self) -> tuple[int, ...]:
        """What the two have in common: of a vocabulary that one model padded further, the rows of the shorter one."""
        return (min(self.base.shape[0], self.rl.shape[0]), *self.base.shape[1:])

    @property
    def left_out(self) -> int:
        """Rows that only one model has."""
        return max(self.base.shape[0], self.rl.shape[0]) - self.shape[0]

    @property
    def is_matrix(self) -> bool:
        """Whether its change has singular values."""
        return len(self.base.shape) == 2

    @property
    def comparable(self) -> bool:
        """Whether equality as stored says more than equality in bfloat16."""
        return self.base.dtype == self.rl.dtype != "BF16"


@dataclass(frozen=True, slots=True)
class Change:
    """What RL did to one tensor. Squares are sums over its numbers; singular values descend, None for a vector.

    `unchanged` numbers are equal in bfloat16, `unchanged_exact` as stored (None where that is bfloat16, or differs).
    """

    numbers: int
    unchanged: int
    unchanged_exact: int | None
    base_squares: float
    change_squares: float
    singular_values: list[float] | None


def place_of(name: str) -> Place:
    """Kind and layer of a tensor by its name in transformers. Raises UnsupportedArchitecture for an unknown one."""
    *_, module, parameter = ["", *name.split(".")]
    layer = re.search(r"(?:^|\.)layers\.(\d+)\.", name)
    kind = "bias" if parameter == "bias" else "norm" if "norm" in module else MODULES.get(module)
    if kind is None:
        raise UnsupportedArchitecture(
            f"the tensor {name} is of no kind that rlprobe knows ({', '.join(MODULES)}, norms and biases); "
            "`rlprobe weights` reads Llama- and Qwen-like models"
        )
    return Place(kind, int(layer[1]) if layer else None)


def tensors_of(located: LocatedPair) -> list[Both]:
    """The tensors of a pair in the order of the network; a tied head is counted once, as the embedding.

    Raises UnsupportedArchitecture for an adapter that cannot be merged exactly, IncompatiblePair for tensors that only
    one has or of unequal shape.
    """
    base, rl = (_parameters(source) for source in (located.base, located.rl))
    for stored, other in ((base, rl), (rl, base)):
        if HEAD in other and HEAD not in stored:  # one model tied its head, the other trained it: both have one
            stored[HEAD] = _embedding(stored)
    for only, stored, other in (("base", base, rl), ("rl", rl, base)):
        if alone := [name for name in stored if name not in other]:
            raise IncompatiblePair(f"only {only} has the tensor {alone[0]} ({len(alone)} such); these are not a pair")
    pairs = [Both(name, place_of(name), stored, rl[name]) for name, stored in base.items()]
    for both in pairs:
        _check_shape(both)
    return sorted(pairs, key=lambda both: (both.place.order, both.name))


def change_of(both: Both, device: torch.device) -> Change:
    """Read one tensor of both models, block by block, and say what differs."""
    unchanged = exact = 0
    base_squares = change_squares = 0.0
    side = min(both.shape)
    gram = torch.zeros(side, side, dtype=torch.float64, device=device) if both.is_matrix else None
    for base, rl in _blocks(both, device):
        unchanged += int((base.bfloat16() == rl.bfloat16()).sum())
        exact += int((base == rl).sum())
        base, change = base.double(), rl.double() - base.double()
        base_squares += float(base.square().sum())
        change_squares += float(change.square().sum())
        if gram is not None:
            gram.addmm_(change.T, change)
    if not (base_squares < torch.inf and change_squares < torch.inf):
        raise NotAvailable(f"{both.name} holds weights that are not finite; copy or download the pair again")
    return Change(
        numbers=torch.Size(both.shape).numel(),
        unchanged=unchanged,
        unchanged_exact=exact if both.comparable else None,
        base_squares=base_squares,
        change_squares=change_squares,
        singular_values=None if gram is None else _singular_values(gram),
    )


def _singular_values(gram: Float[Tensor, "side side"]) -> list[float]:
    """Descending; eigenvalues that rounding put below 0 are 0."""
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(0).tolist()


def _blocks(both: Both, device: torch.device) -> Iterator[tuple[Tensor, Tensor]]:
    """The same part of both, as (long side, short side) of a matrix: rows of a tall one, columns of a wide one."""
    wide = both.is_matrix and both.shape[0] < both.shape[1]
    longer = max(both.shape)
    step = max(1, BLOCK * longer // torch.Size(both.shape).numel())
    for start in range(0, longer, step):
        part = slice(start, min(start + step, longer))
        index: Any = (slice(0, both.shape[0]), part) if wide else part
        base, rl = (stored[index].to(device) for stored in (both.base, both.rl))
        yield (base.T, rl.T) if wide else (base, rl)


def _parameters(source: Source) -> dict[str, Stored | Held]:
    """What a model learnt: its stored tensors, without a head that is only the embedding again.

    As transformers loads it: a head in the file that is not the embedding is the head, whatever the config says.
    """
    stored: dict[str, Stored | Held] = {
        name: tensor for name, tensor in stored_tensors(source).items() if not is_harmless(name)
    }
    if source.adapter:
        stored = _merged(source, stored)
    tied = HEAD in stored and getattr(source.config, "tie_word_embeddings", False)
    if tied and _equal(stored[HEAD], _embedding(stored)):
        del stored[HEAD]
    return stored


def _merged(source: Source, stored: dict[str, Stored | Held]) -> dict[str, Stored | Held]:
    """The same tensors after the adapter was merged into them in memory, in float32."""
    network = whole_exactly(source, "float32")
    parameters = dict(network.named_parameters(remove_duplicate=False))
    if HEAD in parameters and not torch.equal(parameters[HEAD], network.get_input_embeddings().weight):
        stored = stored | {HEAD: Held(HEAD, parameters[HEAD], "F32")}  # an adapter can untie a head
    if lacking := [name for name in stored if name not in parameters]:
        raise UnsupportedArchitecture(
            f"{source.full_name}: the tensor {lacking[0]} of the base's files has another name in the network; merge "
            "the adapter (PEFT's merge_and_unload, then save_pretrained) and give the merged folder"
        )
    return {name: Held(name, parameters[name].cpu(), "F32") for name in stored}


def _equal(a: Stored | Held, b: Stored | Held) -> bool:
    """Whether two stored matrices hold the same numbers, read a block of rows at a time."""
    step = max(1, BLOCK // max(1, a.shape[1]))
    starts = range(0, a.shape[0], step)
    return a.shape == b.shape and all(torch.equal(a[s : s + step], b[s : s + step]) for s in starts)


def _embedding(stored: dict[str, Stored | Held]) -> Stored | Held:
    return next(tensor for name, tensor in stored.items() if place_of(name).kind == "embed")


def _check_shape(both: Both) -> None:
    base, rl = both.base.shape, both.rl.shape
    rows_may_differ = both.place.kind in ("embed", "head")
    if len(base) != len(rl) or base[rows_may_differ:] != rl[rows_may_differ:]:
        raise IncompatiblePair(f"{both.name} has shape {base} in base and {rl} in rl; their difference is not defined")
    if len(base) > 2 or not torch.Size(base).numel():
        raise UnsupportedArchitecture(
            f"{both.name} has shape {base}; `rlprobe weights` knows matrices and vectors, not experts in one block"
        )


# module of transformers -> kind; norms and biases are known by their names
MODULES = {
    "embed_tokens": "embed",
    "q_proj": "q",
    "k_proj": "k",
    "v_proj": "v",
    "qkv_proj": "qkv",
    "o_proj": "o",
    "gate_proj": "gate",
    "up_proj": "up",
    "gate_up_proj": "gate_up",
    "down_proj": "down",
    "lm_head": "head",
}
KINDS = (*dict.fromkeys(MODULES.values()), "norm", "bias")
