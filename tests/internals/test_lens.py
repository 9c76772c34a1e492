import hooks
import pytest
import torch
from opened import opened, random_points

from rlprobe.internals.lens import read_out, residual_streams
from rlprobe.internals.points import groups, padded
from rlprobe.measures.ranking import greedy


@pytest.mark.parametrize("member", ["base", "rl"])
def test_streams_are_exactly_those_of_raw_hooks(tiny_pair, inside, points, member):
    found = residual_streams(inside[member], points)
    for group in groups(points):
        ids, last = padded([points[i] for i in group])
        expected = hooks.streams(tiny_pair.member(member).network, ids)
        for row, i in enumerate(group):
            assert torch.equal(found[i], expected[:, row, last[row]])


@pytest.mark.parametrize("kind", ["qwen2", "qwen3", "mistral", "mixed"])
def test_streams_of_padded_texts_are_those_of_each_text_alone(tmp_path, kind):
    pair, inside = opened(tmp_path, kind)
    points = random_points(pair)
    found = residual_streams(inside["rl"], points)
    for i, point in enumerate(points):
        alone = hooks.streams(pair.rl.network, torch.tensor([point.ids]))[:, 0, -1]
        assert torch.allclose(found[i], alone, rtol=1e-5, atol=1e-5 * alone.abs().max())


def test_after_the_last_layer_the_lens_is_what_the_model_says(tiny_pair, inside, points):
    for member in ("base", "rl"):
        last = residual_streams(inside[member], points)[:, -1]
        read = read_out(inside[member], last, points, tiny_pair.vocabulary)
        for i, point in enumerate(points):
            with torch.no_grad():
                logits = tiny_pair.member(member).network(input_ids=torch.tensor([point.ids])).logits[0, -1]
            logprobs = torch.log_softmax(logits[: len(tiny_pair.vocabulary.ids)].double(), -1)
            expected = logprobs[[point.base_id, point.rl_id]].float()
            assert torch.allclose(read.logprobs[i], expected, atol=1e-5)
            assert int(read.leading[i]) == int(greedy(logits[None]).ids)


def test_passes_hold_every_text_once_and_keep_to_their_size(points):
    found = list(groups(points, most=60))
    assert sorted(i for group in found for i in group) == list(range(len(points)))
    for group in found:
        longest = max(len(points[i].ids) for i in group)
        assert len(group) == 1 or longest * len(group) <= 60
