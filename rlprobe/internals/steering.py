"""Steering: one vector added to the residual stream of every token, and where the vector comes from.

The direction is the mean difference of the two models' residual streams, RL minus base, at places where they disagree
(difference of means, as Rimsky et al. 2024 take it between prompts). A steered model is a model: it decodes through the
engine like any other. A plain forward hook adds the vector, because a trace a token would cost more than the token.
Knows points and models; knows no tables and no text.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.internals.lens import residual_streams
from rlprobe.internals.modules import Inside
from rlprobe.internals.points import Point
from rlprobe.pairs.model import Model


def mean_difference(inside: dict[str, Inside], points: Sequence[Point], layer: int) -> Float[Tensor, " width"]:
    """RL minus base, after a layer, averaged over points; what one unit of the coefficient adds."""
    base, rl = (residual_streams(inside[member], points)[:, layer + 1].float() for member in ("base", "rl"))
    return (rl - base).mean(0)


def mean_norm(inside: Inside, points: Sequence[Point], layer: int) -> float:
    """How long the residual stream is after a layer, on average: the scale that a vector's norm is compared with."""
    return float(residual_streams(inside, points)[:, layer + 1].float().norm(dim=-1).mean())


def random_like(vector: Float[Tensor, " width"], generator: torch.Generator) -> Float[Tensor, " width"]:
    """A vector of the same norm whose direction is uniform on the sphere."""
    other = torch.randn(vector.shape, generator=generator)
    return other * (vector.norm() / other.norm())


def steered(model: Model, layer: int, vector: Float[Tensor, " width"]) -> Model:
    """The model with `vector` added to its residual stream after a layer, at every token that it reads."""
    return replace(model, as_member=_adding(model, layer, vector))


def _adding(model: Model, layer: int, vector: Tensor) -> Callable[[], AbstractContextManager[None]]:
    def add(_module: Any, _inputs: Any, output: Tensor) -> Tensor:
        return output + vector.to(output.device, output.dtype)

    @contextmanager
    def switch() -> Iterator[None]:
        with model.as_member():
            hook = model.network.base_model.layers[layer].register_forward_hook(add)
            try:
                yield
            finally:
                hook.remove()

    return switch
