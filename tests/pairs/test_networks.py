"""What was loaded is what was on the disk: anything missing, mismatched or too much refuses the model in one line."""

import pytest
import torch
from checkpoints import WEIGHTS, copied, located, with_json, with_weights
from conftest import save_pair
from safetensors.torch import load_file, save_file

from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs.loading import load

DOWN = "model.layers.1.mlp.down_proj.weight"


def without(*parts):
    return lambda weights: {k: v for k, v in weights.items() if not any(part in k for part in parts)}


def renamed(prefix):
    return lambda weights: {prefix + k: v for k, v in weights.items()}


def more(**tensors):
    return lambda weights: weights | tensors


@pytest.fixture
def rl(tiny_folders, tmp_path):
    return copied(tiny_folders[1], tmp_path / "rl")


def refusal(base, rl) -> str:
    with pytest.raises(NotAvailable) as error:
        load(located(base, rl))
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 4
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (without("lm_head"), "lack lm_head.weight, which would be random numbers (1 such tensor)"),
        (without(DOWN), f"lack {DOWN}, which would be random numbers (1 such tensor)"),
        (
            without("layers.1."),
            "lack model.layers.1.input_layernorm.weight, which would be random numbers (9 such tensors)",
        ),
        (without("model.norm."), "lack model.norm.weight"),
        (without("embed_tokens"), "lack model.embed_tokens.weight"),
        (more(**{"score.weight": torch.zeros(1, 32)}), "hold score.weight, for which its config.json has no place"),
        (more(**{"model.layers.2.mlp.up_proj.weight": torch.zeros(48, 32)}), "hold model.layers.2.mlp.up_proj.weight"),
        (
            lambda w: w | {DOWN: w[DOWN][:, :40]},
            f"{DOWN} has the shape in its files (32, 40) and by its config.json (32, 48)",
        ),
    ],
)
def test_weights_that_are_not_the_networks_are_refused(tiny_folders, rl, change, says):
    said = refusal(tiny_folders[0], with_weights(rl, change))
    assert says in said
    assert str(rl) in said


@pytest.mark.parametrize(
    ("prefix", "cure"),
    [
        ("_orig_mod.", "model._orig_mod.save_pretrained(FOLDER)"),
        ("pretrained_model.", "model.pretrained_model.save_pretrained(FOLDER)"),
        ("_fsdp_wrapped_module.", "FULL_STATE_DICT"),
        ("module.", "model.module.save_pretrained(FOLDER)"),
        ("base_model.model.", "model.merge_and_unload().save_pretrained(FOLDER)"),
        ("_checkpoint_wrapped_module.", "inside the checkpoint wrapper"),
    ],
)
def test_a_frameworks_prefix_is_named_with_what_writes_the_checkpoint_without_it(tiny_folders, rl, prefix, cure):
    said = refusal(tiny_folders[0], with_weights(rl, renamed(prefix)))
    assert repr(prefix) in said
    assert cure in said


def test_a_prefix_in_the_middle_of_a_name_is_found_too(tiny_folders, rl):
    wrapped = lambda w: {k.replace("mlp.", "_fsdp_wrapped_module.mlp."): v for k, v in w.items()}  # noqa: E731
    assert "'_fsdp_wrapped_module.'" in refusal(tiny_folders[0], with_weights(rl, wrapped))


def test_a_config_that_lost_biases_or_layers_is_refused(tmp_path):
    base, rl = save_pair(tmp_path, "llama", attention_bias=True)
    lost = with_json(copied(rl, tmp_path / "lost"), attention_bias=False)
    assert "hold model.layers.0.self_attn.k_proj.bias" in refusal(base, lost)
    shallow = with_json(copied(rl, tmp_path / "shallow"), num_hidden_layers=1)
    assert "hold model.layers.1." in refusal(base, shallow)


def wider(weights):
    return {
        k: torch.cat([v, v[:8]]) if k in ("lm_head.weight", "model.embed_tokens.weight") else v
        for k, v in weights.items()
    }


def test_a_config_whose_vocabulary_was_not_updated_after_a_resize_is_refused(tiny_folders, rl):
    said = refusal(tiny_folders[0], with_weights(rl, wider))
    assert (
        "lm_head.weight has the shape in its files (308, 32) and by its config.json (300, 32) (2 such tensors)" in said
    )


def test_an_index_that_lists_too_little_is_refused(tiny_folders, rl):
    weights = load_file(rl / WEIGHTS)
    (rl / WEIGHTS).unlink()
    kept = without(DOWN)(weights)
    save_file(kept, rl / "part.safetensors", metadata={"format": "pt"})
    with_json(rl, f"{WEIGHTS}.index.json", metadata={}, weight_map=dict.fromkeys(kept, "part.safetensors"))
    assert f"lack {DOWN}" in refusal(tiny_folders[0], rl)


def test_whole_numbers_without_a_scale_are_not_taken_for_weights(tiny_folders, rl):
    with_weights(rl, lambda weights: {k: v.to(torch.int8) if k == DOWN else v for k, v in weights.items()})
    with pytest.raises(IncompatiblePair, match=rf"{DOWN} is stored as I8; .* not quantised"):
        load(located(tiny_folders[0], rl))


@pytest.mark.parametrize("architecture", ["LlamaForSequenceClassification", "LlamaForTokenClassification"])
def test_a_critic_is_not_taken_for_a_policy(tiny_folders, rl, architecture):
    with pytest.raises(NotAvailable, match=f"is a {architecture}.*says no tokens; give the policy's checkpoint"):
        located(tiny_folders[0], with_json(rl, architectures=[architecture]))


@pytest.mark.parametrize(
    "extra",
    [
        {"v_head.summary.weight": torch.randn(1, 32), "v_head.summary.bias": torch.zeros(1)},
        {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)},
    ],
)
def test_what_is_known_to_be_harmless_changes_nothing(tiny_folders, rl, extra):
    pair = load(located(tiny_folders[0], with_weights(rl, more(**extra))))
    assert torch.equal(pair.rl.head_weight, load_file(tiny_folders[1] / WEIGHTS)["lm_head.weight"])


def test_a_tied_head_may_stand_in_the_file_or_not_and_a_trained_one_is_the_one_that_speaks(tmp_path):
    base, rl = save_pair(tmp_path, "qwen2", tie_word_embeddings=True)
    embedding = load_file(rl / WEIGHTS)["model.embed_tokens.weight"]
    assert torch.equal(load(located(base, rl)).rl.head_weight, embedding)
    with_weights(rl, more(**{"lm_head.weight": embedding.clone()}))
    assert torch.equal(load(located(base, rl)).rl.head_weight, embedding)
    with_weights(rl, more(**{"lm_head.weight": 2 * embedding}))
    assert torch.equal(load(located(base, rl)).rl.head_weight, 2 * embedding)


def test_every_loading_of_a_pair_gives_the_same_numbers(tiny_folders):
    one, other = (load(located(*tiny_folders)).rl.network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
