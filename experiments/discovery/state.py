"""A stage that can be stopped anywhere: its state on the disk, and its log, which a resumed stage goes on with.

The batch of a step is a function of the seed and the step, so that a stage that was stopped ends in the same weights.
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

HERE = Path(__file__).parent
WORK, LOGS = HERE / "work", HERE / "logs"


@dataclass(frozen=True)
class Stage:
    """One stage of one seed, and where its state and log lie."""

    name: str
    seed: int
    work: Path = WORK
    logs: Path = LOGS

    @property
    def folder(self) -> Path:
        """What the seed has made so far."""
        return self.work / f"seed{self.seed}"

    @property
    def log(self) -> Path:
        """One JSON object a line."""
        return self.logs / f"{self.name}-seed{self.seed}.jsonl"

    @property
    def file(self) -> Path:
        """The state after the last step that was kept."""
        return self.folder / f"{self.name}.pt"

    def load(self) -> dict[str, Any] | None:
        """The state, or None at the beginning; lines of the log beyond it are dropped."""
        state = torch.load(self.file, weights_only=True) if self.file.exists() else None
        done = state["step"] if state else 0
        self.logs.mkdir(parents=True, exist_ok=True)
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.write_text("".join(line + "\n" for line in lines if done and json.loads(line).get("step", 0) <= done))
        return state

    def keep(self, **state: Any) -> None:
        """Write the state, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = self.file.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self.file)

    def write(self, **values: Any) -> None:
        """Add a line to the log; `seconds` is this process's own time so far."""
        rounded = {name: round(value, 5) if isinstance(value, float) else value for name, value in values.items()}
        with self.log.open("a") as file:
            file.write(json.dumps({"seconds": round(time.process_time(), 1), **rounded}) + "\n")
