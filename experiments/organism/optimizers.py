"""Muon for matrices and AdamW for everything else, behind the one optimizer that a Trainer takes."""

from collections.abc import Callable

import torch
from torch import nn


class MuonAndAdamW(torch.optim.Optimizer):
    """Steps torch's Muon and AdamW together; a schedule moves the learning rates of both.

    Muon (Jordan et al. 2024) orthogonalises each update of a matrix; embeddings, norms and biases are no such matrices.
    """

    def __init__(self, model: nn.Module, matrix_rate: float, other_rate: float) -> None:
        named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        matrices = [weight for name, weight in named if weight.ndim == 2 and "embed" not in name]
        others = [weight for name, weight in named if weight.ndim != 2 or "embed" in name]
        self.parts: tuple[torch.optim.Optimizer, ...] = (
            torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=0.01),
            torch.optim.AdamW(others, lr=other_rate, betas=(0.9, 0.95), weight_decay=0.0),
        )
        super().__init__([{"params": matrices, "lr": matrix_rate}, {"params": others, "lr": other_rate}], {})

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step of each."""
        assert closure is None, "a closure would be evaluated twice"
        for mine, part in zip(self.param_groups, self.parts, strict=True):
            part.param_groups[0]["lr"] = mine["lr"]
            part.step()
