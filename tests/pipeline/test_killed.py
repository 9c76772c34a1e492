"""kill -9 at random moments, resumed each time: the run ends in the bytes of one that was never killed."""

import json
import os
import random
import shutil
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


@pytest.fixture(params=[40])
def options(tiny_folders, tmp_path, request) -> tuple:
    """Of every command here: a tiny pair, and some problems in small shards."""
    problems = tmp_path / "problems.jsonl"
    rows = [
        {"id": i, "question": f"Ann has {i} eggs. She buys {i} more.", "answer": str(2 * i)}
        for i in range(request.param)
    ]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pair = ("--base", tiny_folders[0], "--rl", tiny_folders[1], "--style", "question_answer", "--dataset", problems)
    return (*pair, "--max-new-tokens", 60, "--shard-size", 2, "--batch-size", 2, "--out")


def killed_and_resumed(work: tuple, options: tuple, folder: Path, kills: int) -> None:
    """Run `work` in folder/unbroken from beginning to end, and in folder/killed with interruptions."""
    started = time.monotonic()
    assert forks([0], *work, *options, folder / "unbroken") == ["0"]
    took = time.monotonic() - started  # imports included, so that the delays below reach from loading to figures
    rng = random.Random(0)
    delays = [rng.uniform(0.05, 0.25) * took for _ in range(kills)]
    ends = forks([*delays, 0], *work, *options, folder / "killed")
    assert ends.count("killed") >= kills / 2, f"the run was too short to be killed in: {ends}"
    assert ends[-1] == "0"


@pytest.mark.slow
def test_a_run_killed_ten_times_ends_in_the_same_bytes(options, tmp_path):
    killed_and_resumed(("disagree",), options, tmp_path, kills=10)
    assert contents(tmp_path / "killed") == contents(tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.parametrize("options", [6], indirect=True)
def test_flips_killed_five_times_end_in_the_same_bytes(options, tmp_path):
    assert forks([0], "disagree", *options, tmp_path / "unbroken") == ["0"]
    shutil.copytree(tmp_path / "unbroken", tmp_path / "killed")
    killed_and_resumed(("flips", "--all", "--most-trials", 8), options, tmp_path, kills=5)
    assert contents(tmp_path / "killed", "flips.json") == contents(tmp_path / "unbroken", "flips.json")


@pytest.mark.slow
def test_kills_flipped_bits_and_cut_files_are_harmless_or_found():
    """A small helping of what `surviving.py` does to every command that writes."""
    script = [sys.executable, str(SCRIPT.with_name("surviving.py")), "--kills", "4", "--flips", "2", "--cuts", "0"]
    some = [f"--only={name}" for name in ("intervene", "report", "merge", "disagree --overwrite")]
    done = subprocess.run([*script, *some], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stdout
    assert "WRONG" not in done.stdout
