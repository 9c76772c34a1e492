"""The log of a stage: one JSON object a line, with the wall time in seconds since the stage began.

Knows files and clocks; what the numbers mean is the business of the stage that writes them.
"""

import json
import time
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

LOGS = Path(__file__).parent / "logs"


class Logbook:
    """Appends lines to `logs/<stage>-seed<seed>.jsonl`; opening it starts the file afresh."""

    def __init__(self, stage: str, seed: int, folder: Path = LOGS) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{stage}-seed{seed}.jsonl"
        self.path.write_text("")
        self.head = {"stage": stage, "seed": seed}
        self.began = time.monotonic()

    def write(self, **values: object) -> None:
        """Add one line."""
        seconds = round(time.monotonic() - self.began, 1)
        with self.path.open("a") as file:
            file.write(json.dumps({**self.head, "seconds": seconds, **values}) + "\n")


class LogbookCallback(TrainerCallback):
    """Copies what a trainer logs into a logbook, numbers rounded; only the fields named in `keep`, if any are."""

    def __init__(self, logbook: Logbook, keep: tuple[str, ...] = ()) -> None:
        self.logbook, self.keep = logbook, keep

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Write one line."""
        chosen = {name: value for name, value in (logs or {}).items() if not self.keep or name in self.keep}
        rounded = {name: round(float(value), 5) for name, value in chosen.items()}
        self.logbook.write(step=state.global_step, **rounded)
