r"""Is the answer in the box equal to the gold? math-verify behind one function, in a process that can be killed.

Response texts and golds in, verdicts out. The boxes are found here (answers.py), the equality is math-verify's alone
(_worker.py). A limit on time is kept by this side: the worker is killed and another one started, because an answer such
as 9^{9^{9^9}} computes inside one instruction that no Python-level alarm interrupts.
Accepted as math-verify accepts it: (1,2) equals {1,2}; 50\% equals 0.5 and 50; 52_8 equals 52, bases are dropped.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

from rlprobe.errors import BadInput, RlprobeError
from rlprobe.problems.answers import Box, boxed_spans, is_balanced, respell
from rlprobe.records import Grade, Status

_LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
_START_LIMIT = 120.0  # seconds for importing sympy, on a machine that is busy with other things
_WORKER = Path(__file__).with_name("_worker.py")


def _installed() -> str:
    """The versions that decide a verdict, in one line."""
    try:
        return ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    except PackageNotFoundError as error:
        raise RlprobeError(
            f"the grader needs the package {error.name}: reinstall rlprobe with its requirements"
        ) from None


@dataclass(frozen=True)
class GraderSettings:
    """All that a verdict depends on; grades of other settings are kept apart by `key`.

    `answer` names the box whose verdict counts (both are always graded), `timeout_s` the wall-clock seconds for reading
    and comparing one answer, `rules` the edition of this package's own part: finding boxes and respelling answers.
    """

    answer: str = "last"
    timeout_s: int = 5
    rules: int = 1
    libraries: str = field(default_factory=_installed)

    def __post_init__(self) -> None:
        if self.answer not in ("first", "last"):
            raise BadInput(f"no such answer to grade: {self.answer!r}; choose first or last")
        if type(self.timeout_s) is not int or self.timeout_s < 1:
            raise BadInput(f"a grader's timeout is a whole number of seconds, at least 1: not {self.timeout_s!r}")

    def canonical(self) -> dict[str, str | int]:
        """The settings as a plain dictionary, for recording."""
        return asdict(self)

    @property
    def key(self) -> str:
        """Twelve hex digits that name these settings, the same on every machine."""
        return hashlib.sha256(json.dumps(self.canonical(), sort_keys=True).encode()).hexdigest()[:12]


class Graded(NamedTuple):
    """The verdicts on the first and on the last box of one response."""

    first: Grade
    last: Grade


class Grader:
    """Grades responses; a context manager, because it holds a worker process while it is open.

    The worker starts at the first comparison. A pair of answer and gold is compared once, however often it comes.
    """

    def __init__(self, settings: GraderSettings | None = None) -> None:
        self.settings = settings or GraderSettings()
        self._worker = _Worker()
        self._verdicts: dict[tuple[str, str], Status | None] = {}

    def __enter__(self) -> "Grader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.kill()

    def grade_many(
        self, pairs: Sequence[tuple[str, str]], progress: Callable[[int, int], None] | None = None
    ) -> list[Graded]:
        """The verdicts on (response text, gold answer) pairs; `progress` hears (graded, total) after each.

        Raises RlprobeError if math-verify fails in a way that is no verdict on the answer.
        """
        graded = []
        for text, gold in pairs:
            graded.append(self._grade(text, gold))
            if progress:
                progress(len(graded), len(pairs))
        return graded

    def _grade(self, text: str, gold: str) -> Graded:
        boxes = boxed_spans(text)
        if not boxes:
            nothing = Grade(self._no_answer(gold), None)
            return Graded(nothing, nothing)
        return Graded(self._grade_box(boxes[0], gold), self._grade_box(boxes[-1], gold))

    def _grade_box(self, box: Box, gold: str) -> Grade:
        if box.content is None:
            return Grade(self._no_answer(gold), None)
        return Grade(self._compare(box.content, gold), box.content)

    def _no_answer(self, gold: str) -> Status | None:
        """A gold that cannot be read gives no status at all, even to a response without an answer."""
        return Status.NO_ANSWER if self._is_readable(gold) else None

    def _is_readable(self, gold: str) -> bool:
        return self._compare(gold, gold) is Status.CORRECT

    def _compare(self, answer: str, gold: str) -> Status | None:
        key = (respell(answer), respell(gold))
        if key not in self._verdicts:
            self._verdicts[key] = self._ask(*key) if is_balanced(key[1]) else None
        return self._verdicts[key]

    def _ask(self, answer: str, gold: str) -> Status | None:
        reply = self._worker.ask({"answer": answer, "gold": gold, "seconds": self.settings.timeout_s})
        if "error" in reply:
            raise RlprobeError(f"the grader failed on the answer {answer!r} to the gold {gold!r}: {reply['error']}")
        if reply["verdict"] == "unreadable":
            return None
        status = Status(reply["verdict"])
        if status is Status.TIMEOUT and (answer == gold or not self._is_readable(gold)):
            return None  # it is the gold that takes too long
        return status


class _Worker:
    """The process that runs _worker.py: started when asked, killed when late, started again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._unread = b""

    def ask(self, request: dict[str, str | int]) -> dict[str, str]:
        """The worker's reply, or the verdict `timeout` if it had to be killed or was killed by the system."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        try:
            self._send(json.dumps(request).encode() + b"\n")
            line = self._line(float(request["seconds"]))
        except BaseException:
            self.kill()  # Ctrl-C: a reply that comes later must not be taken for the next one
            raise
        if line is not None:
            return json.loads(line)
        self._bury(request)
        return {"verdict": Status.TIMEOUT.value}

    def kill(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        if self._process is None:
            return
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._stderr):
            if pipe:
                pipe.close()
        self._process.wait()
        self._process = None

    def _start(self) -> None:
        self.kill()
        self._unread = b""
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  kill() closes it
        # -P: the worker's folder holds a datasets.py. A fixed hash seed: sympy's order of terms follows it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        greeting = self._line(_START_LIMIT)
        if greeting is None or json.loads(greeting) != {"verdict": "correct"}:
            reason = greeting.decode() if greeting else self._last_words()
            self.kill()
            raise RlprobeError(f"math-verify does not work here: {reason}; reinstall rlprobe with its requirements")

    def _send(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        view = memoryview(line)
        try:
            while view:
                view = view[self._process.stdin.write(view) :]
        except BrokenPipeError:  # it died; reading finds that out and says why
            return

    def _line(self, seconds: float) -> bytes | None:
        """The next line, without its end; None if it does not come in time or never will."""
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._unread:
            ready = wait([self._process.stdout.fileno()], max(0.0, deadline - time.monotonic()))
            piece = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                return None
            self._unread += piece
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _bury(self, request: dict[str, str | int]) -> None:
        """Kill the silent worker. One that left by itself, not by a signal, has a fault to tell."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            code = -1
        words = self._last_words()
        self.kill()
        if code >= 0:
            raise RlprobeError(f"the grader stopped at the answer {request['answer']!r} (exit code {code}): {words}")

    def _last_words(self) -> str:
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"
