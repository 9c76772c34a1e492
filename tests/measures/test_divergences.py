"""KL(π_RL ‖ π_base) by two other roads: torch.distributions, and the mean of Δ log p over draws from RL."""

import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from rlprobe.measures.tokens import token_statistics

POSITIONS, VOCABULARY = 6, 40


@pytest.fixture(scope="module")
def logits():
    """A base, and an RL model near it at the first positions and far from it at the last."""
    generator = torch.Generator().manual_seed(0)
    base = 2 * torch.randn(POSITIONS, VOCABULARY, generator=generator)
    steps = torch.linspace(0.05, 2, POSITIONS)[:, None]
    return base, base + steps * torch.randn(POSITIONS, VOCABULARY, generator=generator)


def statistics(base, rl, token_ids):
    return token_statistics(base, rl, token_ids, "plain")


def test_both_divergences_and_entropies_are_those_of_torch_distributions(logits):
    base, rl = (Categorical(logits=x.double()) for x in logits)
    found = statistics(*logits, torch.zeros(POSITIONS, dtype=torch.long))
    for ours, theirs in (
        (found.kl_rl_base, kl_divergence(rl, base)),
        (found.kl_base_rl, kl_divergence(base, rl)),
        (found.entropy_base, base.entropy()),
        (found.entropy_rl, rl.entropy()),
    ):
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-5, atol=1e-6)


def test_the_divergence_is_the_mean_of_delta_over_draws_from_rl(logits):
    draws = 20_000
    rl = Categorical(logits=logits[1])
    torch.manual_seed(1)
    tokens = rl.sample((draws,))  # (draws, positions)
    base_rows, rl_rows = (x.repeat(draws, 1) for x in logits)
    found = statistics(base_rows, rl_rows, tokens.reshape(-1))
    delta = (found.logprob_rl - found.logprob_base).reshape(draws, POSITIONS).double()
    exact, error = found.kl_rl_base[:POSITIONS].double(), delta.std(0) / draws**0.5
    assert ((delta.mean(0) - exact).abs() < 4 * error).all()
