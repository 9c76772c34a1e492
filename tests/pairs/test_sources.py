"""Members before their weights: which files count, GGUF, tokenizers that differ, and whatever can be damaged."""

import builtins
import importlib.util
import json
import shutil

import pytest
import torch
from checkpoints import WEIGHTS, copied, located, logprobs, with_json, with_weights
from conftest import save_pair
from gguf_files import write_gguf
from safetensors.torch import load_file, save_file

from rlprobe.decoding.check import load_checked
from rlprobe.errors import BadInput, NotAvailable
from rlprobe.measures.head import Head
from rlprobe.pairs.checkpoint import stored_tensors
from rlprobe.pairs.loading import load
from rlprobe.pairs.sources import weight_files

IDS = torch.tensor([5, 6, 7, 8, 9, 40, 41])


@torch.no_grad()
def said(model):
    return Head.of(model)(model.trunk(IDS[None])[0]).double().log_softmax(-1)


# ---- which files count -----------------------------------------------------------------------------------------------


@pytest.fixture
def rl(tiny_folders, tmp_path):
    return copied(tiny_folders[1], tmp_path / "rl")


def test_a_single_file_counts_and_what_lies_beside_it_does_not(tiny_folders, rl):
    """A stale index, shards of another run and a pickle: neither read by any command, nor hashed."""
    identity = located(tiny_folders[0], rl).identity()
    other = {name: tensor + 1 for name, tensor in load_file(rl / WEIGHTS).items()}
    save_file(other, rl / "model-00001-of-00001.safetensors", metadata={"format": "pt"})
    with_json(rl, f"{WEIGHTS}.index.json", weight_map=dict.fromkeys(other, "model-00001-of-00001.safetensors"))
    torch.save(other, rl / "pytorch_model.bin")
    pair = located(tiny_folders[0], rl)
    assert pair.identity() == identity
    right = load_file(tiny_folders[1] / WEIGHTS)["lm_head.weight"]
    assert torch.equal(load(pair).rl.head_weight, right)
    assert torch.equal(stored_tensors(pair.rl)["lm_head.weight"][:], right)


def test_shards_count_where_there_is_no_single_file(tiny_folders, rl):
    weights = load_file(rl / WEIGHTS)
    (rl / WEIGHTS).unlink()
    half = len(weights) // 2
    parts = {
        f"part-{i}.safetensors": dict(part)
        for i, part in enumerate(([*weights.items()][:half], [*weights.items()][half:]))
    }
    for name, part in parts.items():
        save_file(part, rl / name, metadata={"format": "pt"})
    with_json(rl, f"{WEIGHTS}.index.json", metadata={}, weight_map={k: n for n, p in parts.items() for k in p})
    assert weight_files(str(rl), None) == ["part-0.safetensors", "part-1.safetensors"]
    pair = located(tiny_folders[0], rl)
    assert {*parts} < {*pair.identity()["rl"]["files"]}
    assert torch.equal(load(pair).rl.head_weight, weights["lm_head.weight"])


def test_pickled_weights_are_read_as_tensors_alone(tiny_folders, rl):
    weights = load_file(rl / WEIGHTS)
    (rl / WEIGHTS).unlink()
    torch.save(weights, rl / "pytorch_model.bin")
    pair = located(tiny_folders[0], rl)
    assert "pytorch_model.bin" in pair.identity()["rl"]["files"]
    assert torch.equal(load(pair).rl.head_weight, weights["lm_head.weight"])


class _Surprise:
    def __reduce__(self):
        return (print, ("this code must not run",))


def test_a_pickle_that_would_run_code_is_refused_with_the_conversion(tiny_folders, rl, capsys):
    weights = load_file(rl / WEIGHTS)
    (rl / WEIGHTS).unlink()
    torch.save({**weights, "surprise": _Surprise()}, rl / "pytorch_model.bin")
    with pytest.raises(NotAvailable, match=r"pickled weights are read as plain tensors only.*safetensors") as error:
        load(located(tiny_folders[0], rl))
    assert "\n" not in str(error.value)
    assert "must not run" not in capsys.readouterr().out


def test_an_index_that_is_no_index_is_damage(tiny_folders, rl):
    (rl / WEIGHTS).unlink()
    (rl / f"{WEIGHTS}.index.json").write_text('["nothing of the kind"]')
    with pytest.raises(NotAvailable, match="is damaged: it lists no shards"):
        located(tiny_folders[0], rl)


def test_a_link_to_weights_is_known_by_their_content(tiny_folders, rl, tmp_path):
    """Two checkpoints that are links to files of one name must not be taken for one another."""
    identities = []
    for member in tiny_folders:
        place = tmp_path / f"store-{member.name}"
        place.mkdir()
        shutil.copy(member / WEIGHTS, place / WEIGHTS)
        (rl / WEIGHTS).unlink()
        (rl / WEIGHTS).symlink_to(place / WEIGHTS)
        identities.append(located(tiny_folders[0], rl).identity()["rl"]["files"])
    assert identities[0][WEIGHTS] != identities[1][WEIGHTS]
    assert identities[1] == located(*tiny_folders).identity()["rl"]["files"]


def test_the_chat_template_and_the_added_tokens_belong_to_the_identity(tiny_folders, rl):
    (rl / "chat_template.jinja").write_text("{{ messages[0].content }}")
    assert "chat_template.jinja" in located(tiny_folders[0], rl).identity()["rl"]["files"]


# ---- GGUF ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gguf_pair(tmp_path_factory):
    """(base folder, RL as a GGUF file, the network in it)."""
    folder = tmp_path_factory.mktemp("gguf")
    base, rl = save_pair(folder, "qwen2")
    file = folder / "only" / "rl.gguf"
    file.parent.mkdir()
    return base, file, write_gguf(rl, file)


def test_a_gguf_file_is_a_model(gguf_pair):
    base, file, network = gguf_pair
    pair = located(base, file)
    assert list(pair.identity()["rl"]["files"]) == ["rl.gguf"]
    assert pair.stop_ids == (0,)
    model = load_checked(pair).rl
    torch.testing.assert_close(said(model), logprobs(network, IDS, 300), atol=2e-5, rtol=0)


def test_another_gguf_file_is_another_identity(gguf_pair, tmp_path):
    base, file, _ = gguf_pair
    other = tmp_path / file.name
    write_gguf(base, other)
    assert located(base, file).identity()["rl"] != located(base, other).identity()["rl"]


def test_a_gguf_file_without_a_tensor_is_refused(gguf_pair, tmp_path):
    base, _, _ = gguf_pair
    file = tmp_path / "cut.gguf"
    write_gguf(base, file, without="model.layers.1.mlp.down_proj.weight")
    with pytest.raises(NotAvailable, match=r"lack model\.layers\.1\.mlp\.down_proj\.weight"):
        load(located(base, file))


def test_a_folder_that_holds_only_a_gguf_says_what_to_give(gguf_pair):
    base, file, _ = gguf_pair
    with pytest.raises(NotAvailable, match=f"holds only a GGUF file; give the file itself: {file}"):
        located(base, file.parent)


def test_a_gguf_that_is_not_there_and_one_that_is_damaged_say_so(gguf_pair, tmp_path):
    base, _, _ = gguf_pair
    with pytest.raises(NotAvailable, match="there is no file"):
        located(base, tmp_path / "none.gguf")
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and then nothing")
    with pytest.raises(NotAvailable) as error:
        located(base, tmp_path / "bad.gguf")
    assert "\n" not in str(error.value)


def test_without_the_library_a_gguf_file_says_how_to_get_it(gguf_pair, monkeypatch):
    base, file, _ = gguf_pair
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "gguf" else find(name, *rest))
    with pytest.raises(NotAvailable, match=r"pip install 'rlprobe\[gguf\]'"):
        located(base, file)


# ---- tokenizers ------------------------------------------------------------------------------------------------------


def edited_tokenizer(folder, change):
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def differing(tiny_folders, rl):
    return [line for line in located(tiny_folders[0], rl).notices if line.startswith("the tokenizers differ")]


def test_tokenizers_that_are_the_same_say_nothing(tiny_folders):
    assert located(*tiny_folders).notices == []


def test_merges_in_another_order_are_said(tiny_folders, rl):
    edited_tokenizer(rl, lambda content: content["model"]["merges"].reverse())
    lines = differing(tiny_folders, rl)
    assert len(lines) == 1
    assert "in the merges: prompts are made by that of base (--template-of rl takes the other)" in lines[0]


def test_a_chat_template_that_only_one_has_is_said_and_can_be_chosen(tiny_folders, rl):
    from rlprobe.problems.prompts import encode_prompt

    (rl / "chat_template.jinja").write_text("Question: {{ messages[0].content }}!")
    (line,) = differing(tiny_folders, rl)
    assert "in the chat template (base has none)" in line
    with pytest.raises(BadInput, match="no chat template"):
        encode_prompt("chat", "How many?", located(tiny_folders[0], rl).prompt_tokenizer)
    text, _ = encode_prompt("chat", "How many?", located(tiny_folders[0], rl, template_of="rl").prompt_tokenizer)
    assert text == "Question: How many?!"


def test_what_stands_before_a_text_is_said(tiny_folders, rl):
    start = {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
    sequence = [start, {"Sequence": {"id": "A", "type_id": 0}}]
    processor = {
        "type": "TemplateProcessing",
        "single": sequence,
        "pair": sequence,
        "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}},
    }
    edited_tokenizer(rl, lambda content: content.update(post_processor=processor))
    (line,) = differing(tiny_folders, rl)
    assert "what they put before a text (base nothing, rl [0])" in line


def test_a_side_that_is_none_is_refused(tiny_folders):
    with pytest.raises(BadInput, match="--template-of is 'both': it is one of base, rl"):
        located(*tiny_folders, template_of="both")


# ---- configs ---------------------------------------------------------------------------------------------------------


def test_a_damaged_generation_config_is_not_passed_over(tiny_folders, rl):
    (rl / "generation_config.json").write_text('{"eos_token_id": [0, 1')
    with pytest.raises(NotAvailable, match=r"cannot be loaded.*generation_config\.json"):
        located(tiny_folders[0], rl)


def test_stop_ids_of_a_generation_config_count(tiny_folders, rl):
    assert located(tiny_folders[0], with_json(rl, "generation_config.json", eos_token_id=[0, 7])).stop_ids == (0, 7)


@pytest.mark.parametrize("quantised", [{"quant_method": "gptq", "bits": 4}, {"quant_method": "awq"}])
def test_a_quantised_config_without_its_library_is_one_line(tiny_folders, rl, quantised):
    with_json(rl, quantization_config=quantised)
    with pytest.raises(NotAvailable) as error:
        load(located(tiny_folders[0], rl))
    assert "\n" not in str(error.value)
    assert str(rl) in str(error.value)


def test_a_models_own_code_is_not_run_unless_asked_for(tiny_folders, rl, tmp_path, monkeypatch):
    """Not even where somebody types yes."""
    ran = tmp_path / "ran"
    (rl / "own.py").write_text(
        f"open({str(ran)!r}, 'w').close()\nfrom transformers import LlamaConfig\n\n\nclass Own(LlamaConfig):\n"
        "    model_type = 'own'\n"
    )
    with_json(rl, model_type="own", auto_map={"AutoConfig": "own.Own"})
    monkeypatch.setattr(builtins, "input", lambda *_: "y")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    with pytest.raises(NotAvailable, match="it brings code of its own: read that code, and give --trust-remote-code"):
        located(tiny_folders[0], rl)
    assert not ran.exists()


def test_a_tied_head_that_was_trained_is_the_head_for_the_weights_too(tmp_path):
    from rlprobe.internals.weights import HEAD, tensors_of

    base, rl = save_pair(tmp_path, "qwen2", tie_word_embeddings=True)
    embedding = load_file(rl / WEIGHTS)["model.embed_tokens.weight"]
    with_weights(rl, lambda weights: weights | {HEAD: embedding.clone()})
    assert HEAD not in [both.name for both in tensors_of(located(base, rl))]
    with_weights(rl, lambda weights: weights | {HEAD: 2 * embedding})
    (head,) = [both for both in tensors_of(located(base, rl)) if both.name == HEAD]
    assert torch.equal(head.rl[:], load(located(base, rl)).rl.head_weight)
    assert torch.equal(head.base[:], load(located(base, rl)).base.head_weight)


@pytest.mark.parametrize(("eos", "stops"), [("<|endoftext|>", (0,)), ([[0, 7]], (0, 7)), ([0, "x"], (0, 88))])
def test_stop_ids_may_be_names_of_tokens_or_lists_of_lists(tiny_folders, rl, eos, stops):
    assert located(tiny_folders[0], with_json(rl, "generation_config.json", eos_token_id=eos)).stop_ids == stops


@pytest.mark.parametrize("file", ["config.json", "generation_config.json"])
@pytest.mark.parametrize("eos", ["<nothing>", [0, "<nothing>"], 1.5])
def test_stop_ids_that_are_none_are_refused_in_one_line(tiny_folders, rl, file, eos):
    with pytest.raises(NotAvailable) as error:
        located(tiny_folders[0], with_json(rl, file, eos_token_id=eos))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", '{"model_type": "no-such-model"}'),
        ("config.json", '{"model_type": "llama", "hidden_size": "wide"}'),
        ("tokenizer.json", "{}"),
        ("tokenizer_config.json", "nothing"),
        ("generation_config.json", "[]"),
    ],
)
def test_a_damaged_file_is_one_line_that_names_the_model(tiny_folders, rl, file, content):
    (rl / file).write_text(content)
    with pytest.raises(NotAvailable) as error:
        load(located(tiny_folders[0], rl))
    assert "\n" not in str(error.value)
    assert str(rl) in str(error.value)
