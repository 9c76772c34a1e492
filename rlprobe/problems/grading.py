r"""Is the answer that a response states equal to the gold? math-verify behind one function, in killable processes.

Response texts and golds in, verdicts out. Where an answer stands is for answers.py, how it is spelt for spelling.py;
the equality is math-verify's (_worker.py). Seconds are a worker's own: an answer such as 9^{9^{9^9}} computes inside
one instruction that no Python-level alarm interrupts, so the kernel ends the worker, and another one is started.
Accepted as math-verify accepts it: (1,2) equals {1,2}; 50\% equals 0.5 and 50; 52_8 equals 52, bases are dropped.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import wait
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, Any, NamedTuple

from rlprobe import own
from rlprobe.errors import BadInput, RlprobeError
from rlprobe.problems.answers import Answer, Answers, extraction_of, is_balanced, joined
from rlprobe.problems.comparisons import COMPARISONS
from rlprobe.problems.spelling import LONGEST, is_list, readable_at_sight, respell, suspicion, words
from rlprobe.records import Grade, Status
from rlprobe.settings import GraderChoice

_LIBRARIES = ("math-verify", "latex2sympy2-extended", "sympy")
_START_LIMIT = 120  # seconds for importing sympy, on a machine that is busy with other things
_PATIENCE = 20  # seconds to wait for each second that a worker may work: it may be stopped, or the machine busy
_NO_MATHEMATICS = "#"  # in place of what is too long to be an answer: unparsed, and no gold
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
class GraderSettings(GraderChoice):
    """All that a verdict depends on; grades of other settings are kept apart by `key`.

    `extract` names the extraction (answers.EXTRACTIONS; None until `under` says which), `answer` whether its first or
    its last hit counts (both are always graded), `timeout_s` the seconds of work for reading and comparing one answer,
    `golds` the golds (a hash), `rules` the edition of this package's own part: finding and respelling answers.
    `workers`: processes that grade; no verdict depends on it.
    """

    golds: str = ""
    rules: int = 2
    libraries: str = field(default_factory=_installed)

    def under(self, extract: str, golds: str = "") -> "GraderSettings":
        """The settings for these golds, with this extraction where none was asked for.

        Where the prompt asks for no form, that of the comparison; a function of the user's sees the whole response.
        """
        if self.grader not in COMPARISONS:
            extract = "whole"
        elif extract == "general":
            extract = COMPARISONS[self.grader].extract
        asked = self.extract or extract
        kept = own.key_of("extraction", asked), own.key_of("grader", self.grader)
        return replace(self, extract=kept[0], grader=kept[1], golds=golds)

    def canonical(self) -> dict[str, str | int]:
        """The settings as a plain dictionary, for recording."""
        assert self.extract is not None, "no extraction yet: see under()"
        said = {each.name: getattr(self, each.name) for each in fields(self) if each.compare}
        return {name: value for name, value in said.items() if (name, value) != ("grader", "math")}

    @property
    def key(self) -> str:
        """Twelve hex digits that name these settings, the same on every machine."""
        return hashlib.sha256(json.dumps(self.canonical(), sort_keys=True).encode()).hexdigest()[:12]


class Graded(NamedTuple):
    """The verdicts on the first and the last answer; `fell_back`: the text ends inside one more, which is left out."""

    first: Grade
    last: Grade
    fell_back: bool = False


class Grader:
    """Grades responses; a context manager, because it holds worker processes while it is open.

    A worker starts when there is something to ask. A pair of answer and gold is compared once, however often it comes.
    """

    def __init__(self, settings: GraderChoice | None = None) -> None:
        self.settings = GraderSettings(**vars(settings or GraderChoice())).under("box")
        self._extraction = extraction_of(self.settings.extract or "box")
        self._comparison = COMPARISONS.get(self.settings.grader)  # None: a function of the user's
        named = {"grader": self.settings.grader, "extraction": self.settings.extract or ""}
        self._own = {what: own.fresh(own.find(what, name)) for what, name in named.items()}
        self._pickled = {what: own.pickled(kept) for what, kept in self._own.items() if kept}
        count = self.settings.workers or min(8, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="grader")
        self._workers = [_Worker() for _ in range(count)]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        self._verdicts: dict[tuple[str, str], Future[Status | None]] = {}
        for worker in self._workers:
            self._free.put(worker)

    @property
    def _is_math(self) -> bool:
        return self._comparison is not None and self._comparison.same is None

    def __enter__(self) -> "Grader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.kill()

    def grade_many(
        self, pairs: Sequence[tuple[str, str]], progress: Callable[[int, int], None] | None = None
    ) -> list[Graded]:
        """The verdicts on (response text, gold answer) pairs; `progress` hears (graded, total) after each.

        Raises RlprobeError if math-verify fails in a way that is no verdict on the answer.
        """
        found = [self._answers(text) for text, _ in pairs]
        asked = [self._compared(text, f(), gold) for f, (text, gold) in zip(found, pairs, strict=True)]
        graded = []
        for resolve in asked:
            graded.append(resolve())
            if progress:
                progress(len(graded), len(pairs))
        return graded

    def unreadable(self, golds: Sequence[str]) -> dict[str, str]:
        """The golds that no answer can be compared with, and why."""
        if not self._is_math:
            same = self._comparison.same if self._comparison else None
            return {gold: "it names no letter" for gold in golds if same and same(gold, gold) is None}
        asked = {gold: None if readable_at_sight(gold) else self._compare(gold, gold) for gold in dict.fromkeys(golds)}
        reasons = {gold: suspicion(gold) for gold in asked}
        said = {gold: verdict is None or verdict.result() is Status.CORRECT for gold, verdict in asked.items()}
        return {g: reasons[g] or "math-verify cannot read it" for g in asked if reasons[g] or not said[g]}

    # ---- one response ------------------------------------------------------------------------------------------------

    def _answers(self, text: str) -> Callable[[], Answers | None]:
        """The answers of a text, when they are asked for: math-verify's search goes on meanwhile."""
        find = self._extraction.find
        if find is not None:
            return lambda: find(text)
        searched = self._threads.submit(self._search, text)
        return lambda: searched.result()

    def _compared(self, text: str, answers: Answers | None, gold: str) -> Callable[[], Graded]:
        """The verdicts on a response, when they are asked for; None for answers is a search that took too long."""
        found = answers.found if answers else []
        if self._is_math and self._extraction.is_list and len(found) > 1 and is_list(gold):
            found = joined(text, found)
        if not found:
            without = Status.TIMEOUT if answers is None else Status.NO_ANSWER
            readable = _known(Status.CORRECT) if self._own["grader"] else self._compare(gold, gold)
            return partial(self._without, without, readable)
        first, last = (partial(self._with, a, self._compare(a.content, gold)) for a in (found[0], found[-1]))
        is_cut = answers is not None and answers.is_cut
        return lambda: Graded(first(), last(), is_cut)

    def _with(self, answer: Answer, status: Future[Status | None]) -> Grade:
        return Grade(status.result(), answer.content, answer.end)

    def _without(self, status: Status, readable: Future[Status | None]) -> Graded:
        """A gold that cannot be read gives no status at all, even to a response without an answer."""
        grade = Grade(status if readable.result() is Status.CORRECT else None, None)
        return Graded(grade, grade)

    def _compare(self, answer: str, gold: str) -> Future[Status | None]:
        key = (_respelt(answer), _respelt(gold)) if self._is_math else (answer, gold)
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(*key)
        return self._verdicts[key]

    def _judge(self, answer: str, gold: str) -> Future[Status | None]:
        """What can be said without math-verify, else what it (or a function of the user's) will say."""
        if kept := self._own["grader"]:
            return self._threads.submit(self._ask_own, kept, answer, gold)
        if self._comparison and self._comparison.same:
            return _known(self._comparison.same(answer, gold))
        said = words(gold)
        if suspicion(gold) or not (said or is_balanced(gold)):
            return _known(None)
        if said is not None and (other := words(answer)) is not None:
            return _known(Status.CORRECT if said == other else Status.WRONG)
        return self._threads.submit(self._ask, answer, gold)

    # ---- what workers are asked --------------------------------------------------------------------------------------

    def _search(self, text: str) -> Answers | None:
        """What math-verify's own search finds; None if it takes too long."""
        kept = self._own["extraction"]
        more = {"function": self._pickled["extraction"]} if kept else {}
        reply = self._asked({"text": text, "seconds": self.settings.timeout_s, **more})
        if "error" in reply and kept:
            raise BadInput(f"the extraction {kept.name} fails on the response {text[:60]!r}: {reply['error']}")
        if "error" in reply:
            raise RlprobeError(f"the grader failed to search a response: {reply['error']}")
        if "found" not in reply:
            return None
        return Answers([Answer(end - len(content), end, content) for end, content in filter(None, reply["found"])])

    def _ask_own(self, kept: own.Kept, answer: str, gold: str) -> Status | None:
        """What a function of the user's says."""
        more: dict[str, Any] = {"seconds": self.settings.timeout_s, "function": self._pickled["grader"]}
        reply = self._asked({"answer": answer, "gold": gold, **more})
        if "error" in reply:
            raise BadInput(f"the grader {kept.name} fails on {answer[:60]!r} and {gold[:60]!r}: {reply['error']}")
        return Status(reply["verdict"])

    def _ask(self, answer: str, gold: str) -> Status | None:
        reply = self._asked({"answer": answer, "gold": gold, "seconds": self.settings.timeout_s})
        if "error" in reply:
            raise RlprobeError(f"the grader failed on the answer {answer!r} to the gold {gold!r}: {reply['error']}")
        if reply["verdict"] == "unreadable":
            return None
        status = Status(reply["verdict"])
        if status is Status.TIMEOUT and (answer == gold or self._ask(gold, gold) is not Status.CORRECT):
            return None  # it is the gold that takes too long
        return status

    def _asked(self, request: dict[str, str | int]) -> dict[str, Any]:
        """A free worker's reply."""
        worker = self._free.get()
        try:
            return worker.ask(request)
        finally:
            self._free.put(worker)


def _respelt(answer: str) -> str:
    return respell(answer) if len(answer) <= LONGEST else _NO_MATHEMATICS


def _known(status: Status | None) -> Future[Status | None]:
    known: Future[Status | None] = Future()
    known.set_result(status)
    return known


class _Worker:
    """The process that runs _worker.py: started when asked, ended by the kernel when late, started again."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._unread = b""
        self._is_stopped = False

    def ask(self, request: dict[str, str | int]) -> dict[str, Any]:
        """The worker's reply, or the verdict `timeout` if the system ended it while it worked.

        One that neither works nor answers is replaced once. Raises RlprobeError if the next one does not answer either.
        """
        for _ in range(2):
            if self._process is None or self._process.poll() is not None:
                self._start()
            if self._is_stopped:
                break
            self._send(json.dumps(request).encode() + b"\n")
            line = self._line(_PATIENCE * int(request["seconds"]))
            if line is not None:
                return json.loads(line)
            if self._is_ended(request):
                return {"verdict": Status.TIMEOUT.value}
        raise RlprobeError("the grader's worker does not answer; run the same command again on a machine less busy")

    def stop(self) -> None:
        """End the process, and start none again: whoever waits for an answer has one at once."""
        self._is_stopped = True
        if self._process is not None:
            self._process.kill()

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

    def _line(self, seconds: int) -> bytes | None:
        """The next line, without its end; None if it does not come in so many seconds or never will.

        Seconds are counted one by one: of the time in which this process was stopped, at most one counts.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        while b"\n" not in self._unread:
            while not (ready := wait([pipe], 1.0)) and seconds > 0:
                seconds -= 1
            piece = os.read(pipe, 1 << 16) if ready else b""
            if not piece:
                return None
            self._unread += piece
        line, self._unread = self._unread.split(b"\n", 1)
        return line

    def _is_ended(self, request: dict[str, str | int]) -> bool:
        """Bury a silent worker; True if a signal ended it. One that left by itself has a fault to tell."""
        assert self._process is not None
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            code = None
        said = self._last_words()
        self.kill()
        if code is not None and code >= 0 and not self._is_stopped:
            asked = str(request.get("answer", request.get("text")))[:200]
            raise RlprobeError(f"the grader stopped at the answer {asked!r} (exit code {code}): {said}")
        return code is not None

    def _last_words(self) -> str:
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "no reason given"
