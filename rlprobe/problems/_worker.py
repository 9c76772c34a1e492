r"""The process in which math-verify runs: pairs of answers on stdin, verdicts on stdout, one JSON line each.

Run as a file by grading.py, which kills it when it takes too long. It imports nothing of rlprobe, so that it starts
quickly; it has no timeout of its own but the kernel's alarm, which ends it if its parent is gone.
"""

import json
import logging
import os
import signal
import sys
from functools import lru_cache
from math import floor, log10
from typing import Any

from math_verify import LatexExtractionConfig, parse, verify
from sympy import Eq, Expr, Integer

# The whole box and nothing but the box: no number picked out of prose, no text in place of what does not parse.
_BOX = (LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False),)

# What sympy raises when it is asked to compare what cannot be compared. Anything else is a fault to be reported.
_INCOMPARABLE = (
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    LookupError,
    NotImplementedError,
    RecursionError,
)
_LIBRARIES = ("sympy", "latex2sympy2_extended", "math_verify", "antlr4", "mpmath")

_MEMORY = 4 << 30  # bytes of address space: an answer that needs more is a bomb


@lru_cache(maxsize=4096)
def _read(answer: str) -> Any | None:
    r"""The sympy object that \boxed{answer} spells, None if it spells none."""
    found = parse(f"\\boxed{{{answer}}}", _BOX, fallback_mode="no_fallback", parsing_timeout=None, raise_on_error=True)
    return found[0] if found else None


def _equal(gold: Any, answer: Any) -> bool:
    gold, answer = _to_scale(gold, answer)
    return verify(gold, answer, timeout_seconds=None, raise_on_error=True)


def _to_scale(gold: Any, answer: Any) -> tuple[Any, Any]:
    """Both times a power of ten if the gold is tiny: math-verify rounds to six decimals and finds 1e-19 = 3e-22."""
    size = _size(gold)
    if isinstance(answer, Eq):
        answer = answer.rhs if size else answer
    if not 0 < size < 1e-3 or not isinstance(answer, Expr):
        return gold, answer
    factor = Integer(10) ** -floor(log10(size))
    return gold * factor, answer * factor


def _size(gold: Any) -> float:
    """|gold|, 0 for what is not a number or too large for a float."""
    if not isinstance(gold, Expr) or not gold.is_number:
        return 0.0
    try:
        return abs(complex(gold))
    except (TypeError, ValueError, OverflowError):
        return 0.0


def _verdict(gold: str, answer: str) -> str:
    """correct, wrong or unparsed; `unreadable` if the gold does not parse or does not even equal itself."""
    if not _is_readable(gold):
        return "unreadable"
    read = _read(answer)
    if read is None:
        return "unparsed"
    try:
        return "correct" if _equal(_read(gold), read) else "wrong"
    except Exception as error:
        if _is_known(error):
            return "unparsed"
        raise


@lru_cache(maxsize=4096)
def _is_readable(gold: str) -> bool:
    read = _read(gold)
    try:
        return read is not None and _equal(read, read)
    except Exception as error:
        if _is_known(error):
            return False
        raise


def _is_known(error: Exception) -> bool:
    return isinstance(error, _INCOMPARABLE) or type(error).__module__.split(".")[0] in _LIBRARIES


def _reply(request: dict[str, Any]) -> dict[str, str]:
    try:
        return {"verdict": _verdict(request["gold"], request["answer"])}
    except MemoryError:
        return {"verdict": "timeout"}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    limit = _MEMORY if most == resource.RLIM_INFINITY else min(_MEMORY, most)
    resource.setrlimit(resource.RLIMIT_AS, (limit, most))


def _alarm(seconds: int) -> None:
    """The kernel ends this process after so many seconds, even inside a long product of integers; 0 calls it off."""
    if hasattr(signal, "alarm"):  # not on Windows
        signal.alarm(seconds)


def _private_stdout() -> Any:
    """The pipe to the parent, for our lines only: what a library prints goes to stderr."""
    pipe = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return pipe


def main() -> None:
    """Answer requests until stdin ends. The first line sent says whether 1 + 1 = 2: a broken installation is heard."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle, and it ends us
    logging.disable()  # math-verify warns that its own timeout is off
    _limit_memory()
    pipe = _private_stdout()
    print(json.dumps(_reply({"gold": "2", "answer": "1+1"})), file=pipe, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        _alarm(request["seconds"] + 5)
        print(json.dumps(_reply(request)), file=pipe, flush=True)
        _alarm(0)


if __name__ == "__main__":
    main()
