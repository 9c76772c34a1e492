"""What a long command says on standard error while it works: a bar on a terminal, else a plain line now and then."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rlprobe.reporting.terminal import SafeConsole

PLAIN_EVERY = 10.0  # seconds between plain lines


@dataclass
class Task:
    """One thing that is counted: `done` of `total` units, and tokens on the way."""

    name: str
    total: int
    done: int = 0
    tokens: int = 0
    started: float = 0.0

    @property
    def speed(self) -> str:
        """Tokens a second so far."""
        seconds = time.monotonic() - self.started
        return f"{self.tokens / seconds:,.0f} tokens/s" if self.tokens and seconds > 0 else ""


class Reporter:
    """Counts and says so. `quiet` says nothing; `hears` is told (what, done, total) of all that is counted."""

    def __init__(self, quiet: bool = False, hears: Callable[[str, int, int], Any] | None = None):
        self.hears = hears
        self.console = SafeConsole(stderr=True, quiet=quiet, highlight=False, force_jupyter=False)

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator["Meter"]:
        """Work on `total` units of one kind; nothing is said when there are none."""
        task = Task(name, total, started=time.monotonic())
        if total and self.console.is_terminal:
            with _bar(self.console, unit) as progress:
                yield Meter(task, progress, progress.add_task(name, total=total, speed=""), hears=self.hears)
        else:
            meter = Meter(task, None, None, self.console, unit, self.hears)
            yield meter
            if total:
                meter.say()

    def note(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False, soft_wrap=True)


@dataclass
class Meter:
    """What the work calls: `advance` for a unit done, `emitted` for tokens on the way."""

    task: Task
    progress: Progress | None = None
    bar: TaskID | None = None
    console: Console | None = None
    unit: str = ""
    hears: Callable[[str, int, int], Any] | None = None
    _said: float = 0.0

    def advance(self, units: int = 1) -> None:
        """Units are done."""
        self.task.done += units
        self._show()
        if self.hears:
            self.hears(self.task.name, self.task.done, self.task.total)

    def emitted(self, tokens: int) -> None:
        """Tokens are done."""
        self.task.tokens += tokens
        self._show()

    def _show(self) -> None:
        if self.progress is not None and self.bar is not None:
            self.progress.update(self.bar, completed=self.task.done, speed=self.task.speed)
        elif time.monotonic() - max(self._said, self.task.started) > PLAIN_EVERY:
            self.say()

    def say(self) -> None:
        """The plain line."""
        self._said = time.monotonic()
        task = self.task
        line = f"{task.name}: {task.done}/{task.total} {self.unit}  {self._said - task.started:.0f} s  {task.speed}"
        if self.console is not None:
            self.console.print(line.rstrip(), markup=False, soft_wrap=True)


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn(unit),
        TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
