"""Whatever comes in, what goes out is a result or one line: no trace-back, and a missing number is null."""

import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest

from rlprobe.commands.written import without_nan


def test_a_number_that_is_none_is_null():
    found = without_nan({"a": [math.nan, 1.5, (math.inf, None)], "b": np.float32("nan"), "c": np.int64(3), "d": "nan"})
    assert found == {"a": [None, 1.5, [None, None]], "b": None, "c": 3, "d": "nan"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_problem_that_rl_did_not_repair_has_no_end_of_a_search(rlprobe):
    """With golds that nobody finds, RL repairs nothing."""
    problems = rlprobe.problems(3, answer="123456789")
    assert rlprobe.disagree(dataset=problems)[0] == 0
    pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 30)
    where = ("--shard-size", 3, "--dataset", problems, "--out", rlprobe.tmp_path / "run")
    code, out, err = rlprobe("flips", *pair, *where, "--problem", "q1", "--json")
    assert code == 0, err
    assert out.isascii()
    one = json.loads(out)["one"]
    assert (one["base_right"], one["rl_right"], one["end"], one["edits"]) == (False, False, None, [])
    assert rlprobe("flips", *pair, *where, "--problem", "q1")[0] == 0


def test_a_terminal_that_takes_ascii_alone_gets_everything(tiny_folders, tmp_path):
    base, rl = map(str, tiny_folders)
    problems = tmp_path / "problems.jsonl"
    problems.write_text(json.dumps({"question": "Wie viele Äpfel für 3 €, 𝛼?", "answer": "2"}) + "\n")
    command = [sys.executable, "-m", "rlprobe", "disagree", "--base", base, "--rl", rl, "--style", "raw"]
    command += ["--dataset", str(problems), "--max-new-tokens", "4", "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for more, says in (["--dry-run"], rb"Wie\xb7viele\xb7\xc4pfel"), ([], b"Where base and RL disagree"):
        done = subprocess.run([*command, *more], env=environment, capture_output=True, check=False)
        assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        assert says in done.stdout


HALF = os.fsdecode(b"\xff")  # how Python holds an argument that is no UTF-8


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("disagree", "--pair", HALF), 2),
        (("disagree", "--dataset", HALF), 2),
        (("disagree", "--style", HALF), 2),
        (("disagree", "--responses", HALF), 2),
        (("disagree", "--text", HALF), 2),
        (("grade", HALF), 2),
        (("disagree", "--dataset", "x" * 5000), 1),
        (("disagree", "--base", "x" * 5000, "--rl", "y"), 1),
        (("disagree", "--batch-size", "9" * 5000), 2),
        (("disagree", "--shard-size", "²"), 2),
        (("disagree", "--shard", "²/²"), 2),
        (("disagree", "--shard", "1/" + "9" * 5000), 2),
        (("disagree", "--limit", "9" * 5000), 2),
        (("disagree", "--grader-timeout", "9" * 30), 2),
        (("disagree", "--tau", "nan"), 2),
        (("sample", "--temperature", "nan"), 2),
        (("sample", "--top-p", "nan"), 2),
        (("direction", "no-such", "--tail", "nan"), 2),
        (("intervene", "--mode", "entropy:nan"), 2),
        (("intervene", "--gate", "first:" + "9" * 5000), 2),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(rlprobe, monkeypatch, arguments, code):
    monkeypatch.chdir(rlprobe.tmp_path)
    found, out, err = rlprobe(*arguments)
    assert (found, out, err.count("\n")) == (code, "", 1), err
    assert list(rlprobe.tmp_path.iterdir()) == []


def test_a_file_whose_name_is_no_text_is_read_and_named(rlprobe):
    file = rlprobe.tmp_path / os.fsdecode(b"caf\xe9.jsonl")
    rlprobe.problems(2).rename(file)
    code, out, err = rlprobe.disagree("--json", dataset=file)
    assert code == 0, err
    assert json.loads(out)["about"]["dataset"] == r"caf\xe9"


@pytest.mark.parametrize("field", ["question", "answer"])
def test_half_a_character_in_a_problem_is_refused_before_anything_is_written(rlprobe, field):
    code, _, err = rlprobe.disagree(dataset=rlprobe.problems(2, **{field: "How many \ud800?"}))
    assert (code, err.count("\n")) == (2, 1)
    assert "line 1: the field" in err
    assert "half of one" in err
    assert not (rlprobe.tmp_path / "run").exists()


def test_an_answer_of_thousands_of_digits_is_graded(rlprobe):
    file = rlprobe.tmp_path / "problems.jsonl"
    rows = [
        '{"id": "q1", "question": "How many?", "answer": ' + "7" * 5000 + "}",
        '{"id": "q2", "question": "?", "answer": 3}',
    ]
    file.write_text("\n".join(rows))
    responses = rlprobe.tmp_path / "responses.jsonl"
    responses.write_text(json.dumps({"problem_id": "q1", "response": " \\boxed{12}"}) + "\n")
    code, _, err = rlprobe.disagree("--responses", responses, "--max-failed", 2, dataset=file)
    assert code == 0, err
