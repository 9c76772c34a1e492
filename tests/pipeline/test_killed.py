"""kill -9 at ten random moments, resumed each time: the run ends in the bytes of one that was never killed."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import contents

SCRIPT = Path(__file__).with_name("killable.py")


def forks(delays: list[float], *command) -> list[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # threads are part of a run's identity
    arguments = [sys.executable, str(SCRIPT), ",".join(map(str, delays)), *map(str, command)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout.split()


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_in_the_same_bytes(tiny_folders, tmp_path):
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": i, "question": f"Ann has {i} eggs. She buys {i} more.", "answer": str(2 * i)} for i in range(40)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("disagree", "--base", tiny_folders[0], "--rl", tiny_folders[1], "--style", "question_answer")
    command += ("--dataset", problems, "--max-new-tokens", 60, "--shard-size", 2, "--batch-size", 2, "--out")

    started = time.monotonic()
    assert forks([0], *command, tmp_path / "unbroken") == ["0"]
    took = time.monotonic() - started  # imports included, so that the delays below reach from loading to figures

    rng = random.Random(0)
    delays = [rng.uniform(0.05, 0.25) * took for _ in range(10)]
    ends = forks([*delays, 0], *command, tmp_path / "killed")
    assert ends.count("killed") >= 5, f"the run was too short to be killed in: {ends}"
    assert ends[-1] == "0"
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")
