"""The base with part of what RL changed: ΔW of each matrix replaced by its best approximation of rank r.

The best one (Eckart and Young 1936) is ΔW projected on the r leading singular vectors of its smaller side, which are
eigenvectors of a float64 Gram matrix. At full rank the weights *are* RL's, bit for bit, and at rank 0 the base's.
Vectors (norms, biases) have no rank: they, and matrices of other kinds than asked for, come whole from one model.
"""

from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.errors import BadInput, IncompatiblePair
from rlprobe.internals.weights import KINDS, place_of
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.records import MEMBERS

VECTORS = ("norm", "bias")
MATRICES = tuple(kind for kind in KINDS if kind not in VECTORS)


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of the change: rank r (None: full) of the matrices of some `kinds`; the `rest` is base's or rl's."""

    rank: int | None
    kinds: tuple[str, ...] = MATRICES
    rest: str = "rl"

    def __post_init__(self) -> None:
        if self.rank is not None and self.rank < 0:
            raise BadInput(f"rank is {self.rank}: it is a whole number from 0 up, or full")
        if unknown := [kind for kind in self.kinds if kind not in MATRICES]:
            raise BadInput(f"no kind of matrix is called {unknown[0]!r}; known: {', '.join(MATRICES)}")
        if self.rest not in MEMBERS:
            raise BadInput(f"rest is {self.rest!r}: what has no rank is taken from base or from rl")

    @property
    def label(self) -> str:
        """What it is called in print."""
        return "full rank" if self.rank is None else f"rank {self.rank}"

    @property
    def spec(self) -> str:
        """Its key in a run."""
        kinds = "all" if set(self.kinds) == set(MATRICES) else "+".join(self.kinds)
        return f"low_rank({'full' if self.rank is None else self.rank}) x {kinds} x rest={self.rest}"


class Approximations:
    """base + ΔW_r for any r: a third network beside the pair's two, rewritten in place for each part that is asked for.

    Of every matrix the leading singular vectors are kept, as many as the largest finite rank that will be asked for.
    """

    def __init__(self, pair: ModelPair, largest: int):
        self.pair = pair
        self.largest = largest
        self._base = dict(pair.base.network.named_parameters())
        self._rl = dict(pair.rl.network.named_parameters())
        self._network = deepcopy(pair.rl.network)
        self._vectors: dict[str, Tensor] = {}
        if self._base.keys() != self._rl.keys():
            other = sorted(self._base.keys() ^ self._rl.keys())
            raise IncompatiblePair(
                f"only one of the two models has the parameter {other[0]}; tie both heads or neither"
            )

    @torch.no_grad()
    def model(self, part: Part) -> Model:
        """The model of one part; it stands until the next is asked for."""
        for name, parameter in self._network.named_parameters():
            parameter.copy_(self._weight(name, part))
        head = self._network.get_output_embeddings()
        rows_of = self.pair.vocabulary.rows_of
        bias = None if getattr(head, "bias", None) is None else rows_of(head.bias)
        return replace(
            self.pair.rl, name=part.spec, network=self._network, head_weight=rows_of(head.weight), head_bias=bias
        )

    def _weight(self, name: str, part: Part) -> Tensor:
        """One parameter, with RL's rows where the base has none."""
        base, rl = self._base[name].to(self._rl[name].device), self._rl[name]
        rows = min(len(base), len(rl))
        weight = rl.clone()
        if base.ndim < 2 or place_of(name).kind not in part.kinds:
            weight[:rows] = (rl if part.rest == "rl" else base)[:rows]
        elif part.rank is not None and part.rank < min(rows, rl.shape[1]):
            weight[:rows] = low_rank(
                base[:rows], rl[:rows], self._leading(name, base[:rows], rl[:rows])[:, : part.rank]
            )
        return weight

    def _leading(self, name: str, base: Tensor, rl: Tensor) -> Tensor:
        if name not in self._vectors:
            self._vectors[name] = leading_vectors(rl.double() - base.double())[:, : self.largest].clone()
        return self._vectors[name]


def leading_vectors(change: Float[Tensor, "rows columns"]) -> Float[Tensor, "side side"]:
    """The singular vectors of the smaller side, as columns, by descending singular value."""
    tall = change if len(change) >= change.shape[1] else change.T
    return torch.linalg.eigh(tall.T @ tall).eigenvectors.flip(1)


def low_rank(
    base: Float[Tensor, "rows columns"], rl: Float[Tensor, "rows columns"], vectors: Float[Tensor, "side rank"]
) -> Float[Tensor, "rows columns"]:
    """base + (rl - base) projected on some singular vectors of the smaller side, summed in float64."""
    change = rl.double() - base.double()
    tall = len(change) >= change.shape[1]
    part = change @ vectors @ vectors.T if tall else vectors @ (vectors.T @ change)
    return (base.double() + part).to(rl.dtype)
