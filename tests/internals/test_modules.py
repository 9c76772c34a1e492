import subprocess
import sys

import pytest
import torch
from conftest import save_pair, save_tokenizer, tiny_config
from opened import opened, random_points
from transformers import AutoModelForCausalLM, GPT2Config

from rlprobe.errors import BadInput, UnsupportedArchitecture
from rlprobe.internals.modules import open_model, open_pair
from rlprobe.internals.patching import donate
from rlprobe.pairs.loading import load, locate
from rlprobe.settings import PairChoice


@pytest.mark.parametrize(("kind", "width"), [("llama", 8), ("qwen2", 8), ("qwen3", 16), ("mistral", 8), ("mixed", 8)])
def test_the_parts_of_llama_like_models_are_found(tmp_path, kind, width):
    _, inside = opened(tmp_path, kind)
    for member in inside.values():
        assert (member.depth, member.heads, member.head_width) == (2, 4, width)
        assert member.head.vocab == len(member.model.head_weight)


def test_heads_that_are_wider_than_their_share_of_the_residual_stream_add_up_to_the_attention(tmp_path):
    """Qwen3: 4 heads of 16 side by side go into an output projection of width 32; queries and keys are normalised."""
    pair, inside = opened(tmp_path, "qwen3")
    attention = pair.rl.network.model.layers[1].self_attn
    assert attention.q_norm.weight.shape == attention.k_norm.weight.shape == (16,)
    assert attention.o_proj.weight.shape == (32, 64)
    point = random_points(pair)[0]
    donation = donate(inside["rl"], point, 0)
    heads, width = donation.sites["head"][1], inside["rl"].head_width
    parts = [
        heads[:, h * width : (h + 1) * width] @ attention.o_proj.weight.T[h * width : (h + 1) * width] for h in range(4)
    ]
    assert torch.allclose(sum(parts), donation.sites["attention"][1], atol=1e-5)


def test_another_architecture_is_refused_by_name_with_exit_code_5(tmp_path):
    tokens = save_tokenizer(tmp_path)
    config = GPT2Config(vocab_size=tokens, n_embd=32, n_layer=2, n_head=4, n_positions=64, eos_token_id=0)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    pair = load(locate(PairChoice(base=str(tmp_path), rl=str(tmp_path), device="cpu")))
    with pytest.raises(UnsupportedArchitecture, match=r"gpt2.*has no layers") as refused:
        open_model(pair.base)
    assert refused.value.exit_code == 5


def test_an_adapter_that_is_not_merged_is_refused(tmp_path):
    from peft import LoraConfig, get_peft_model

    base, _ = save_pair(tmp_path)
    network = AutoModelForCausalLM.from_pretrained(base)
    adapted = get_peft_model(network, LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM"))
    adapted.save_pretrained(tmp_path / "adapter")
    pair = load(locate(PairChoice(base=str(base), rl=f"base+{tmp_path / 'adapter'}", device="cpu")))
    with pytest.raises(UnsupportedArchitecture, match="not merged"):
        open_pair(pair)


def test_models_of_two_shapes_are_no_pair(tmp_path):
    tokens = save_tokenizer(tmp_path / "a")
    for name, layers in (("a", 2), ("b", 3)):
        save_tokenizer(tmp_path / name)
        network = AutoModelForCausalLM.from_config(tiny_config("llama", tokens, num_hidden_layers=layers))
        network.save_pretrained(tmp_path / name)
    pair = load(locate(PairChoice(base=str(tmp_path / "a"), rl=str(tmp_path / "b"), device="cpu")))
    with pytest.raises(UnsupportedArchitecture, match="one shape"):
        open_pair(pair)


def test_a_layer_that_is_not_there_is_refused(inside):
    inside["base"].check_layers((0, 1))
    for layer in (2, -1):
        with pytest.raises(BadInput, match="layers are 0 to 1"):
            inside["base"].check_layers((layer,))


def test_norm_and_head_of_the_last_residual_are_the_models_logits(tiny_pair, inside):
    ids = torch.tensor([[5, 9, 30, 7]])
    with torch.no_grad():
        out = tiny_pair.rl.network(input_ids=ids, output_hidden_states=True)
        last = tiny_pair.rl.network.model.layers[-1]
        held = []
        handle = last.register_forward_hook(lambda _m, _i, output: held.append(output))
        tiny_pair.rl.network(input_ids=ids)
        handle.remove()
    assert torch.allclose(inside["rl"].logits(held[0][0]), out.logits[0], atol=1e-5)


def test_nnsight_is_imported_when_first_needed_and_leaves_objects_alone():
    script = """
import sys
import rlprobe.internals.lens, rlprobe.internals.patching, rlprobe.internals.steering
assert "nnsight" not in sys.modules
from rlprobe.internals.modules import nnsight
nnsight()
assert not hasattr(5, "save")
import os
assert "NNSIGHT_CONFIG" not in os.environ
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_trunk_whose_head_reads_something_else_is_refused(tmp_path):
    """Gemma 3n keeps several residual streams side by side: no final norm of one of them is what the head reads."""
    from experiments.families import FAMILIES, save_pair

    save_pair(FAMILIES["Gemma 3n"], tmp_path)
    pair = load(locate(PairChoice(base=str(tmp_path / "base"), rl=str(tmp_path / "rl"), device="cpu")))
    with pytest.raises(UnsupportedArchitecture, match="does not read the final norm of what the last layer leaves"):
        open_pair(pair)
