"""Greedy decoding against transformers' own generate, alone, batched and refilled."""

import pytest
import torch
from conftest import save_pair
from making import random_prompts
from transformers import GenerationConfig

from rlprobe.decoding.engine import DecodingSettings, Watch, decode_greedily
from rlprobe.errors import RlprobeError
from rlprobe.pairs.loading import load, locate
from rlprobe.records import Stop
from rlprobe.settings import PairChoice

NEAR_TIE = 1e-3


def generated(model, prompt: list[int], new: int, stop_ids: set[int]) -> list[int]:
    config = GenerationConfig(max_new_tokens=new, do_sample=False, eos_token_id=sorted(stop_ids), pad_token_id=0)
    out = model.network.generate(torch.tensor([prompt]), generation_config=config)
    return out[0, len(prompt) :].tolist()


def same_up_to_a_near_tie(model, prompt: list[int], ours: list[int], theirs: list[int]) -> bool:
    """Design's rule: equal, or first different where the margin is below 1e-3 nats."""
    if ours == theirs:
        return True
    at = next(i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    logits = model.network(torch.tensor([prompt + ours[:at]])).logits[0, -1].double()
    best = torch.log_softmax(logits, -1).topk(2).values
    return float(best[0] - best[1]) < NEAR_TIE


@pytest.fixture(scope="module", params=["llama", "qwen2", "mistral", "mixed"])
def pair(request, tmp_path_factory):
    base, rl = map(str, save_pair(tmp_path_factory.mktemp(request.param), request.param))
    return load(locate(PairChoice(base=base, rl=rl, device="cpu")))


@pytest.mark.parametrize("rows", [1, 3, 64])
def test_greedy_ids_equal_generate_alone_batched_and_refilled(pair, rows):
    vocab = len(pair.vocabulary.ids)
    prompts = random_prompts(14, vocab)
    stop_ids = frozenset({0, 5, 17})
    settings = DecodingSettings(max_new_tokens=60, rows=rows, stop_ids=stop_ids, context=256)
    for model in (pair.base, pair.rl):
        responses = decode_greedily(model, pair.vocabulary, prompts, settings)
        for prompt, response in zip(prompts, responses, strict=True):
            theirs = generated(model, prompt, 60, set(stop_ids))
            assert same_up_to_a_near_tie(model, prompt, response.ids, theirs)
            assert response.stop == (Stop.EOS if response.ids[-1] in stop_ids else Stop.LENGTH)


def test_some_responses_end_early_and_their_rows_are_refilled(pair):
    """Otherwise the test above would not test what it says."""
    prompts = random_prompts(14, len(pair.vocabulary.ids))
    stop_ids = frozenset(range(0, 300, 7))
    passes: list[int] = []
    settings = DecodingSettings(60, 3, stop_ids, 256)
    responses = decode_greedily(pair.base, pair.vocabulary, prompts, settings, Watch(tokens=passes.append))
    assert len({len(r.ids) for r in responses}) > 2
    assert sum(passes) == sum(len(r.ids) for r in responses)
    assert max(passes) <= 3


def test_out_of_memory_halves_the_rows_and_goes_on(tiny_pair, monkeypatch):
    prompts = random_prompts(9, len(tiny_pair.vocabulary.ids))
    settings = DecodingSettings(20, 8, frozenset({0}), 256)
    unhindered = decode_greedily(tiny_pair.base, tiny_pair.vocabulary, prompts, settings)
    trunk = type(tiny_pair.base).trunk

    def small_trunk(self, ids, **reading):
        if len(ids) > 2:
            raise torch.OutOfMemoryError("out of memory (injected)")
        return trunk(self, ids, **reading)

    monkeypatch.setattr(type(tiny_pair.base), "trunk", small_trunk)
    halvings: list[int] = []
    responses = decode_greedily(tiny_pair.base, tiny_pair.vocabulary, prompts, settings, Watch(halved=halvings.append))
    assert halvings == [4, 2]
    assert [r.ids for r in responses] == [r.ids for r in unhindered]


def test_one_row_that_does_not_fit_is_an_error_that_says_what_to_lower(tiny_pair, monkeypatch):
    def no_trunk(self, ids, **reading):
        raise torch.OutOfMemoryError("out of memory (injected)")

    monkeypatch.setattr(type(tiny_pair.base), "trunk", no_trunk)
    with pytest.raises(RlprobeError, match="lower --max-new-tokens"):
        decode_greedily(tiny_pair.base, tiny_pair.vocabulary, [[1, 2]], DecodingSettings(20, 8, frozenset({0}), 256))


def test_a_response_ends_where_the_context_does(tiny_pair):
    prompt = random_prompts(1, len(tiny_pair.vocabulary.ids))[0] + [1] * 200
    response = decode_greedily(
        tiny_pair.base, tiny_pair.vocabulary, [prompt], DecodingSettings(500, 1, frozenset(), 256)
    )[0]
    assert len(prompt) + len(response.ids) == 256
    assert response.stop is Stop.LENGTH
