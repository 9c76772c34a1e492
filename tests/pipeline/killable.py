"""Runs of `rlprobe` as forks of this process, ended by kill -9 when told: after some seconds, or at a call to the disk.

`python killable.py DELAYS COMMAND...`: one fork a delay (seconds, comma-separated; 0 = let it finish). Everything heavy
is imported once, before the forks, so that a delay falls into the work and not into the imports. Prints a line a fork:
"killed" or the exit code.
"""

import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import Any, NoReturn

CALLS = ("replace", "fsync", "mkdir", "unlink", "rmdir")  # of os: where what is on the disk changes


@dataclass(frozen=True)
class Ended:
    """How a fork ended ("killed", or its exit code), and how many of `CALLS` it made until then."""

    how: str
    calls: int


def load() -> None:
    """Import what every fork would import: the commands, and what transformers puts off until a model is made."""
    import transformers.models.llama.modeling_llama
    import transformers.models.qwen2.modeling_qwen2  # noqa: F401

    from rlprobe.commands import COMMANDS

    for command in COMMANDS.values():
        _ = command.module


def fork_once(arguments: list[str], delay: float = 0, at_call: int = 0) -> Ended:
    """`rlprobe ARGUMENTS`, killed after `delay` seconds or before its call number `at_call`; 0 is never."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _count_calls(writing, at_call)
        _run(arguments)
    os.close(writing)
    timer = threading.Timer(delay, os.kill, (child, signal.SIGKILL))
    if delay:
        timer.start()
    with os.fdopen(reading, "rb") as pipe:
        calls = len(pipe.read())
    _, status = os.waitpid(child, 0)
    timer.cancel()
    return Ended("killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status)), calls)


def _run(arguments: list[str]) -> NoReturn:
    from rlprobe.cli import main

    sys.argv = ["rlprobe", *arguments]
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        if os.environ.get("QUIET"):
            os.dup2(nothing.fileno(), 2)
        try:
            main()
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException:
            os._exit(99)  # a trace-back


def _count_calls(pipe: int, at_call: int) -> None:
    """A byte into the pipe for every call; the one asked for never happens."""
    made = 0

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal made
            made += 1
            if made == at_call:
                os.kill(os.getpid(), signal.SIGKILL)
            os.write(pipe, b".")
            return function(*arguments, **options)

        return call

    for name in CALLS:
        setattr(os, name, counted(getattr(os, name)))


if __name__ == "__main__":
    load()
    for each in sys.argv[1].split(","):
        print(fork_once(sys.argv[2:], float(each)).how, flush=True)
