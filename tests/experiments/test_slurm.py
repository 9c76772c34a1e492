"""The job array for Slurm asks for every share once, and brings all of them together."""

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "experiments" / "slurm.sh"

# what Slurm would do with a job: each task of an array, then what depends on it
SBATCH = r"""#!/bin/bash
echo "sbatch $*" >> "$LOG"
while (($#)); do
  case $1 in
    --array) tasks=${2#1-}; shift ;;
    --wrap) wrapped=$2; shift ;;
  esac
  shift
done
for SLURM_ARRAY_TASK_ID in $(seq "${tasks:-1}"); do export SLURM_ARRAY_TASK_ID; bash -c "$wrapped"; done
echo 17
"""
RLPROBE = """#!/bin/bash
printf '%s|' "$@" >> "$LOG"; echo >> "$LOG"
"""


def submitted(tmp_path, *arguments, **environment) -> list[str]:
    for name, text in (("sbatch", SBATCH), ("rlprobe", RLPROBE)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "LOG": str(tmp_path / "log")} | environment
    done = subprocess.run(["bash", SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return (tmp_path / "log").read_text().splitlines()


def test_every_share_is_asked_for_once_and_then_they_are_brought_together(tmp_path):
    whole = f"{tmp_path}/a whole"
    jobs = submitted(tmp_path, "3", whole, "disagree", "--dataset", "my problems.jsonl")
    said = [line.split("|")[:-1] for line in jobs if not line.startswith("sbatch")]
    asked = ["disagree", "--dataset", "my problems.jsonl", "--shard"]
    assert said[:3] == [[*asked, f"{i}/3", "--out", f"{whole}-parts/{i}"] for i in (1, 2, 3)]
    assert said[3:] == [["merge", whole, *(f"{whole}-parts/{i}" for i in (1, 2, 3))]]
    array, last = (line for line in jobs if line.startswith("sbatch"))
    assert "--gpus-per-task 1 " in array
    assert "--dependency afterany:17 " in last


def test_what_slurm_is_to_know_is_passed_on(tmp_path):
    array, *_ = submitted(tmp_path, "1", f"{tmp_path}/run", "disagree", SBATCH_OPTIONS="--partition gpu --time 1:00")
    assert "--partition gpu --time 1:00 " in array
    assert "--gpus-per-task" not in array


def test_without_a_command_it_says_how_it_is_called(tmp_path):
    done = subprocess.run(["bash", SCRIPT, "3", "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "experiments/slurm.sh 8 runs/whole intervene" in done.stdout
    assert "set -euo" not in done.stdout
