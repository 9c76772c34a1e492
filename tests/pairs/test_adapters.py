"""Adapters: shared weights where that is exact, members loaded apart where it is not, and every number in its place."""

import logging
import warnings

import pytest
import torch
from checkpoints import copied, located, logprobs, with_json, with_weights
from conftest import save_pair
from peft import LoraConfig, LoraModel, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from rlprobe.decoding.check import load_checked
from rlprobe.errors import BadInput, NotAvailable, UnsupportedArchitecture
from rlprobe.internals.modules import open_pair
from rlprobe.measures.head import Head
from rlprobe.pairs.adapters import check_mergeable
from rlprobe.pairs.loading import load

IDS = torch.tensor([5, 6, 7, 8, 9, 10, 40, 41, 42])
FILE = "adapter_model.safetensors"


def save_adapter(base, folder, seed=3, **settings):
    """An adapter with weights that matter, as PEFT writes it; returns its folder."""
    config = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "o_proj"], "task_type": "CAUSAL_LM"} | settings
    torch.manual_seed(seed)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**config))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn(weight.shape) * (1 if "lora" in name else weight.std() + 0.01)
    with warnings.catch_warnings():  # that it saves embeddings too, where they have an adapter
        warnings.simplefilter("ignore")
        model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_folders, tmp_path_factory):
    return save_adapter(tiny_folders[0], tmp_path_factory.mktemp("adapter"))


@torch.no_grad()
def said(model):
    """What a member of a pair says, through its own trunk and head."""
    return Head.of(model)(model.trunk(IDS[None])[0]).double().log_softmax(-1)


def truth(base, adapter):
    """What transformers and PEFT say: of the base, and of the base with the adapter."""
    plain = AutoModelForCausalLM.from_pretrained(base)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    return logprobs(plain, IDS, 300), logprobs(adapted, IDS, 300)


PLAIN = {
    "lora": {},
    "rslora": {"use_rslora": True},
    "dora": {"use_dora": True},
    "gaussian": {"init_lora_weights": "gaussian"},
    "ranks": {"rank_pattern": {"o_proj": 2}, "alpha_pattern": {"o_proj": 32}},
    "all linear": {"target_modules": "all-linear"},
}
APART = {
    "head": {"target_modules": ["q_proj", "lm_head"]},
    "embeddings": {"target_modules": ["embed_tokens", "q_proj"]},
    "modules to save": {"modules_to_save": ["lm_head"]},
    "a norm to save": {"modules_to_save": ["norm"]},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
}


@pytest.mark.parametrize("settings", [*PLAIN.values(), *APART.values()], ids=[*PLAIN, *APART])
def test_both_members_say_what_peft_says(tiny_folders, tmp_path, settings):
    adapter = save_adapter(tiny_folders[0], tmp_path, **settings)
    pair = load_checked(located(tiny_folders[0], f"base+{adapter}"))
    assert (pair.base.network is pair.rl.network) == (settings in PLAIN.values())
    expected = truth(tiny_folders[0], adapter)
    for _ in range(2):  # switching back and forth
        for model, right in zip((pair.base, pair.rl), expected, strict=True):
            torch.testing.assert_close(said(model), right, atol=2e-5, rtol=0)
    assert (expected[0] - expected[1]).abs().max() > 1e-2


@pytest.mark.parametrize("settings", [*PLAIN.values(), *APART.values()], ids=[*PLAIN, *APART])
def test_merged_in_memory_both_members_say_what_peft_says_unmerged(tiny_folders, tmp_path, settings):
    adapter = save_adapter(tiny_folders[0], tmp_path, **settings)
    pair = load_checked(located(tiny_folders[0], f"base+{adapter}"), apart=True)
    assert pair.base.network is not pair.rl.network
    assert not any("lora" in name for name, _ in pair.rl.network.named_parameters())
    assert open_pair(pair)["rl"].depth == 2
    for model, right in zip((pair.base, pair.rl), truth(tiny_folders[0], adapter), strict=True):
        torch.testing.assert_close(said(model), right, atol=2e-5, rtol=0)


def test_both_ways_of_loading_one_pair_are_kept_apart(tiny_folders, adapter):
    where = located(tiny_folders[0], f"base+{adapter}")
    shared, apart = load_checked(where), load_checked(where, apart=True)
    assert shared.rl.network is shared.base.network is not apart.base.network
    assert load_checked(where) is shared
    assert load_checked(where, apart=True) is apart


def test_an_adapter_that_is_not_itself_when_merged_is_refused(tiny_folders, adapter, monkeypatch):
    def off_by_a_little(model, **settings):
        merged = exact(model, **settings)
        merged.model.layers[1].self_attn.q_proj.weight.data.mul_(1.01)
        return merged

    exact = LoraModel.merge_and_unload
    monkeypatch.setattr(LoraModel, "merge_and_unload", off_by_a_little)
    with pytest.raises(UnsupportedArchitecture, match=r"merged, its logits move by up to .* more than rounding does"):
        load(located(tiny_folders[0], f"base+{adapter}"), apart=True)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_where_merging_rounds_it_is_refused_before_anything_is_loaded(tiny_folders, adapter, dtype):
    source = located(tiny_folders[0], f"base+{adapter}").rl
    with pytest.raises(UnsupportedArchitecture, match=f"merging it in {dtype} rounds what it adds"):
        check_mergeable(source, dtype)
    source.config.quantization_config = {"quant_method": "bitsandbytes"}
    with pytest.raises(UnsupportedArchitecture, match="on a quantised base"):
        check_mergeable(source, "float32")


def test_biases_of_an_adapter_are_rls_alone(tmp_path):
    base, _ = save_pair(tmp_path, "qwen2")
    adapter = save_adapter(base, tmp_path / "adapter", bias="all")
    pair = load_checked(located(base, f"base+{adapter}"))
    for model, right in zip((pair.base, pair.rl), truth(base, adapter), strict=True):
        torch.testing.assert_close(said(model), right, atol=2e-5, rtol=0)


def test_the_bases_own_name_means_the_base_too_but_not_on_another_device_or_revision(tiny_folders, adapter):
    pair = load(located(tiny_folders[0], f"{tiny_folders[0]}+{adapter}"))
    assert pair.base.network is pair.rl.network


def test_an_adapter_on_another_model_has_weights_of_its_own(tiny_folders, adapter):
    pair = load(located(tiny_folders[0], f"{tiny_folders[1]}+{adapter}"))
    assert pair.base.network is not pair.rl.network
    torch.testing.assert_close(said(pair.rl), truth(tiny_folders[1], adapter)[1], atol=2e-5, rtol=0)


def refusal(base, spec) -> str:
    with pytest.raises(NotAvailable) as error:
        load(located(base, spec))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda w: {"_orig_mod." + k: v for k, v in w.items()},
            "lacks base_model.model.model.layers.0.self_attn.o_proj",
        ),
        (lambda w: {k: v for k, v in w.items() if "layers.1." not in k}, "(4 such tensors)"),
        (lambda w: w | {"base_model.model.model.layers.5.x.lora_A.weight": torch.zeros(4, 32)}, "has no place"),
    ],
)
def test_an_adapter_whose_numbers_do_not_all_find_their_place_is_refused(tiny_folders, adapter, tmp_path, change, says):
    other = with_weights(copied(adapter, tmp_path / "other"), change, FILE)
    assert says in refusal(tiny_folders[0], f"base+{other}")


def test_a_dora_without_its_magnitudes_is_refused(tiny_folders, tmp_path):
    adapter = save_adapter(tiny_folders[0], tmp_path, use_dora=True)
    with_weights(adapter, lambda w: {k: v for k, v in w.items() if "magnitude" not in k}, FILE)
    assert "lora_magnitude_vector" in refusal(tiny_folders[0], f"base+{adapter}")


def test_an_adapter_for_a_model_of_another_shape_says_both_names(tmp_path):
    small, _ = save_pair(tmp_path / "small")
    large, _ = save_pair(tmp_path / "large", hidden_size=64)
    adapter = save_adapter(large, tmp_path / "adapter")
    words = refusal(small, f"base+{adapter}")
    assert str(small) in words
    assert str(large) in words


def test_an_adapter_trained_on_a_base_of_another_name_is_told(tiny_folders, adapter, tmp_path):
    renamed = with_json(
        copied(adapter, tmp_path / "a"), "adapter_config.json", base_model_name_or_path="Qwen/Qwen2.5-7B"
    )
    lines = located(tiny_folders[0], f"base+{renamed}").notices
    assert any("was trained on Qwen/Qwen2.5-7B" in line and str(tiny_folders[0]) in line for line in lines)
    assert not any("was trained on" in line for line in located(tiny_folders[0], f"base+{adapter}").notices)


@pytest.mark.parametrize("how", ["pissa_niter_4", "corda", "lora_ga"])
def test_an_initialisation_that_nobody_can_repeat_is_refused(tiny_folders, adapter, tmp_path, how):
    lost = with_json(copied(adapter, tmp_path / "lost"), "adapter_config.json", init_lora_weights=how)
    assert f"initialised by {how}" in refusal(tiny_folders[0], f"base+{lost}")


def test_adapters_cannot_be_stacked(tiny_folders, adapter):
    with pytest.raises(BadInput, match="two adapters cannot be stacked"):
        located(f"{tiny_folders[0]}+{adapter}", f"base+{adapter}")


def test_a_folder_that_is_no_adapter_says_so(tiny_folders):
    with pytest.raises(NotAvailable, match=r"is no adapter: it has no adapter_model\.safetensors"):
        located(tiny_folders[0], f"base+{tiny_folders[1]}")


def test_the_adapter_belongs_to_the_identity(tiny_folders, adapter, tmp_path):
    mine = located(tiny_folders[0], f"base+{adapter}").identity()
    assert mine["base"] == located(*tiny_folders).identity()["base"]
    other = save_adapter(tiny_folders[0], tmp_path, seed=4)
    theirs = located(tiny_folders[0], f"base+{other}").identity()
    differing = {name for name, sha in mine["rl"]["files"].items() if theirs["rl"]["files"][name] != sha}
    assert differing == {f"adapter/{FILE}"}


def test_an_adapter_from_the_hub_belongs_to_the_identity_like_a_local_one(tiny_folders, adapter, tmp_path, monkeypatch):
    """The Hub's cache as it lies on disk: snapshots of links to blobs that are called by the hash of their content."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    identities = []
    for commit, blob in (("a" * 40, "1" * 64), ("b" * 40, "2" * 64)):
        repository = tmp_path / "models--somebody--adapter"
        (repository / "blobs").mkdir(parents=True, exist_ok=True)
        (repository / "refs").mkdir(exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
        snapshot = repository / "snapshots" / commit
        snapshot.mkdir(parents=True)
        for file, name in ((FILE, blob), ("adapter_config.json", "3" * 40)):
            if not (repository / "blobs" / name).exists():
                (repository / "blobs" / name).write_bytes((adapter / file).read_bytes())
            (snapshot / file).symlink_to(repository / "blobs" / name)
        identities.append(located(tiny_folders[0], "base+somebody/adapter").identity()["rl"]["files"])
    assert [files[f"adapter/{FILE}"] for files in identities] == ["1" * 64, "2" * 64]


def test_an_adapter_that_was_never_trained_is_told_at_the_check(tiny_folders, tmp_path, caplog):
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folders[0]), LoraConfig(target_modules=["q_proj"]))
    model.save_pretrained(tmp_path)
    assert not load_file(tmp_path / FILE)["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"].any()
    with caplog.at_level(logging.WARNING):
        load_checked(located(tiny_folders[0], f"base+{tmp_path}"))
    assert "say exactly the same at all" in caplog.text
