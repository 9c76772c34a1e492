"""What methods add, by hand on two responses of three tokens, and its gradient by finite differences."""

import math
from itertools import combinations

import pytest
import torch

from rlprobe.training.grpo import advantages
from rlprobe.training.losses import (
    contrast,
    learned_positions,
    least_likely,
    most_covariant,
    pass_at_k_advantages,
    proxy_logprobs,
    pull,
    reweighted,
)

LOGPROBS = torch.tensor([[-0.1, -2.0, -0.5], [-3.0, -0.2, -4.0]], dtype=torch.float64)
ADVANTAGES = torch.tensor([1.0, -1.0], dtype=torch.float64)
ALL = torch.ones(2, 3, dtype=torch.bool)


def slope(function, values):
    """The gradient by central differences."""
    found = torch.zeros_like(values)
    for at in range(values.numel()):
        step = torch.zeros_like(values).flatten()
        step[at] = 1e-6
        step = step.view_as(values)
        found.view(-1)[at] = (function(values + step) - function(values - step)) / 2e-6
    return found


def graded(function, values):
    values = values.clone().requires_grad_()
    function(values).backward()
    return values.grad


def test_dir_weighs_a_token_by_one_plus_the_strength_times_what_its_probability_lacks_of_one():
    got = reweighted(torch.tensor([2.0, -1.0]), torch.tensor([[0.0, math.log(0.5)], [math.log(0.25), -20.0]]), 0.1)
    expected = torch.tensor([[2.0, 2.1], [-1.075, -1.1]])
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-6)
    assert torch.equal(
        reweighted(torch.tensor([2.0, -1.0]), torch.randn(2, 2), 0.0), torch.tensor([[2.0] * 2, [-1.0] * 2])
    )


def test_the_proxy_is_the_policy_without_its_noise_renormalised():
    probabilities = torch.tensor([[0.6, 0.3, 0.09, 0.01], [0.6, 0.3, 0.09, 0.01]])
    got = proxy_logprobs(probabilities.log(), torch.tensor([1, 3]), 0.02)  # 0.01 is less than 0.02 of 0.6
    assert got[0] == pytest.approx(math.log(0.3 / 0.99), abs=1e-6)
    assert got[1] == -math.inf


def test_lp_reg_takes_the_least_likely_tokens_of_bad_responses_where_the_proxy_finds_them_likelier():
    rng = torch.Generator().manual_seed(0)
    logprobs = -torch.rand(6, 40, generator=rng) * 5
    proxy = logprobs + torch.randn(6, 40, generator=rng)
    proxy[0, :5] = -math.inf
    gained = torch.tensor([1.0, -1.0, -0.5, 0.0, 2.0, -0.1])
    mask = torch.rand(6, 40, generator=rng) < 0.8
    got = least_likely(logprobs, proxy, gained, mask, 0.05)
    bad = [(float(logprobs[r, t]), r, t) for r in range(6) for t in range(40) if mask[r, t] and gained[r] < 0]
    chosen = sorted(bad)[: int(0.05 * len(bad))]
    expected = {(r, t) for _, r, t in chosen if logprobs[r, t] < proxy[r, t]}
    assert {tuple(at) for at in got.nonzero().tolist()} == expected
    assert expected
    assert not least_likely(logprobs, proxy, gained, mask, 1.9 / len(bad)).any()  # a share of one token is none


def test_the_pull_is_the_estimate_of_a_divergence_and_has_its_gradient():
    proxy = torch.tensor([[-0.2, -1.0, -0.5], [-1.0, -math.inf, -50.0]], dtype=torch.float64)
    where = torch.tensor([[False, True, False], [True, False, True]])
    got = pull(LOGPROBS, proxy, where)
    d = 1.0, 2.0, -10.0  # -46 is cut at -10
    expected = [math.exp(each) - each - 1 for each in d]
    assert got[where].tolist() == pytest.approx(expected)
    assert not got[~where].any()
    gradient = graded(lambda x: pull(x, proxy, where).sum(), LOGPROBS)
    torch.testing.assert_close(gradient, slope(lambda x: pull(x, proxy, where).sum(), LOGPROBS), atol=1e-6, rtol=1e-6)
    assert gradient.isfinite().all()


def test_kl_cov_takes_the_tokens_whose_likelihood_goes_most_with_their_advantage():
    mask = torch.tensor([[True, True, False], [True, True, True]])
    mean_a, mean_l = (1 + 1 - 1 - 1 - 1) / 5, (-0.1 - 2.0 - 3.0 - 0.2 - 4.0) / 5
    products = {
        (r, t): (float(ADVANTAGES[r]) - mean_a) * (float(LOGPROBS[r, t]) - mean_l) for r, t in mask.nonzero().tolist()
    }
    for share, many in ((0.4, 2), (0.01, 1)):
        got = most_covariant(LOGPROBS, ADVANTAGES, mask, share)
        assert {tuple(at) for at in got.nonzero().tolist()} == set(sorted(products, key=products.get)[-many:])


@pytest.mark.parametrize("k", [1, 2, 4])
def test_pass_at_k_advantages_are_those_of_every_choice_of_k_responses(k):
    right = torch.tensor([[True, False, False, True, False], [True] * 5, [False] * 5, [True, True, True, True, False]])
    got = pass_at_k_advantages(right, k)
    for group, row in zip(right.tolist(), got.tolist(), strict=True):
        rewards = {chosen: float(any(group[i] for i in chosen)) for chosen in combinations(range(5), k)}
        mean = sum(rewards.values()) / len(rewards)
        spread = math.sqrt(mean * (1 - mean))
        for member, value in enumerate(row):
            own = [reward for chosen, reward in rewards.items() if member in chosen]
            expected = (sum(own) / len(own) - mean) / spread if spread else 0.0
            assert value == pytest.approx(expected, abs=1e-6)


def test_pass_at_1_is_grpo_with_the_deviation_of_a_population():
    right = torch.tensor([[True, False, False, True]])
    expected = advantages(right.float().flatten(), 4) * math.sqrt(4 / 3)
    torch.testing.assert_close(pass_at_k_advantages(right, 1).flatten(), expected, atol=1e-3, rtol=1e-3)


def test_the_contrast_is_the_mean_of_advantage_times_surprise_and_has_its_gradient():
    said, gained = torch.tensor([-0.5, -2.0, -1.0], dtype=torch.float64), torch.tensor([1.0, -2.5, 0.5]).double()
    assert float(contrast(said, gained, 1e-4)) == pytest.approx((0.5 * 1.0 + 2.0 * -2.5 + 1.0 * 0.5) / 3)
    gradient = graded(lambda x: contrast(x, gained, 1e-4), said)
    torch.testing.assert_close(gradient, slope(lambda x: contrast(x, gained, 1e-4), said), atol=1e-6, rtol=1e-6)
    assert contrast(said[:0], gained[:0], 1e-4) == 0


def test_a_bad_decision_is_pushed_no_further_than_the_floor_and_a_good_one_always_pulled():
    said, gained = torch.tensor([-12.0, -12.0]).double(), torch.tensor([-2.5, 2.5]).double()
    assert graded(lambda x: contrast(x, gained, 1e-4), said).tolist() == [0.0, -1.25]
    for far in (10.0, 100.0, 1e6):
        assert float(contrast(torch.tensor([-far]), torch.tensor([-2.5]), 1e-4)) >= 2.5 * math.log(1e-4) - 1e-3


def test_descent_on_bad_decisions_alone_ends_at_the_floor():
    logits = torch.zeros(5, requires_grad=True)
    for _ in range(2000):
        loss = contrast(torch.log_softmax(logits, 0)[:1], torch.tensor([-2.5]), 1e-4)
        (gradient,) = torch.autograd.grad(loss, logits)
        logits = (logits - 0.1 * gradient).detach().requires_grad_()
    assert 0.5e-4 < float(torch.softmax(logits.detach(), 0)[0]) < 2e-4
    assert float(loss.detach()) >= 2.5 * math.log(1e-4) - 1e-3


def test_the_three_masks_of_kl_lora():
    disagree = torch.tensor([True, False, True, False])
    assert learned_positions("all", disagree).tolist() == [True] * 4
    assert learned_positions("disagreements", disagree).tolist() == [True, False, True, False]
    assert learned_positions("rest", disagree).tolist() == [False, True, False, True]
