"""Counter-based noise: its distribution, its independence, and that it depends on its counters alone."""

import numpy as np
import pytest
import torch
from scipy import stats

from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.noise import STREAMS, Noise, response_key


def noise(n: int, seed: int = 0) -> Noise:
    key = response_key(seed, "p1", 0)
    return Noise(torch.full((n,), key), torch.arange(n))


@pytest.mark.parametrize("stream", STREAMS)
def test_uniform_numbers_are_uniform_and_streams_differ(stream):
    values = noise(20_000).uniform(stream).numpy()
    assert stats.kstest(values, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(values[1:], values[:-1])[0, 1]) < 0.03
    others = [noise(20_000).uniform(other).numpy() for other in STREAMS if other != stream]
    assert all(abs(np.corrcoef(values, other)[0, 1]) < 0.03 for other in others)


def test_gumbel_numbers_follow_their_distribution():
    assert stats.kstest(noise(40).gumbel("draw", 500).flatten().numpy(), "gumbel_r").pvalue > 1e-3


def test_a_number_depends_on_its_counters_alone():
    whole = noise(30).gumbel("draw", 50)
    some = Noise(torch.full((3,), response_key(0, "p1", 0)), torch.tensor([29, 4, 11])).gumbel("draw", 50)
    assert torch.equal(some, whole[[29, 4, 11]])
    assert torch.equal(noise(30).gumbel("draw", 20), whole[:, :20])


def test_every_counter_matters():
    keys = {response_key(s, p, d) for s in (0, 1) for p in ("p1", "p2", "p11") for d in (0, 1, 11)}
    assert len(keys) == 18
    assert response_key(0, "p1", 0) == response_key(0, "p1", 0)


def test_draws_follow_the_exact_distribution():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0, 0.5], dtype=torch.float64)
    n = 20_000
    nucleus = torch.softmax(logits, -1) * torch.tensor([1, 1, 0, 0, 1])  # the smallest set of probability 0.8
    for sampling, expected in (
        (Sampling(1.0), torch.softmax(logits, -1)),
        (Sampling(0.5), torch.softmax(logits / 0.5, -1)),
        (Sampling(1.0, 0.8), nucleus / nucleus.sum()),
    ):
        drawn = sampling.draw(logits.expand(n, -1), noise(n), "draw")
        counts = torch.bincount(drawn, minlength=5).numpy()
        seen = expected.numpy() > 0
        assert counts[~seen].sum() == 0
        assert stats.chisquare(counts[seen], expected.numpy()[seen] * n).pvalue > 1e-3
