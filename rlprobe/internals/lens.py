"""The logit lens: what a model would say if it stopped after each layer.

The residual stream at a point goes through the model's own final norm and head, layer by layer (nostalgebraist 2020);
after the last layer that is what the model says. Depth 0 is the embedding, depth d what layer d - 1 leaves. Nothing is
trained, so an early reading shows what already lies along the directions that the head reads, not all that is there.
Knows points and models; knows no tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.internals.modules import Inside, nnsight
from rlprobe.internals.points import Point, groups, padded
from rlprobe.measures.ranking import greedy
from rlprobe.pairs.compatibility import CommonVocabulary

_ROWS = 512  # residuals whose logits are held at once


@dataclass(frozen=True)
class Reading:
    """What logits say of points: nats over the common vocabulary, and the token id in front."""

    logprobs: Float[Tensor, "points 2"]  # of the base's choice, of RL's
    leading: Int[Tensor, " points"]  # the argmax, ties to the smaller id


@torch.no_grad()
def residual_streams(inside: Inside, points: Sequence[Point]) -> Float[Tensor, "points depths width"]:
    """The residual stream at each point's last index: after the embedding and after every layer."""
    found: list[Tensor] = [torch.empty(0)] * len(points)
    for group in groups(points):
        streams = _of_pass(inside, *padded([points[i] for i in group]))
        for i, stream in zip(group, streams.unbind(), strict=True):
            found[i] = stream
    return torch.stack(found)


def _of_pass(
    inside: Inside, ids: Int[Tensor, "rows n"], last: Int[Tensor, " rows"]
) -> Float[Tensor, "rows depths width"]:
    tracer, device = nnsight(), inside.model.device
    rows = torch.arange(len(ids))
    with inside.traced.trace(input_ids=ids.to(device), use_cache=False):
        streams = [inside.traced.layers[0].input[rows, last].cpu()]
        for layer in inside.traced.layers:
            streams.append(layer.output[rows, last].cpu())
        found = tracer.save(torch.stack(streams, dim=1))
    return found  # noqa: RET504 - a trace cannot hold a return


def read_out(
    inside: Inside, residuals: Float[Tensor, "n width"], points: Sequence[Point], vocabulary: CommonVocabulary
) -> Reading:
    """What a model's final norm and head make of one residual a point, which may be another model's."""
    columns = columns_of(points, vocabulary)
    logprobs, leading = [], []
    for start in range(0, len(points), _ROWS):
        here = slice(start, start + _ROWS)
        logits = inside.logits(residuals[here])
        best = greedy(logits)
        both = torch.log_softmax(logits, -1).gather(1, columns[here].to(logits.device))
        logprobs.append(both.cpu())
        leading.append(vocabulary.ids[best.ids.cpu()])
    return Reading(torch.cat(logprobs), torch.cat(leading))


def columns_of(points: Sequence[Point], vocabulary: CommonVocabulary) -> Int[Tensor, "points 2"]:
    """The columns of the base's choice and of RL's."""
    choices = ([point.base_id for point in points], [point.rl_id for point in points])
    return torch.stack([vocabulary.columns(torch.tensor(ids)) for ids in choices], dim=1)
