"""Loading pairs from folders: whole, with adapters, with tokenizers that AutoTokenizer rebuilds, damaged."""

import json
import shutil

import pytest
import torch
from conftest import save_pair
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from rlprobe.errors import BadInput, IncompatiblePair, NotAvailable
from rlprobe.pairs.loading import PairChoice, load, load_tokenizer, locate
from rlprobe.pairs.registry import PAIRS
from rlprobe.problems.prompts import PROMPT_STYLES

IDS = torch.tensor([[5, 6, 7, 8, 9, 10]])


def located(base, rl, **choice):
    return locate(PairChoice(base=str(base), rl=str(rl), device="cpu", **choice))


@pytest.fixture(scope="module")
def adapter(tiny_folders, tmp_path_factory):
    """A LoRA adapter with weights that matter, on the tiny base."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_pretrained(tiny_folders[0])
    model = get_peft_model(model, LoraConfig(r=4, target_modules=["q_proj", "o_proj"], init_lora_weights=False))
    folder = tmp_path_factory.mktemp("adapter")
    model.save_pretrained(folder)
    return folder


@torch.no_grad()
def test_base_plus_adapter_shares_weights_and_equals_the_merged_model(tiny_folders, adapter, tmp_path):
    from peft import PeftModel

    plain = AutoModelForCausalLM.from_pretrained(tiny_folders[0])
    expected_base = plain.base_model(input_ids=IDS).last_hidden_state
    merged = PeftModel.from_pretrained(plain, adapter).merge_and_unload()
    expected_rl = merged.base_model(input_ids=IDS).last_hidden_state
    for spec in (f"base+{adapter}", f"{tiny_folders[0]}+{adapter}"):
        pair = load(located(tiny_folders[0], spec))
        assert pair.base.network is pair.rl.network
        for _ in range(2):  # switching back and forth
            torch.testing.assert_close(pair.base.trunk(IDS), expected_base, atol=1e-6, rtol=0)
            torch.testing.assert_close(pair.rl.trunk(IDS), expected_rl, atol=1e-5, rtol=1e-5)
    assert (expected_base - expected_rl).abs().max() > 1e-2


def test_an_adapter_on_another_model_has_weights_of_its_own(tiny_folders, adapter):
    pair = load(located(tiny_folders[0], f"{tiny_folders[1]}+{adapter}"))
    assert pair.base.network is not pair.rl.network


def test_the_adapter_belongs_to_the_identity(tiny_folders, adapter):
    with_adapter = located(tiny_folders[0], f"base+{adapter}").identity()
    assert any(name.startswith("adapter/") for name in with_adapter["rl"]["files"])
    assert with_adapter["base"] == located(*tiny_folders).identity()["base"]


def test_the_identity_is_of_contents_not_of_folders(tiny_folders, tmp_path):
    moved = [shutil.copytree(folder, tmp_path / name) for folder, name in zip(tiny_folders, "ab", strict=True)]
    assert located(*moved).identity() == located(*tiny_folders).identity()
    config = json.loads((moved[1] / "config.json").read_text()) | {"rms_norm_eps": 1e-3}
    (moved[1] / "config.json").write_text(json.dumps(config))
    assert located(*moved).identity() != located(*tiny_folders).identity()


def test_padded_head_rows_are_cut_off(tmp_path):
    folders = save_pair(tmp_path, "qwen2", vocab_size=320)
    pair = load(located(*folders))
    assert pair.vocabulary.padded_rows == (20, 20)
    assert pair.base.head_weight.shape[0] == 300


def test_a_tokenizer_that_autotokenizer_rebuilds_keeps_its_own_ids(tmp_path):
    """A qwen2 checkpoint whose tokenizer.json has another pre-tokenizer: AutoTokenizer changes its ids silently."""
    from tokenizers import Tokenizer, pre_tokenizers

    base, _ = save_pair(tmp_path, "qwen2")
    exact = Tokenizer.from_file(str(base / "tokenizer.json"))
    exact.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # keeps "12" together where Qwen2 does not
    exact.save(str(base / "tokenizer.json"))
    text = "Question: Ann's 3,456 eggs"
    expected = Tokenizer.from_file(str(base / "tokenizer.json")).encode(text).ids
    assert load_tokenizer(str(base)).encode(text) == expected


def test_the_tokenizer_saved_with_a_run_encodes_the_same(tiny_folders, tmp_path):
    tokenizer = load_tokenizer(str(tiny_folders[0]))
    tokenizer.save_pretrained(tmp_path)
    text = "Question: Ann has 12 eggs.\n\nAnswer: \\boxed{7}"
    assert load_tokenizer(str(tmp_path)).encode(text) == tokenizer.encode(text)


def test_tokenizers_that_differ_refuse_the_pair(tiny_folders, tmp_path):
    other = shutil.copytree(tiny_folders[1], tmp_path / "other")
    content = json.loads((other / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    first, second = [token for token, i in vocab.items() if i in (40, 41)]
    vocab[first], vocab[second] = vocab[second], vocab[first]
    (other / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(IncompatiblePair, match="disagree at id 40"):
        located(tiny_folders[0], other)


def test_an_architecture_that_caps_its_logits_is_refused(tmp_path):
    from conftest import save_tokenizer
    from transformers import Gemma2Config

    tokens = save_tokenizer(tmp_path)
    config = Gemma2Config(
        vocab_size=tokens,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        final_logit_softcapping=0.05,
        initializer_range=0.3,
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(IncompatiblePair, match="not its head times its trunk"):
        load(located(tmp_path, tmp_path))


@pytest.mark.parametrize("damage", ["cut", "absent"])
def test_damaged_weights_are_an_error_in_one_line(tiny_folders, tmp_path, damage):
    broken = shutil.copytree(tiny_folders[1], tmp_path / "broken")
    weights = broken / "model.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:-1000])
    else:
        weights.unlink()
    pair = located(tiny_folders[0], broken)
    with pytest.raises(NotAvailable, match="broken") as error:
        load(pair)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-1.5B", "./no-such-folder"])
def test_a_model_that_is_not_there_says_what_to_do_offline(name, tiny_folders):
    with pytest.raises(NotAvailable, match=r"cannot be loaded.*local folder") as error:
        located(name, tiny_folders[1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"pair": "no-such-pair"}, "known: bundled"),
        ({"base": "x"}, "both --base and --rl"),
        ({"pair": "bundled", "dtype": "int8"}, "dtype 'int8'"),
    ],
)
def test_an_impossible_choice_is_refused(choice, says):
    with pytest.raises(BadInput, match=says):
        locate(PairChoice(device="cpu", **choice))


def test_every_registered_pair_names_a_prompt_style_that_exists():
    assert {entry.prompt_style for entry in PAIRS.values()} <= set(PROMPT_STYLES)
    assert all(entry.base and entry.rl for entry in PAIRS.values())


def test_autotokenizer_of_the_tiny_pair_is_its_tokenizer_json(tiny_folders):
    text = "Ann has 12 eggs."
    auto, exact = (
        AutoTokenizer.from_pretrained(tiny_folders[0]),
        PreTrainedTokenizerFast.from_pretrained(tiny_folders[0]),
    )
    assert auto.encode(text) == exact.encode(text)


def test_a_folder_without_a_tokenizer_has_the_bases(tiny_folders, tmp_path):
    checkpoint = tmp_path / "step-10"
    shutil.copytree(tiny_folders[1], checkpoint, ignore=shutil.ignore_patterns("tokenizer*"))
    bare, whole = located(tiny_folders[0], checkpoint), located(*tiny_folders)
    assert bare.rl.tokenizer is bare.base.tokenizer
    assert torch.equal(bare.vocabulary.ids, whole.vocabulary.ids)
    assert bare.stop_ids == whole.stop_ids
    with pytest.raises(NotAvailable):
        located(checkpoint, tiny_folders[1])  # the base must have its own
