"""Mean entropies of sampled arms against loops over plain forward passes."""

import math
from dataclasses import replace

import pytest
import torch
from making import decoded_rollouts

from rlprobe.decoding.arms import Sampling
from rlprobe.scoring.entropies import alone, mean_entropy, redrawn


def cut(probabilities, top_p):
    """The likeliest tokens that hold top_p, the others 0."""
    kept, held = [0.0] * len(probabilities), 0.0
    for i in sorted(range(len(probabilities)), key=lambda i: -probabilities[i]):
        if held < top_p:
            kept[i], held = probabilities[i], held + probabilities[i]
    return [p / held for p in kept]


def logits(pair, rollouts):
    """Base's and RL's before every token of the responses, by plain forward passes."""
    for rollout in rollouts:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.response_ids]])
        with torch.no_grad():
            both = [m.network(ids).logits[0].double()[:, pair.vocabulary.ids] for m in (pair.base, pair.rl)]
        yield from zip(*(x[len(rollout.prompt_ids) - 1 : -1] for x in both), strict=True)


def clear(near, values):
    """The middle of the widest gap between `values` about a threshold: there rounding decides nothing."""
    there = torch.cat([torch.tensor([near - 0.005, near + 0.005]), values[(values - near).abs() < 0.005]]).sort().values
    widest = there.diff().argmax()
    return float(there[widest : widest + 2].mean())


def by_loop(pair, rollouts, sampling, tau):
    """Of RL alone (no τ), or of keeping the base's token unless Δ < τ and then drawing from RL, token by token."""
    total, n = 0.0, 0
    for both in logits(pair, rollouts):
        base, rl = (cut(torch.softmax(x / sampling.temperature, -1).tolist(), sampling.top_p) for x in both)
        gain = (both[1].log_softmax(-1) - both[0].log_softmax(-1)).tolist()
        said = rl
        if tau is not None:
            lost = sum(p for p, d in zip(base, gain, strict=True) if d < tau)
            said = [(p if d >= tau else 0) + lost * q for p, q, d in zip(base, rl, gain, strict=True)]
            assert sum(said) == pytest.approx(1)
        total, n = total - sum(p * math.log(p) for p in said if p), n + 1
    return total / n


@pytest.mark.parametrize("sampling", [Sampling(1.0, 0.7), Sampling(0.6)])
@pytest.mark.parametrize("tau", [None, -0.3, -0.01])
def test_the_mean_entropy_is_that_of_every_distribution_that_was_drawn_from(tiny_pair, sampling, tau):
    rollouts = decoded_rollouts(tiny_pair, "base", 3, new=6)
    seen = [torch.stack(x) for x in zip(*logits(tiny_pair, rollouts), strict=True)]
    if tau is not None:
        tau = clear(tau, (seen[1].log_softmax(-1) - seen[0].log_softmax(-1)).flatten())
    if sampling.top_p < 1:
        held = [(x / sampling.temperature).softmax(-1).sort(descending=True).values.cumsum(-1) for x in seen]
        sampling = replace(sampling, top_p=clear(sampling.top_p, torch.cat(held).flatten()))
    models = (tiny_pair.rl, tiny_pair.base) if tau is None else (tiny_pair.base, tiny_pair.rl)
    found = mean_entropy(models, sampling, rollouts, alone if tau is None else redrawn(tau))
    assert found == pytest.approx(by_loop(tiny_pair, rollouts, sampling, tau), abs=1e-4)
