"""A process that forks runs of `rlprobe disagree` and lets itself be told when to kill -9 each.

`python killable.py DELAYS COMMAND...`: one fork a delay (seconds, comma-separated; 0 = let it finish). Everything heavy
is imported once, before the forks, so that a delay falls into the work and not into the imports. Prints a line a fork:
"killed" or the exit code.
"""

import os
import signal
import sys
import threading


def run(arguments: list[str]) -> None:
    from rlprobe.cli import main

    sys.argv = ["rlprobe", *arguments]
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
        main()


def fork_once(delay: float, arguments: list[str]) -> str:
    child = os.fork()
    if child == 0:
        run(arguments)
    timer = threading.Timer(delay, os.kill, (child, signal.SIGKILL))
    if delay:
        timer.start()
    _, status = os.waitpid(child, 0)
    timer.cancel()
    return "killed" if os.WIFSIGNALED(status) else str(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    import rlprobe.pipeline.disagree  # noqa: F401

    for each in sys.argv[1].split(","):
        print(fork_once(float(each), sys.argv[2:]), flush=True)
