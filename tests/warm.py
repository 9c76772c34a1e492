"""What many tests would do again, done once a process: starting the processes that grade, and the ink of a figure.

A grading process answers line by line and remembers nothing that changes a verdict: it is handed from one grader to the
next. A figure's bytes follow from its table and its corner: the table is made each time, the ink once.
Tests of the grader start their own processes (`cold`), and those of reporting draw for themselves.
"""

import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from rlprobe.commands import written
from rlprobe.problems import grading
from rlprobe.reporting.drawing import encode, render

_Cold = grading._Worker
_idle: list[_Cold] = []
_ink: dict[tuple, dict[str, bytes]] = {}


class _Warm(_Cold):
    """A worker that takes over the process of one that has finished, if there is such a process."""

    _is_asked = False

    def ask(self, request):
        self._is_asked = True
        reply = super().ask(request)
        self._is_asked = False
        return reply

    def stop(self):
        if self._process is None or self._process.poll() is not None or self._is_asked or self._unread:
            super().stop()
            return
        self._is_stopped = True
        _idle.append(self._hand_over(_Cold()))

    def _start(self):
        with suppress(IndexError):  # another thread may take the last one
            while True:
                other = _idle.pop()
                if other._process.poll() is None:
                    self.kill()
                    _Warm._hand_over(other, self)
                    return
                other.kill()
        super()._start()

    def _hand_over(self, other):
        other._process, other._stderr, other._unread = self._process, self._stderr, b""
        self._process = self._stderr = None
        return other


@contextmanager
def warm() -> Iterator[None]:
    """Grading processes and figures are shared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_Worker", _Warm)
        patch.setattr(written, "render", _rendered)
        patch.setattr(written, "encode", lambda ink, suffix: ink[suffix])
        yield
    while _idle:
        _idle.pop().kill()


@contextmanager
def cold() -> Iterator[None]:
    """Every grader starts its own processes, and ends them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_Worker", _Cold)
        yield


def _rendered(drawing, *known, corner=""):
    """(the bytes of the figure, by suffix; its table)."""
    data = drawing.data(*known)
    key = drawing, corner, hashlib.sha256(pickle.dumps(data)).digest()
    if key not in _ink:
        figure, _ = render(replace(drawing, data=lambda: data), corner=corner)
        _ink[key] = {suffix: encode(figure, suffix) for suffix in ("png", "pdf")}
    return _ink[key], data
