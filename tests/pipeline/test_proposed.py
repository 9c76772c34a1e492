"""Responses made elsewhere as proposals: what comes out is the same, and what is right in them costs a read."""

import json

import pytest
from conftest import save_pair

from rlprobe import runs

COUNTED = ("rounds", "lane_reads", "emitted")


@pytest.fixture
def run_of(rlprobe):
    """(ids by arm and problem, what decoding one arm took) of a run that proposes from a file, or from none."""

    def make(name: str, *options) -> tuple[dict, dict]:
        common = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 24)
        common = (*common, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / name)
        code, _, err = rlprobe("intervene", *common, "--mode", "mix:0.5", *options)
        assert code == 0, err
        rollouts = runs.read(rlprobe.tmp_path / name).table("rollouts").to_pylist()
        logged = map(json.loads, (rlprobe.tmp_path / name / "log.jsonl").read_text().splitlines())
        (took,) = (event for event in logged if event["event"] == "decoded")
        ids = {(r["arm"], r["problem_id"]): (r["response_ids"], r["host_ids"], r["gated"]) for r in rollouts}
        return ids, {key: took[key] for key in COUNTED}

    return make


def written(rlprobe, name: str, texts: dict[str, list[int]]):
    file = rlprobe.tmp_path / name
    rows = [{"problem_id": i, "draw": 0, "response_ids": ids} for i, ids in texts.items()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_right_wrong_or_shuffled_the_ids_stay_and_right_ones_save_rounds(rlprobe, run_of):
    plain, took = run_of("plain")
    (arm,) = {arm for arm, _ in plain} - {"base", "rl"}
    right = {i: ids for (of, i), (ids, *_) in plain.items() if of == arm}
    turned = dict(zip(right, [*list(right.values())[1:], next(iter(right.values()))], strict=True))
    wrong = {i: [7, 8] * 10 for i in right}
    cost = {}
    for name, texts in (("right", right), ("shuffled", turned), ("wrong", wrong)):
        ids, cost[name] = run_of(name, "--propose-from", written(rlprobe, f"{name}.jsonl", texts))
        assert ids == plain
        assert cost[name]["emitted"] == took["emitted"]
    assert cost["right"]["rounds"] < took["rounds"]
    assert cost["right"]["lane_reads"] < took["lane_reads"]
    assert cost["right"]["rounds"] < min(cost["shuffled"]["rounds"], cost["wrong"]["rounds"])


def test_another_file_is_another_run(rlprobe):
    files = [written(rlprobe, f"{i}.jsonl", {"q0": [i, i]}) for i in (5, 6)]
    assert rlprobe.disagree("--propose-from", files[0])[0] == 0
    code, _, err = rlprobe.disagree("--propose-from", files[1])
    assert code == 2
    assert "decoding.proposed" in err


def test_the_output_says_how_many_are_proposed_and_a_file_that_is_none_is_refused(rlprobe):
    file = written(rlprobe, "two.jsonl", {"q0": [5, 6, 7], "q3": [5]})
    code, out, err = rlprobe.disagree("--propose-from", file, "--dry-run")
    assert code == 0
    assert "2 responses to 2 of 6 problems are proposed" in out + err
    code, _, err = rlprobe.disagree("--propose-from", rlprobe.tmp_path / "none.jsonl")
    assert code == 2


def test_what_cannot_be_rewound_refuses_it_in_one_line(rlprobe, tmp_path_factory):
    rlprobe.base, rlprobe.rl = save_pair(tmp_path_factory.mktemp("lfm2"), "lfm2")
    code, _, err = rlprobe.disagree("--propose-from", written(rlprobe, "some.jsonl", {"q0": [5]}))
    assert code == 5
    assert "so nothing can be proposed to it: leave out --propose-from" in err
    assert not (rlprobe.tmp_path / "run").exists()
