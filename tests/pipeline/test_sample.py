"""`rlprobe sample` from the command line: resuming, sharing with interventions, grading again, bad input."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM

from rlprobe import runs
from rlprobe.records import MEMBERS

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

    run.tmp_path, run.problems, run.base, run.rl = rlprobe.tmp_path, rlprobe.problems, rlprobe.base, rlprobe.rl
    return run


def rollouts(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in path.glob("rollouts/**/*.parquet")}


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_both_models_read_the_draws_and_whose_choice_was_drawn_is_what_plain_forwards_say(command, rlprobe):
    code, said, err = command("sample", "--n", 2, "--read", "--json")
    assert code == 0, err
    run, summary = runs.read(command.tmp_path / "run"), json.loads(said)
    networks = {m: AutoModelForCausalLM.from_pretrained(getattr(command, m)).eval() for m in MEMBERS}
    for drawn_by in MEMBERS:
        counts = dict.fromkeys(("tokens", "differ", *MEMBERS), 0)
        for row in run.table("rollouts", arms=[ALONE.format(drawn_by)]).to_pylist():
            prompt, ids = list(row["prompt_ids"]), list(row["response_ids"])
            with torch.no_grad():
                logits = {m: network(torch.tensor([prompt + ids])).logits[0] for m, network in networks.items()}
            first = {m: logits[m][len(prompt) - 1 : -1].argmax(-1).tolist() for m in MEMBERS}
            for token, base, rl in zip(ids, first["base"], first["rl"], strict=True):
                counts["tokens"] += 1
                counts["differ"] += base != rl
                counts["base"] += base != rl and token == base
                counts["rl"] += base != rl and token == rl
        found = {name: each["value"] for name, each in summary["read"][drawn_by].items()}
        assert counts["rl"] * counts["base"]
        assert found["differ"] == pytest.approx(counts["differ"] / counts["tokens"])
        assert {m: found[m] for m in MEMBERS} == pytest.approx({m: counts[m] / counts["differ"] for m in MEMBERS})
        assert sum(found[name] for name in (*MEMBERS, "neither")) == pytest.approx(1)
    assert json.loads(rlprobe("grade", run.path, "--json")[1])["read"] == summary["read"]
    code, out, err = command("sample", "--n", 1, "--read")  # fewer draws are read of the same tables
    assert code == 0, err
    assert "Where first choices differ, the draws of RL have RL's in" in out
    fewer = json.loads((run.path / "sample.json").read_text())["read"]["rl"]["differ"]
    assert fewer["n_tokens"] < summary["read"]["rl"]["differ"]["n_tokens"]
    assert "read" not in json.loads(command("sample", "--n", 1, "--json")[1])


@pytest.mark.slow
def test_a_pair_with_itself_never_differs_along_its_draws(command, rlprobe):
    code, out, err = command("sample", "--n", 1, "--rl", rlprobe.base, "--read", "--max-outside", 0.5)
    assert code == 0, err
    assert "Along the draws of RL the two models' first choices never differ." in out
    assert "have RL's in" not in out


@pytest.mark.slow
def test_a_power_of_the_base_is_drawn_beside_rl_and_what_it_took_is_told(command, rlprobe):
    asked = ("sample", "--n", 2, "--power", 4, "--power-block", 6, "--power-moves", 3)
    code, said, err = command(*asked, "--json")
    assert code == 0, err
    run, summary = runs.read(command.tmp_path / "run"), json.loads(said)
    arm = "power(4) x block=6,moves=3 x base x seed=0"
    assert run.arms("rollouts") == [ALONE.format("rl"), arm]
    assert summary["power"] == {"alpha": 4.0, "block": 6, "moves": 3}
    efforts = run.table("power").to_pylist()
    rows = [row for row in run.table("rollouts").to_pylist() if row["arm"] == arm]
    assert [row["tokens"] for row in efforts] == [len(row["response_ids"]) for row in rows]
    drawn, kept = (sum(row[name] for row in efforts) for name in ("generated", "tokens"))
    assert summary["cost"]["per_token"]["value"] == pytest.approx(drawn / kept)
    assert summary["cost"]["accepted"]["value"] == pytest.approx(
        sum(row["accepted"] for row in efforts) / sum(row["moves"] for row in efforts)
    )
    before = rollouts(run.path)
    (lost,) = run.path.glob("power/*/000003-000006.parquet")
    lost.unlink()
    code, said, err = command(*asked)
    assert (code, rollouts(run.path)) == (0, before), err
    assert "tokens for each of the text (published: 8.8)" in said
    again = json.loads(rlprobe("grade", run.path, "--json")[1])
    assert (again["cost"], again["power"]) == (summary["cost"], summary["power"])
    assert json.loads(rlprobe("passk", run.path, "--json")[1])["gain"] == again["answers"]["last"]["gain"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--power", 0), "--power is 0.0: it is above 0"),
        (("--read", "--one-at-a-time"), "--read reads with both models: no --one-at-a-time with it"),
        (("--power", "nan"), "--power is nan: it is a finite number"),
        (("--power", 2, "--member", "rl"), "--power is the base's"),
        (("--member", "base", "--rl-temperature", 2), "--rl-temperature is RL's: give --member rl, or both"),
        (("--member", "base", "--power", 2, "--top-p", 0.9), "--temperature and --top-p have no use for the base"),
        (("--power-moves", 3), "--power-moves has no use without --power: give --power with it"),
    ],
)
def test_what_is_no_power_is_refused_before_anything_is_written(command, arguments, says):
    code, out, err = command("sample", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert not (command.tmp_path / "run").exists()


@pytest.mark.slow
def test_rl_is_drawn_at_the_temperature_at_which_its_entropy_is_the_bases(command, rlprobe):
    code, said, err = command("sample", "--n", 2, "--match-entropy", "--json")
    assert code == 0, err
    summary, run = json.loads(said), runs.read(command.tmp_path / "run")
    found = summary["matched"]
    assert abs(found["reached"] - found["wanted"]) <= 0.02 * found["wanted"]
    assert summary["rl_temperature"] == found["temperature"]
    arm = f"never x donor_argmax x rl x T={found['temperature']:g},top_p=1 x seed=0"
    assert {row["draw"] for row in run.table("rollouts").to_pylist() if row["arm"] == arm} == {0, 1}
    assert summary["members"]["rl"]["draws"] == 2
    assert found["reached"] == pytest.approx(by_transformers(rlprobe, run, arm, found["temperature"]), rel=1e-3)
    before = rollouts(run.path)
    again = command("sample", "--n", 2, "--match-entropy", "--json")[1]
    assert (json.loads(again), rollouts(run.path)) == (summary, before)
    assert json.loads(rlprobe("grade", run.path, "--json")[1])["matched"] == found
    named = command("sample", "--n", 2, "--rl-temperature", f"{found['temperature']:g}", "--json")[1]
    assert json.loads(named)["answers"] == summary["answers"]


def by_transformers(rlprobe, run, arm, temperature):
    """The mean entropy (nats) at a temperature over the tokens of draw 0 of an arm, by plain transformers."""
    network = AutoModelForCausalLM.from_pretrained(rlprobe.rl)
    total, n = 0.0, 0
    for row in run.table("rollouts").to_pylist():
        if row["arm"] == arm and row["draw"] == 0:
            ids = torch.tensor([[*row["prompt_ids"], *row["response_ids"]]])
            with torch.no_grad():
                logits = network(ids).logits[0, len(row["prompt_ids"]) - 1 : -1]
            total += float(torch.distributions.Categorical(logits=logits / temperature).entropy().sum())
            n += len(row["response_ids"])
    return total / n


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--match-entropy", "--member", "rl"), "--match-entropy is of both models"),
        (("--match-entropy", "--power", 2), "give either --match-entropy or --power, not both"),
        (("--match-entropy", "--rl-temperature", 2), "give either --match-entropy or --rl-temperature, not both"),
        (("--match-entropy", "--shard", "1/2"), "--match-entropy is over all problems"),
        (("--rl-temperature", 0), "--rl-temperature is 0.0: it is above 0"),
    ],
)
def test_what_has_no_entropy_to_match_is_refused_before_anything_is_written(command, arguments, says):
    code, out, err = command("sample", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert not (command.tmp_path / "run").exists()
