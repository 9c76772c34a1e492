"""`rlprobe weights` from the command line: files alone, parts of the change as identities, resuming, bad input."""

import json

import pytest
import torch
from conftest import save_pair
from safetensors.torch import load_file, save_file

from rlprobe import runs, storage
from rlprobe.commands import weights as pipeline


@pytest.fixture
def weights(rlprobe):
    """`rlprobe weights` on the tiny pair with small settings."""

    def run(*arguments, rl=None, out="run"):
        pair = ("--base", rlprobe.base, "--rl", rl or rlprobe.rl, "--out", rlprobe.tmp_path / out)
        asked = ("--style", "question_answer", "--dataset", rlprobe.problems(4), "--max-new-tokens", 16)
        decoded = (*asked, "--shard-size", 3) if "--ranks" in arguments else ()
        return rlprobe("weights", *pair, *decoded, *arguments)

    run.tmp_path = rlprobe.tmp_path
    return run


def responses(run, arm):
    rows = run.table("rollouts").to_pylist()
    return {row["problem_id"]: row["response_ids"] for row in rows if row["arm"] == arm}


def test_the_files_alone_need_no_problems(weights, tiny_folders, monkeypatch):
    monkeypatch.setattr("rlprobe.commands.prepare.load_problems", lambda *_: pytest.fail("problems were read"))
    code, out, err = weights("--json")
    assert code == 0, err
    found = json.loads(out)
    numbers = sum(tensor.numel() for tensor in load_file(tiny_folders[0] / "model.safetensors").values())
    assert found["weights"]["total"]["numbers"] == numbers
    assert found["stored_as"] == {"base": ["F32"], "rl": ["F32"]}
    assert not found["tied"]
    for name in ("tables/weights_by_kind.md", "tables/weights_by_tensor.csv", "figures/weights.png", "weights.json"):
        assert (weights.tmp_path / "run" / name).stat().st_size > 0
    assert not (weights.tmp_path / "run" / "rollouts").exists()


def test_full_rank_answers_as_rl_does_and_no_rank_as_the_base(weights):
    code, out, err = weights("--ranks", "0,2,full", "--rest", "base", "--json")
    assert code == 0, err
    run = runs.read(weights.tmp_path / "run")
    assert responses(run, "low_rank(0) x all x rest=base") == responses(run, "base")
    code, out, err = weights("--ranks", "2", "--json")
    assert code == 0, err
    assert responses(run, "low_rank(full) x all x rest=rl") == responses(run, "rl")
    told = json.loads(out)["low_rank"]
    full, two = told["parts"]["full rank"], told["parts"]["rank 2"]
    for text in ("base", "rl"):
        assert full["on"][text]["agrees"]["value"] == 1
        assert full["on"][text]["kept"]["value"] == 1
        assert full["on"][text]["kl"]["value"] == 0
        assert two["on"][text]["kl"]["value"] > 0
    assert told["arms"]["full rank"]["identical"]["rl"]["value"] == 1
    assert (full["energy"], 0 < two["energy"] < 1) == (1, True)
    assert told["whole"] < told["approximated"]
    for name in ("tables/low_rank_answers.md", "tables/low_rank_choices.md", "figures/low_rank.png"):
        assert (run.path / name).stat().st_size > 0


def test_the_terminal_says_what_is_an_identity(weights):
    code, out, err = weights("--ranks", "1", "--kinds", "q,k,v,o")
    assert code == 0, err
    assert "How much of it is needed" in out
    assert "an identity, not a finding" in out
    assert "Rank r in every q, k, v, o" in out


def test_what_is_there_is_not_computed_again(weights, monkeypatch):
    assert weights("--ranks", "1", out="unbroken")[0] == 0
    write, calls = storage.write, []

    def killed(file, writer):
        calls.append(file)
        if len(calls) == 31:
            raise KeyboardInterrupt
        write(file, writer)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write", killed)
        assert weights("--ranks", "1")[0] == 130
    assert weights("--ranks", "1")[0] == 0
    there, unbroken = (weights.tmp_path / name for name in ("run", "unbroken"))
    assert (there / "weights.json").read_bytes() == (unbroken / "weights.json").read_bytes()
    monkeypatch.setattr(pipeline, "change_of", None)
    monkeypatch.setattr(pipeline, "Approximations", None)
    assert weights("--ranks", "1")[0] == 0


def test_a_pair_of_a_model_with_itself_changed_nothing(weights, tiny_folders):
    code, out, err = weights("--json", rl=tiny_folders[0])
    assert code == 0, err
    total = json.loads(out)["weights"]["total"]
    assert (total["unchanged"], total["unchanged_exact"], total["relative_norm"]) == (1, 1, 0)
    assert total["rank_90"] is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--ranks", "many"), "neither a whole number"),
        (("--ranks", "-1"), "neither a whole number"),
        (("--ranks", "1", "--kinds", "norm"), "no kind of matrix is called 'norm'"),
        (("--ranks", "1", "--kinds", "qkv"), "the pair has no matrix of kind 'qkv'"),
    ],
)
def test_parts_that_cannot_be_are_refused_before_anything_is_written(weights, arguments, says):
    code, out, err = weights(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert not (weights.tmp_path / "run").exists()


def test_an_adapter_is_read_as_the_folder_that_it_makes_when_merged(weights, tiny_folders, tmp_path, rlprobe):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(tiny_folders[0]), config)
    adapted.save_pretrained(tmp_path / "adapter")
    adapted.merge_and_unload().save_pretrained(tmp_path / "merged")
    code, out, err = weights("--json", rl=f"base+{tmp_path / 'adapter'}")
    assert code == 0, err
    _, whole, _ = weights("--json", rl=tmp_path / "merged", out="whole")
    assert json.loads(out)["weights"] == json.loads(whole)["weights"]

    code, out, err = weights("--json", "--ranks", "2", rl=f"base+{tmp_path / 'adapter'}", out="ranks")
    assert code == 0, err
    told = json.loads(out)["low_rank"]
    assert told["parts"]["rank 2"]["on"]["rl"]["agrees"]["value"] == 1  # its change has rank 2 by construction

    code, of_run, err = rlprobe("weights", rlprobe.tmp_path / "ranks", "--out", rlprobe.tmp_path / "of_run", "--json")
    assert code == 0, err
    assert json.loads(of_run)["weights"] == json.loads(out)["weights"]
    code, _, err = rlprobe("weights", rlprobe.tmp_path / "ranks", "--base", tiny_folders[0], "--rl", tiny_folders[1])
    assert (code, "give either RUN or --base, not both" in err) == (2, True)


def test_differing_shapes_and_unknown_tensors_are_refused(weights, tmp_path):
    _, rl = save_pair(tmp_path / "other", intermediate_size=40)
    code, _, err = weights(rl=rl)
    assert (code, "their difference is not defined" in err) == (5, True)
    folders = save_pair(tmp_path / "strange")
    for folder in folders:
        file = folder / "model.safetensors"
        save_file(load_file(file) | {"model.layers.0.router.weight": torch.ones(2, 2)}, file, metadata={"format": "pt"})
    code, _, err = weights("--base", folders[0], rl=folders[1])
    assert (code, "model.layers.0.router.weight is of no kind" in err) == (5, True)
