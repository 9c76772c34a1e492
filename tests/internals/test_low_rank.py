"""Part of RL's change: against numpy's truncated singular value decomposition, and the two ends as identities."""

import numpy as np
import pytest
import torch

from rlprobe.errors import BadInput
from rlprobe.internals.low_rank import MATRICES, Approximations, Part, leading_vectors, low_rank
from rlprobe.internals.weights import place_of


def parameters(model):
    return {name: p.detach().clone() for name, p in model.network.named_parameters()}


@pytest.fixture(scope="module")
def approximations(tiny_pair):
    return Approximations(tiny_pair, 8)


@pytest.mark.parametrize("shape", [(30, 12), (12, 30), (16, 16)])
@pytest.mark.parametrize("rank", [1, 3, 11])
def test_the_part_of_rank_r_is_the_truncated_svd(shape, rank):
    generator = torch.Generator().manual_seed(rank)
    base = torch.randn(shape, generator=generator)
    rl = base + 0.05 * torch.randn(shape, generator=generator)
    change = rl.double().numpy() - base.double().numpy()
    u, s, v = np.linalg.svd(change, full_matrices=False)
    expected = base.double().numpy() + (u[:, :rank] * s[:rank]) @ v[:rank]
    vectors = leading_vectors(torch.from_numpy(change))[:, :rank]
    assert np.allclose(low_rank(base, rl, vectors).numpy(), expected, atol=1e-6)


def test_full_rank_is_rl_bit_for_bit_and_rank_zero_the_base(tiny_pair, approximations):
    full = parameters(approximations.model(Part(None)))
    none = parameters(approximations.model(Part(0, rest="base")))
    for name, parameter in parameters(tiny_pair.rl).items():
        assert torch.equal(full[name], parameter)
    for name, parameter in parameters(tiny_pair.base).items():
        assert torch.equal(none[name], parameter)


@pytest.mark.parametrize("rest", ["base", "rl"])
def test_only_the_kinds_asked_for_are_cut_and_the_rest_is_whole(tiny_pair, approximations, rest):
    part = Part(2, kinds=("q", "down"), rest=rest)
    model = approximations.model(part)
    base, rl, found = (parameters(m) for m in (tiny_pair.base, tiny_pair.rl, model))
    for name in found:
        if place_of(name).kind in part.kinds:
            values = np.linalg.svd((found[name].double() - base[name].double()).numpy(), compute_uv=False)
            assert values[1] > 1e-3
            assert values[2] < 1e-5
        else:
            assert torch.equal(found[name], {"base": base, "rl": rl}[rest][name])
    assert torch.equal(model.head_weight, found["lm_head.weight"])


def test_a_matrix_too_small_for_the_rank_is_rl_s(tiny_pair, approximations):
    approximations = Approximations(tiny_pair, 20)
    found, rl = parameters(approximations.model(Part(20))), parameters(tiny_pair.rl)
    for name, parameter in found.items():
        small = parameter.ndim == 1 or min(parameter.shape) <= 20
        assert torch.equal(parameter, rl[name]) == small


def test_the_order_in_which_ranks_are_asked_for_does_not_matter(tiny_pair):
    first, second = (Approximations(tiny_pair, 8) for _ in range(2))
    first.model(Part(8))
    first.model(Part(None))
    one, two = (parameters(a.model(Part(3))) for a in (first, second))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_pair_itself_stays_as_it_was(tiny_pair):
    before = parameters(tiny_pair.rl), parameters(tiny_pair.base)
    Approximations(tiny_pair, 4).model(Part(1))
    for kept, member in zip(before, (tiny_pair.rl, tiny_pair.base), strict=True):
        assert all(torch.equal(kept[name], p) for name, p in member.network.named_parameters())


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"rank": -1}, "rank is -1"), ({"rank": 1, "kinds": ("norm",)}, "no kind"), ({"rank": 1, "rest": "x"}, "rest")],
)
def test_a_part_that_cannot_be_is_refused(settings, says):
    with pytest.raises(BadInput, match=says):
        Part(**settings)


def test_parts_have_names_of_their_own():
    parts = [Part(None), Part(3), Part(3, rest="base"), Part(3, kinds=("q", "k")), Part(0, kinds=MATRICES)]
    assert len({part.spec for part in parts}) == len(parts)
