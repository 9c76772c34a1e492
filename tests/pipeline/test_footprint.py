"""`rlprobe footprint` from the command line, on the tiny pair and a checkpoint between the two."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from rlprobe.errors import BadInput
from rlprobe.settings import Checkpoint


@pytest.fixture(scope="module")
def half(tiny_folders, tmp_path_factory):
    """A checkpoint half way from base to RL, left without a tokenizer as training leaves them."""
    folder = tmp_path_factory.mktemp("training") / "step-1"
    shutil.copytree(tiny_folders[1], folder, ignore=shutil.ignore_patterns("tokenizer*"))
    base, rl = (load_file(where / "model.safetensors") for where in tiny_folders)
    save_file({k: torch.lerp(base[k], rl[k], 0.5) for k in rl}, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def footprint(rlprobe, half):
    def run(*arguments, checkpoints=None, problems=None):
        checkpoints = checkpoints or [str(half), f"last={rlprobe.rl}"]
        return rlprobe(
            *("footprint", *checkpoints, "--base", rlprobe.base, "--style", "question_answer"),
            *("--dataset", problems or rlprobe.problems(), "--out", rlprobe.tmp_path / "fp"),
            *("--max-new-tokens", 30, "--shard-size", 3, *arguments),
        )

    return run


@pytest.mark.slow
def test_each_checkpoint_is_a_run_and_the_base_is_decoded_once(rlprobe, footprint):
    code, out, err = footprint("--json")
    assert code == 0, err
    summary, folder = json.loads(out), rlprobe.tmp_path / "fp"
    assert [step["name"] for step in summary["steps"]] == ["step-1", "last"]
    alone = rlprobe.disagree(out="alone")
    assert alone[0] == 0
    for layer in ("rollouts/base", "rollouts/rl", "tokens/base", "tokens/rl"):
        for file in (rlprobe.tmp_path / "alone" / layer).iterdir():
            assert (folder / "last" / layer / file.name).read_bytes() == file.read_bytes(), "what disagree would write"
    assert (folder / "last" / "direction.json").exists()
    assert (folder / "figures" / "footprint.png").stat().st_size
    last = json.loads((folder / "last" / "summary.json").read_text())
    assert summary["steps"][1]["rates"]["base"] == last["trajectories"]["base"]["rates"]["all"]["micro"]
    assert summary["steps"][1]["followed"]["of_final"]["value"] == 1


@pytest.mark.slow
def test_a_footprint_grows_and_refuses_another_base_by_name(footprint, rlprobe):
    assert footprint("--limit", 3)[0] == 0
    files = {f: f.stat().st_mtime_ns for f in (rlprobe.tmp_path / "fp").rglob("*-*.parquet")}
    code, out, err = footprint("--json")
    assert code == 0, err
    assert json.loads(out)["problems"]["asked"] == 6
    assert {f: f.stat().st_mtime_ns for f in files} == files
    code, _, err = footprint("--base", rlprobe.rl)
    assert code == 2
    assert "pair.base" in err


def test_a_dry_run_names_the_checkpoints_and_writes_nothing(footprint, rlprobe):
    code, out, _ = footprint("--dry-run")
    assert code == 0
    assert "2 checkpoints" in out
    assert "last: " in out
    assert not (rlprobe.tmp_path / "fp").exists()


@pytest.mark.parametrize(
    ("name", "complaint"), [("tables", "names a folder"), ("a/b", "names a folder"), ("last", "two checkpoints")]
)
def test_names_that_cannot_be_folders_are_refused(footprint, rlprobe, name, complaint):
    code, _, err = footprint(checkpoints=[f"{name}={rlprobe.rl}", f"last={rlprobe.rl}"])
    assert (code, err.count("\n")) == (2, 1)
    assert complaint in err


def test_a_checkpoint_that_is_not_there_ends_before_anything_is_written(footprint, rlprobe):
    code, _, err = footprint(checkpoints=[f"one={rlprobe.rl}", "two=./no-such-model"])
    assert code == 4
    assert "no-such-model" in err
    assert not (rlprobe.tmp_path / "fp").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("step-4=runs/x", Checkpoint("step-4", "runs/x")),
        ("runs/step-4", Checkpoint("step-4", "runs/step-4")),
        ("org/model@step_100", Checkpoint("step_100", "org/model", "step_100")),
        ("a=org/model@main", Checkpoint("a", "org/model", "main")),
        ("ad=base+./lora", Checkpoint("ad", "base+./lora")),
        ("end=rl", Checkpoint("end", "rl")),
    ],
)
def test_a_checkpoint_is_named_and_placed(text, expected):
    assert Checkpoint.parse(text) == expected


def test_no_model_is_no_checkpoint():
    with pytest.raises(BadInput):
        Checkpoint.parse("name=")
