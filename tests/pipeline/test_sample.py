"""`rlprobe sample` from the command line: resuming, sharing with interventions, grading again, bad input."""

import json

import pytest

from rlprobe import runs

ALONE = "never x donor_argmax x {} x T=0.9,top_p=1 x seed=0"


@pytest.fixture
def command(rlprobe):
    """A command on the tiny pair with small settings."""

    def run(name, *arguments, dataset=None, out="run"):
        return rlprobe(
            *(name, "--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 12),
            *("--shard-size", 3, "--dataset", dataset or rlprobe.problems(), "--out", rlprobe.tmp_path / out),
            *("--temperature", 0.9, *arguments),
        )

    run.tmp_path, run.problems = rlprobe.tmp_path, rlprobe.problems
    return run


def rollouts(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.glob("rollouts/**/*.parquet")}


def test_both_models_answer_every_problem_n_times(command):
    code, out, err = command("sample", "--n", 3)
    assert code == 0, err
    assert "What sampling shows" in out
    run = runs.read(command.tmp_path / "run")
    assert run.arms("rollouts") == [ALONE.format(member) for member in ("base", "rl")]
    summary = json.loads((run.path / "sample.json").read_text())
    assert {m: text["responses"] for m, text in summary["members"].items()} == {"base": 18, "rl": 18}
    assert list(summary["answers"]["last"]["members"]["base"]["pass_at_k"]) == ["1", "2", "3"]
    for name in ("tables/pass_at_k.md", "tables/sampling.csv", "tables/solvable.tex", "figures/pass_at_k.png"):
        assert (run.path / name).stat().st_size > 0
    ids = {(r["arm"], r["problem_id"], r["draw"]): tuple(r["response_ids"]) for r in run.table("rollouts").to_pylist()}
    assert len({ids[ALONE.format("base"), "q0", draw] for draw in range(3)}) == 3


def test_more_draws_add_to_a_run_and_interventions_stand_between_the_same_ones(command):
    assert command("sample", "--n", 1, "--json")[0] == 0
    before = rollouts(command.tmp_path / "run")
    assert command("sample", "--n", 2, "--member", "rl", "--json")[0] == 0
    code, out, err = command("intervene", "--sample", "--draws", 2, "--mode", "extrapolate:0,0.5", "--json")
    assert code == 0, err
    after = rollouts(command.tmp_path / "run")
    assert {name: after[name] for name in before} == before
    assert len(runs.read(command.tmp_path / "run").arms("rollouts")) == 4
    arms = json.loads(out)["arms"]
    assert arms["extrapolate 0"]["identical"]["rl"]["value"] == 1  # γ = 0 is RL's own sample, draw by draw
    assert arms["extrapolate 0"]["identity"] == "rl"
    assert arms["extrapolate 0.5"]["identity"] is None


def test_one_model_alone_has_no_gain_and_is_graded_again(command, rlprobe):
    code, out, err = command("sample", "--n", 2, "--member", "base", "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary["members"]["rl"] is None
    assert summary["answers"]["last"]["gain"] == {}
    assert "no problem has a verdict" in summary["answers"]["last"]["reason"]
    code, out, err = rlprobe("grade", command.tmp_path / "run", "--answer", "first", "--json")
    assert code == 0, err
    again = json.loads(out)
    assert again["reading"]["answer"] == "first"
    assert again["answers"] == summary["answers"]


def test_shares_merge_to_the_whole(command, rlprobe):
    file = command.problems(4)
    assert command("sample", "--n", 2, dataset=file, out="whole")[0] == 0
    for i in (1, 2):
        assert command("sample", "--n", 2, "--shard", f"{i}/2", dataset=file, out=f"part{i}")[0] == 0
    code, out, err = rlprobe("merge", *(command.tmp_path / name for name in ("merged", "part1", "part2")), "--json")
    assert code == 0, err
    assert rollouts(command.tmp_path / "merged") == rollouts(command.tmp_path / "whole")
    assert json.loads(out)["members"]["rl"]["responses"] == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--n", 0), "--n is 0: it is at least 1"),
        (("--temperature", 0), "--temperature is 0.0: it is above 0"),
        (("--temperature", "nan"), "--temperature is nan: it is a finite number"),
        (("--top-p", 0), "--top-p is 0.0: it is above 0 and at most 1"),
        (("--top-p", 1.5), "--top-p is 1.5"),
        (("--member", "teacher"), "--member is 'teacher': it is one of both, base, rl"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(command, arguments, says):
    code, out, err = command("sample", *arguments)
    assert (code, out) == (2, "")
    assert says in " ".join(err.split())
    assert not (command.tmp_path / "run").exists()


def test_a_dry_run_says_what_would_be_drawn(command):
    code, out, _ = command("sample", "--n", 5, "--dry-run")
    assert code == 0
    assert "6 problems, 5 draws of each from base and rl" in out
    assert not (command.tmp_path / "run").exists()
