"""Loading pairs from folders: whole, with adapters, with tokenizers that AutoTokenizer rebuilds, damaged."""

import json
import shutil

import pytest
import torch
from conftest import save_pair
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from rlprobe.errors import BadInput, IncompatiblePair, NotAvailable
from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.registry import PAIRS
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.prompts import PROMPT_STYLES
from rlprobe.settings import PairChoice


def located(base, rl, **choice):
    return locate(PairChoice(base=str(base), rl=str(rl), device="cpu", **choice))


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
        ({"pair": "bundled", "dtype": "int8"}, "--dtype is 'int8'"),
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


def test_weights_that_are_rounded_when_they_are_read_are_told(tiny_folders):
    lines = located(*tiny_folders, dtype="bfloat16").notices
    assert lines == [f"{m} is stored in float32 and read in bfloat16: its weights are rounded" for m in ("base", "rl")]
    assert located(*tiny_folders, dtype="float32").notices == []


def test_a_model_in_the_hubs_cache_is_found_and_known_by_its_blobs(tiny_folders, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    repository, commit = tmp_path / "models--somebody--model", "c" * 40
    for folder in ("blobs", "refs", f"snapshots/{commit}"):
        (repository / folder).mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    for i, file in enumerate(sorted(tiny_folders[1].iterdir())):
        blob = repository / "blobs" / f"{i:064x}"
        blob.write_bytes(file.read_bytes())
        (repository / "snapshots" / commit / file.name).symlink_to(blob)
    pair = located(tiny_folders[0], "somebody/model")
    assert pair.rl.revision == commit
    assert set(pair.identity()["rl"]["files"]) == set(pair.identity()["base"]["files"])
    assert all(len(content) == 64 for content in pair.identity()["rl"]["files"].values())
    assert torch.equal(load(pair).rl.head_weight, load(located(*tiny_folders)).rl.head_weight)
