"""The command line, in this process: arguments in; exit code, standard output and standard error out."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from rlprobe.cli import main


class Commands:
    """Runs `rlprobe` as a user would; `small` adds a tiny pair and small settings."""

    def __init__(self, folders, shelf: Path, tmp_path: Path, capsys, monkeypatch):
        self.base, self.rl = folders
        self._shelf = shelf
        self.tmp_path, self._capsys, self._monkeypatch = tmp_path, capsys, monkeypatch

    def __call__(self, *arguments) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["rlprobe", *map(str, arguments)])
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        captured = self._capsys.readouterr()
        return int(end.value.code or 0), captured.out, captured.err

    def problems(self, n: int = 6, name: str = "problems.jsonl", **changes) -> Path:
        """A JSONL file of n small problems; `changes` replace columns."""
        rows = [
            {"id": f"q{i}", "question": f"Ann has {i} eggs. She buys {i + 2} more. How many?", "answer": str(2 * i + 2)}
            | changes
            for i in range(n)
        ]
        file = self.tmp_path / name
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return file

    def disagree(self, *arguments, dataset: Path | None = None, out: str = "run", rl=None) -> tuple[int, str, str]:
        return self(
            *("disagree", "--base", self.base, "--rl", rl or self.rl, "--style", "question_answer"),
            *("--dataset", dataset or self.problems(), "--out", self.tmp_path / out),
            *("--max-new-tokens", 30, "--shard-size", 3, *arguments),
        )

    def finished(self) -> Path:
        """The run that `disagree()` leaves: made once a session, then copied for each test that begins with it."""
        run, kept = self.tmp_path / "run", self._shelf / "run"
        if not kept.exists():
            assert self.disagree()[0] == 0
            shutil.copytree(run, kept)
        else:
            shutil.copytree(kept, run)
        return run
