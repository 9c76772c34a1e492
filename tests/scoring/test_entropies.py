"""Mean entropies of sampled arms against loops over plain forward passes."""

import math

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


def by_loop(pair, rollouts, sampling, tau):
    """Of RL alone (no τ), or of keeping the base's token unless Δ < τ and then drawing from RL, token by token."""
    total, n = 0.0, 0
    for rollout in rollouts:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.response_ids]])
        with torch.no_grad():
            both = [m.network(ids).logits[0].double()[:, pair.vocabulary.ids] for m in (pair.base, pair.rl)]
        for t in range(len(rollout.prompt_ids) - 1, ids.shape[1] - 1):
            base, rl = (cut(torch.softmax(x[t] / sampling.temperature, -1).tolist(), sampling.top_p) for x in both)
            gain = (both[1][t].log_softmax(-1) - both[0][t].log_softmax(-1)).tolist()
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
    models = (tiny_pair.rl, tiny_pair.base) if tau is None else (tiny_pair.base, tiny_pair.rl)
    found = mean_entropy(models, sampling, rollouts, alone if tau is None else redrawn(tau))
    assert found == pytest.approx(by_loop(tiny_pair, rollouts, sampling, tau), abs=1e-4)
