"""Models, problems and functions that are in memory: named by their content, so that resuming stays honest."""

import datasets
import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer

import rlprobe as rp
from rlprobe.errors import BadInput, NotAvailable, OtherRun

ROWS = [{"question": f"Ann has {i} eggs. How many?", "answer": str(i)} for i in range(1, 4)]
SMALL = {"style": "raw", "max_new_tokens": 8}


@pytest.fixture
def models(tiny_folders):
    base, rl = (AutoModelForCausalLM.from_pretrained(folder) for folder in tiny_folders)
    return {"base": base, "rl": rl, "tokenizer": AutoTokenizer.from_pretrained(tiny_folders[0])}


@pytest.fixture
def adapted(models):
    """The base with an adapter of random numbers laid on it, in place, as PEFT does."""
    torch.manual_seed(0)
    return get_peft_model(models["base"], LoraConfig(target_modules=["q_proj", "v_proj"], init_lora_weights=False))


def test_models_in_memory_say_what_their_folders_say(models, tiny_folders, tmp_path):
    base, rl = map(str, tiny_folders)
    held = rp.disagree(**models, problems=pd.DataFrame(ROWS), out=tmp_path / "held", **SMALL)
    read = rp.disagree(base=base, rl=rl, dataset=rp_file(tmp_path), out=tmp_path / "read", **SMALL)
    assert_frame_equal(held.tokens, read.tokens)
    assert held.run.identity["problems"] == read.run.identity["problems"]
    assert held.run.about["base"].startswith("live:")


def rp_file(folder):
    file = folder / "problems.jsonl"
    pd.DataFrame(ROWS).to_json(file, orient="records", lines=True)
    return str(file)


def test_problems_are_the_same_as_a_frame_a_list_a_dataset_and_a_file(models, tmp_path):
    frame = pd.DataFrame(ROWS).assign(answer=[1, 2, 3])  # numbers as pandas holds them
    given = [frame, ROWS, datasets.Dataset.from_list(ROWS), [(r["question"], r["answer"]) for r in ROWS]]
    found = [rp.disagree(**models, problems=each, out=tmp_path / "run", limit=2, **SMALL) for each in given]
    found.append(rp.disagree(**models, dataset=rp_file(tmp_path), out=tmp_path / "run", limit=2, **SMALL))
    assert len({str(each.run.identity) for each in found}) == 1


def test_a_model_that_was_trained_on_is_another_and_is_not_gone_on_with(models, tmp_path):
    rp.disagree(**models, problems=ROWS, out=tmp_path, **SMALL)
    with torch.no_grad():
        models["rl"].lm_head.weight[3, 3] += 1e-3
    with pytest.raises(OtherRun, match=r"its pair.rl.files.weights is .*, this one's is"):
        rp.disagree(**models, problems=ROWS, out=tmp_path, **SMALL)


def test_a_name_of_a_model_that_has_changed_since_is_refused(models):
    pair = rp.pair(**models)
    with torch.no_grad():
        models["base"].lm_head.weight[3, 3] += 1e-3
    with pytest.raises(BadInput, match="was changed after it was given"):
        rp.disagree(pair=pair, problems=ROWS, **SMALL)


def test_the_models_of_the_user_stay_as_they_were(models, tmp_path):
    before = {name: weight.clone() for name, weight in models["base"].named_parameters()}
    models["base"].train()
    rp.disagree(**models, problems=ROWS, out=tmp_path, **SMALL)
    assert models["base"].training
    assert all(weight.requires_grad for weight in models["base"].parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in models["base"].named_parameters())


def test_dropout_of_a_model_in_training_is_off_when_it_is_read(models, tmp_path):
    there = rp.disagree(**models, problems=ROWS, out=tmp_path / "a", **SMALL)
    models["rl"].train()
    models["rl"].config.attention_dropout = 0.0
    for layer in models["rl"].model.layers:
        layer.self_attn.attention_dropout = 0.5
    assert_frame_equal(rp.disagree(**models, problems=ROWS, out=tmp_path / "b", **SMALL).tokens, there.tokens)


def test_an_adapter_and_the_base_it_lies_on_are_told_apart(models, adapted, tiny_folders, tmp_path):
    """PEFT changes the base's own object: given as it is, it would speak as RL."""
    adapted.save_pretrained(tmp_path / "adapter")
    base = str(tiny_folders[0])
    read = rp.disagree(base=base, rl=f"base+{tmp_path / 'adapter'}", problems=ROWS, out=tmp_path / "read", **SMALL)
    given = {"tokenizer": models["tokenizer"], "problems": ROWS, **SMALL}
    for number, model in enumerate((models["base"], adapted)):
        held = rp.disagree(base=model, rl=adapted, out=tmp_path / f"held{number}", **given)
        assert_frame_equal(held.tokens, read.tokens)
    assert (read.tokens["argmax_base"] != read.tokens["argmax_rl"]).any(), "the adapter does something"


def test_a_base_under_an_adapter_is_the_base_that_it_was(models, tmp_path):
    plain = rp.pair(**models).located.base.files
    adapter = get_peft_model(models["base"], LoraConfig(target_modules=["q_proj"]))
    under = rp.pair(base=adapter, rl=adapter, tokenizer=models["tokenizer"])
    assert under.located.base.files == plain
    assert under.located.rl.files != plain


def hook(module, inputs, output):
    return output


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda given: given.pop("tokenizer"), "is a model in memory without its tokenizer: give tokenizer="),
        (lambda given: given.update(rl_revision="x"), "is a model in memory, which has no revision"),
        (lambda given: given.update(base="a", rl="b"), "tokenizer is for models in memory"),
        (lambda given: given["rl"].model.register_forward_hook(hook), "carries a hook at model"),
        (lambda given: given["rl"].to("meta"), "its numbers are not in memory"),
        (lambda given: given.update(problems=3), "problems are a int: give a DataFrame"),
        (lambda given: given.update(problems=[3]), "problem 0 is a int: a row is a dictionary, or"),
        (lambda given: given.update(problems=[]), "the problems given are none"),
        (lambda given: given.update(problems=[{"a": "b"}]), "which field holds the question.* the problems given have"),
        (lambda given: given.update(problems=[{"question": None, "answer": 1}]), "row 0: the field 'question' is null"),
        (
            lambda given: given.update(problems=datasets.DatasetDict(test=[])),
            "are a dictionary .test.: give one of its splits",
        ),
        (lambda given: given.update(dataset="gsm8k"), "give either problems or dataset, not both"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(models, tmp_path, spoil, says):
    given = {**models, "problems": ROWS, "out": tmp_path / "run", **SMALL}
    spoil(given)
    with pytest.raises(BadInput, match=says) as error:
        rp.disagree(**given)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_an_adapter_of_somebody_else_on_the_base_is_refused(models, adapted, tmp_path):
    with pytest.raises(BadInput, match="the base carries an adapter of PEFT's and would speak with it"):
        rp.disagree(**models, problems=ROWS, out=tmp_path / "run", **SMALL)


def test_the_weights_of_a_model_in_memory_are_not_on_a_disk(models, tmp_path):
    with pytest.raises(NotAvailable, match="is a model in memory"):
        rp.weights(**models, out=tmp_path / "run")


def test_a_name_of_another_process_is_refused(rlprobe):
    code, _, err = rlprobe("disagree", "--base", "live:0123456789ab", "--rl", "live:0123456789ab")
    assert (code, err.count("\n")) == (2, 1)
    assert "was given by another process" in err


def test_solved_questions_problems_and_paths_may_be_objects(models, tmp_path):
    """Rows and files, ranges and columns, paths and text say the same."""
    from rlprobe.settings import DisagreeSettings, made

    (tmp_path / "shots.jsonl").write_text('{"question": "Ann has 9 eggs. How many?", "answer": "It is 9."}')
    shots = [[("Ann has 9 eggs. How many?", "It is 9.")], tmp_path / "shots.jsonl", str(tmp_path / "shots.jsonl")]
    asked = {"problems": ROWS, "max_new_tokens": 4, "style": "question_answer"}
    found = [rp.disagree(**models, **asked, shots=each, only=range(2), out=tmp_path / "run") for each in shots]
    assert found[0].run.about["prompt_example"].startswith("Question: Ann has 9 eggs. How many?\nAnswer: It is 9.")
    plain = rp.disagree(**models, **asked, limit=1, out=tmp_path / "plain")
    assert plain.run.about["prompt_example"] == f"Question: {ROWS[0]['question']}\nAnswer:", "the style keeps its name"
    assert len({str(each.run.identity) for each in found}) == 1
    ids = found[0].problems["problem_id"]
    for only in (ids, ids.to_numpy(), list(ids), [0, 1]):
        again = rp.disagree(**models, **asked, shots=shots[0], only=only, out=tmp_path / "run")
        assert list(again.problems["problem_id"]) == list(ids)
    written = made(DisagreeSettings, {"base": tmp_path, "rl": str(tmp_path), "limit": pd.Series([3]).max()})
    assert (written.pair.base, written.problems.limit) == (str(tmp_path), 3)
