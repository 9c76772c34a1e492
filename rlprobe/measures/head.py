"""From a model's last hidden states to its logits, with float32 accuracy whatever the dtype of the weights.

A product that returns bfloat16 keeps 8 bits of each logit: exact ties appear and log-probabilities move by hundredths
of a nat, which is as much as many a disagreement. The inputs may be bfloat16 (they are what the model is); sums and
outputs may not. What an architecture does to logits after the product (a scale, a cap) is done here too, in float32.
Knows the head's weights; knows nothing of the trunk or of tokens.

    weights     device   product                                                          error of a logit, relative
    float32     any      float32, nothing less inside                                       2e-7
    bfloat16    CUDA     bfloat16 in, float32 sums and output (torch.mm's out_dtype)
    bfloat16    CPU      blocks of rows widened to float32, for oneDNN, which may narrow    4e-7
                         them to bfloat16 again where the CPU has tiles for it: nothing is
                         lost, for that is where they came from, and sums and output stay
                         float32
    float16     CUDA     as bfloat16
    float16     CPU      blocks of rows widened to float32, float32 product                 2e-7

oneDNN's float32 product on a CPU without such tiles (AMD) is 2.5 times as fast as the one torch takes unasked.
A bfloat16 product whose rounding error is fetched by a second one (beta = -1) was tried: 6e-6, and slower.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.errors import BadInput
from rlprobe.pairs.architecture import LogitFormula
from rlprobe.pairs.model import Model

BLOCK = 1024  # rows of the head widened at a time: 3.7 MB at a width of 896, which stays in the cache until it is used


@dataclass(frozen=True)
class Head:
    """The last linear layer of a model, its rows already cut to the common vocabulary (a view where it is a prefix)."""

    weight: Float[Tensor, "vocab width"]
    bias: Float[Tensor, " vocab"] | None = None
    formula: LogitFormula = LogitFormula()  # noqa: RUF009 - frozen

    @classmethod
    def of(cls, model: Model) -> "Head":
        """A model's head, over the common vocabulary."""
        return cls(model.head_weight, model.head_bias, model.formula)

    @classmethod
    def outside(cls, model: Model) -> "Head | None":
        """Its rows that are outside the common vocabulary; None where there are none."""
        rows = model.outside
        return cls(rows.weight, rows.bias, model.formula) if rows else None

    @property
    def vocab(self) -> int:
        """How many tokens it speaks of."""
        return self.weight.shape[0]

    def buffer(self, rows: int) -> Float[Tensor, "rows vocab"]:
        """Room for the logits of that many positions; used again and again, it spares the system's page faults."""
        return torch.empty(rows, self.vocab, dtype=torch.float32, device=self.weight.device)

    def __call__(
        self, hidden: Float[Tensor, "n width"], out: Float[Tensor, "n vocab"] | None = None
    ) -> Float[Tensor, "n vocab"]:
        """Float32 logits of n positions, into `out` where given (float32, on the head's device).

        Raises BadInput if the hidden states are of another dtype than the weights: one of them would be rounded unseen.
        """
        if hidden.dtype != self.weight.dtype:
            raise BadInput(f"the head is {self.weight.dtype}, its hidden states {hidden.dtype}: load both in one dtype")
        out = self.buffer(len(hidden)) if out is None else out
        if self.weight.dtype == torch.float32:
            _product(hidden, self.weight, out)
        elif self.weight.is_cuda:
            torch.mm(hidden, self.weight.T, out_dtype=torch.float32, out=out)
        else:
            _product_of_blocks(hidden, self.weight, out)
        if self.bias is not None:
            out.add_(self.bias)
        if self.formula.scale != 1.0:
            out.mul_(self.formula.scale)
        if self.formula.cap is not None:
            out.div_(self.formula.cap).tanh_().mul_(self.formula.cap)
        return out


def _product(hidden: Tensor, weight: Tensor, out: Tensor) -> None:
    """float32 in, float32 out, without TF32 or bfloat16 inside."""
    with float32_products_in("ieee"):
        torch.mm(hidden, weight.T, out=out)


def _product_of_blocks(hidden: Tensor, weight: Tensor, out: Tensor) -> None:
    """Widens a block of rows at a time: never a float32 copy of a head that may hold gigabytes."""
    wide_hidden = hidden.float()
    wide_rows = torch.empty(min(BLOCK, len(weight)), weight.shape[1])
    with float32_products_in("bf16" if weight.dtype == torch.bfloat16 else "ieee"):
        for start in range(0, len(weight), BLOCK):
            rows = weight[start : start + BLOCK]
            torch.mm(wide_hidden, wide_rows[: len(rows)].copy_(rows).T, out=out[:, start : start + BLOCK])


@contextmanager
def float32_products_in(precision: str) -> Iterator[None]:
    """Sets what float32 products may be computed in ("ieee": nothing less), and sets it back."""
    backends = (torch.backends.mkldnn.matmul, torch.backends.cuda.matmul)  # type: ignore[attr-defined]
    before = [backend.fp32_precision for backend in backends]
    backends[0].fp32_precision, backends[1].fp32_precision = precision, "ieee"
    try:
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.fp32_precision = value
