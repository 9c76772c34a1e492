"""A training before it begins: everything that is settled; and its log, a line a round. Knows no losses.

The log is what a person follows and what a training is summed up by: its last line has the totals.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from rlprobe import storage
from rlprobe.errors import BadInput
from rlprobe.settings import TrainChoice
from rlprobe.training.grpo import Reward, Sampled, Task, draw
from rlprobe.training.methods import Method

PATIENCE = 5  # rounds in which every group earned the same, after which there is nothing to learn from


@dataclass
class Log:
    """The lines of a training, its totals, and the time since it was opened."""

    file: Path
    say: Callable[[str], None]
    generated: int = 0
    trained: int = 0
    _before: tuple[float, float] = (0.0, 0.0)
    _began: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def lines(self) -> list[dict[str, Any]]:
        """What it holds; a last line that a kill cut short is none."""
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def resume(self, is_kept: Callable[[Mapping[str, Any]], bool]) -> None:
        """Go on after the lines that are kept: what came later is done again."""
        kept = [line for line in self.lines() if is_kept(line)]
        storage.write(
            self.file, lambda path: path.write_text("".join(f"{json.dumps(line)}\n" for line in kept), "utf-8")
        )
        self._began = time.monotonic(), time.process_time()
        if kept:
            self.generated, self.trained = kept[-1]["generated"], kept[-1]["trained"]
            self._before = kept[-1]["seconds"], kept[-1]["cpu_seconds"]

    def write(self, **figures: Any) -> None:
        """Add a line: its figures, then the totals."""
        now = (time.monotonic(), time.process_time())
        wall, cpu = (b + t - s for b, t, s in zip(self._before, now, self._began, strict=True))
        totals = {"generated": self.generated, "trained": self.trained}
        line = {**figures, **totals, "seconds": round(wall, 1), "cpu_seconds": round(cpu, 1)}
        line = {name: round(value, 5) if isinstance(value, float) else value for name, value in line.items()}
        storage.append(self.file, json.dumps(line) + "\n")
        self.say("  ".join(f"{name} {value}" for name, value in line.items() if value is not None))


@dataclass
class Job:
    """What is trained, on what, how, and where to.

    `network` is the base with a fresh adapter; `own` are the options that the method has (methods.py). `tasks` are in
    the order of the data set, `texts` their prompts as text. `identity` is what a training cannot go on without.
    `teacher` is a network of its own.
    """

    name: str
    method: Method
    own: Mapping[str, Any]
    how: TrainChoice
    network: Any
    tokenizer: Any
    stop_ids: Sequence[int]
    tasks: Sequence[Task]
    texts: Sequence[str]
    reward: Reward
    folder: Path
    log: Log
    identity: Mapping[str, Any]
    teacher: Any = None
    vocabulary: Tensor | None = None  # the ids that teacher and student have in common

    @property
    def is_spent(self) -> bool:
        """Whether as many tokens were generated as may be."""
        return self.how.tokens is not None and self.log.generated >= self.how.tokens

    def draw(self, network: Any, tasks: Sequence[Task], number: int) -> list[Sampled]:
        """The responses of a round to its tasks, counted."""
        how = self.how
        noise = how.seed * 1_000_003 + number
        sampled = draw(
            network, self.tokenizer, self.stop_ids, tasks, how.samples, noise, how.max_new_tokens, how.temperature
        )
        self.log.generated += sum(len(each.ids) for each in sampled)
        return sampled


def refuse_flat(rounds: int, reward: float) -> None:
    """Raise BadInput: in so many rounds no problem had two responses that earned differently."""
    raise BadInput(
        f"in {rounds} rounds no problem has responses that earn differently (mean reward {reward:.2g}), so there is "
        "nothing to learn from: choose other problems, another --style, more --samples, or a larger --max-new-tokens"
    )
