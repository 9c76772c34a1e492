"""`rlprobe consequences` on the tiny pair, against a plain loop."""

import json

import pytest
import torch

import rlprobe as rp
from rlprobe import runs
from rlprobe.errors import BadInput


@pytest.fixture
def command(rlprobe):
    def run(name, *arguments, out="run"):
        return rlprobe(
            *(name, "--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 30),
            *("--shard-size", 3, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / out, *arguments),
        )

    run.tmp_path = rlprobe.tmp_path
    return run


def gone_on(pair, prompt, begun, most):
    """RL's greedy text after a beginning, one forward pass over everything a token."""
    ids = list(begun)
    while ids[-1] not in pair.stop_ids and len(ids) < most:
        with torch.no_grad():
            logits = pair.rl.network(torch.tensor([[*prompt, *ids]])).logits[0, -1]
        ids.append(int(logits[: len(pair.vocabulary.ids)].argmax()))
    return ids


def shared_end(one, other):
    n = 0
    while n < min(len(one), len(other)) and one[len(one) - 1 - n] == other[len(other) - 1 - n]:
        n += 1
    return n


@pytest.mark.slow
def test_every_place_is_what_a_plain_loop_finds(command, rlprobe, tiny_pair):
    rlprobe.finished()
    code, out, err = command("consequences", "--json")
    assert code == 0, err
    run = runs.read(command.tmp_path / "run")
    tokens = run.table("tokens").to_pandas()
    tokens = tokens[(tokens["arm"] == "rl") & (tokens["argmax_base"] != tokens["argmax_rl"])]
    tokens = tokens[tokens["argmax_base"] != tokens["token_id"]]
    rollouts = {r["problem_id"]: r for r in run.table("rollouts").to_pylist() if r["arm"] == "rl"}
    (layer,) = [layer for layer in run.layers() if layer.startswith("consequences/")]
    found = {(r["problem_id"], r["position"]): r for r in run.table(layer).to_pylist()}
    grades = rp.read(run.path).grades
    ends = grades[grades["arm"] == "rl"].set_index("problem_id")["end_last"]
    expected = 0
    for row in tokens.to_dict("records"):
        end = ends[row["problem_id"]]
        if end == end and row["position"] >= end:  # behind the answer
            assert (row["problem_id"], row["position"]) not in found
            continue
        expected += 1
        rollout, at = rollouts[row["problem_id"]], row["position"]
        own = rollout["response_ids"]
        text = gone_on(tiny_pair, rollout["prompt_ids"], [*own[:at], row["argmax_base"]], 30)
        mine = found[row["problem_id"], at]
        assert mine["response_ids"] == text
        assert mine["rest"] == len(own) - at - 1
        assert mine["together"] == shared_end(own[at + 1 :], text[at + 1 :])
        assert (mine["same_answer"] is None) == (end != end)
    assert expected == len(found) == json.loads(out)["classes"]["all"]["places"] > 0


@pytest.mark.slow
def test_the_second_time_nothing_is_decoded_and_both_doors_say_the_same(command, rlprobe):
    rlprobe.finished()
    first = command("consequences", "--json")
    before = {f: f.stat().st_mtime_ns for f in (command.tmp_path / "run").glob("consequences/**/*.parquet")}
    code, out, _ = command("consequences")
    assert (code, bool(before)) == (0, True)
    assert "Which disagreements have consequences" in out
    assert before == {f: f.stat().st_mtime_ns for f in before}
    options = {"style": "question_answer", "max_new_tokens": 30, "shard_size": 3, "out": command.tmp_path / "run"}
    pair = {"base": str(rlprobe.base), "rl": str(rlprobe.rl), "dataset": str(rlprobe.problems())}
    again = rp.consequences(**pair, **options)
    assert again.summary == json.loads(first[1])
    places = again.numbers["consequence_places"]
    assert places["outcome"].value_counts().to_dict() == {
        outcome: n for outcome, n in again.summary["classes"]["all"]["counts"].items() if n
    }
    assert "0 of 6 problems to do" in command("consequences", "--dry-run")[1]


def test_without_a_run_or_with_claims_it_is_refused(command, rlprobe):
    code, _, err = command("consequences")
    assert (code, err.count("rlprobe: ")) == (2, 1)
    assert "run `rlprobe disagree` with the same options first" in err
    with pytest.raises(BadInput, match="there is no option 'claims'"):
        rp.consequences(pair="bundled", claims=rlprobe.tmp_path / "claims.toml", out=rlprobe.tmp_path / "run")


@pytest.mark.slow
def test_a_smaller_limit_on_a_larger_run_shows_the_problems_that_were_asked_for(command, rlprobe):
    rlprobe.finished()
    whole = json.loads(command("consequences", "--json")[1])
    few = json.loads(command("consequences", "--limit", 2, "--json")[1])
    run = runs.read(command.tmp_path / "run")
    (layer,) = [layer for layer in run.layers() if layer.startswith("consequences/")]
    first = [p.problem_id for p in run.problems()[:2]]
    assert few["classes"]["all"]["places"] == sum(r["problem_id"] in first for r in run.table(layer).to_pylist())
    assert few["problems"]["asked"] == 2 < whole["problems"]["asked"] == few["problems"]["held"]
