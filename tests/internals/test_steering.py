import hooks
import pytest
import torch
from making import random_prompts

from rlprobe.decoding.engine import DecodingSettings, decode_greedily
from rlprobe.internals.steering import mean_difference, mean_norm, random_like, steered


def test_the_direction_is_the_mean_difference_of_what_hooks_see(tiny_pair, inside, points):
    found = mean_difference(inside, points, layer=1)
    rows = [
        [hooks.streams(tiny_pair.member(m).network, torch.tensor([p.ids]))[2, 0, -1] for m in ("rl", "base")]
        for p in points
    ]
    expected = torch.stack([rl - base for rl, base in rows]).mean(0)
    assert torch.allclose(found, expected, atol=1e-5)
    norms = torch.stack([base.norm() for _, base in rows])
    assert mean_norm(inside["base"], points, 1) == pytest.approx(float(norms.mean()), rel=1e-5)


def test_a_steered_model_has_the_vector_in_its_residual_stream_and_the_model_itself_does_not(tiny_pair, inside):
    vector, ids = torch.full((32,), 0.5), torch.tensor([[5, 9, 30]])
    network = tiny_pair.base.network
    model = steered(tiny_pair.base, 1, vector)
    with torch.no_grad():
        before = hooks.streams(network, ids)[2, 0]
        expected = network.model.norm(before + vector)
        assert torch.allclose(model.trunk(ids)[0], expected, atol=1e-6)
        assert torch.allclose(tiny_pair.base.trunk(ids)[0], network.model.norm(before), atol=1e-6)


def test_steering_by_nothing_decodes_the_models_own_text(tiny_pair):
    prompts = random_prompts(4, len(tiny_pair.vocabulary.ids))
    settings = DecodingSettings(20, 4, tiny_pair.stop_ids, tiny_pair.context)
    nothing = steered(tiny_pair.base, 0, torch.zeros(32))
    found, own = (decode_greedily(m, tiny_pair.vocabulary, prompts, settings) for m in (nothing, tiny_pair.base))
    assert [r.ids for r in found] == [r.ids for r in own]


def test_a_random_direction_has_the_same_norm_and_follows_its_generator():
    vector = torch.arange(32.0)
    first, again = (random_like(vector, torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, again)
    assert float(first.norm()) == pytest.approx(float(vector.norm()), rel=1e-6)
    cosine = float(first @ vector / (first.norm() * vector.norm()))
    assert abs(cosine) < 0.9
