"""The README's commands, run as they are written (setting up aside)."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README.read_text(), flags=re.DOTALL)
    for line in block.splitlines()
    if line.split("#")[0].strip() and not line.startswith("make ")
]


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_their_order(rlprobe, tmp_path, monkeypatch):
    """In this process: to import torch and transformers for each of them would take longer than what they do."""
    assert COMMANDS
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        line, _, file = command.partition(" > ")
        name, *arguments = shlex.split(line)
        assert name == "rlprobe"
        code, said, err = rlprobe(*arguments)
        assert code == 0, f"{command}\n{err[-2000:]}"
        if file:
            Path(file).write_text(said)


def test_the_second_block_is_the_real_model_with_a_small_limit():
    second = re.findall(r"```bash\n(.*?)```", README.read_text(), flags=re.DOTALL)[2]
    assert re.search(r"^rlprobe disagree --pair smollm2 --limit [1-9] ", second, flags=re.MULTILINE)
    assert second.strip() in COMMANDS


@pytest.mark.slow
def test_where_the_real_models_base_is_missing_its_command_fails_with_what_fetches_it(tmp_path):
    command = next(line for line in COMMANDS if "--pair smollm2" in line)
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=tmp_path,
        env=os.environ | {"RLPROBE_CACHE": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "python -m rlprobe.pairs.fetch smollm2 (93 MB)" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr[-2000:]}"


def test_every_make_target_that_the_readme_names_exists():
    targets = set(re.findall(r"^([a-z0-9]+):", (README.parent / "Makefile").read_text(), flags=re.MULTILINE))
    named = set(re.findall(r"^make ([a-z0-9]+)", README.read_text(), flags=re.MULTILINE))
    assert named
    assert named <= targets
