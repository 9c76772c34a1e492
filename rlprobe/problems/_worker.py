r"""The process in which math-verify runs: questions about answers on stdin, what it says on stdout, a JSON line each.

Run as a file by grading.py. It imports nothing of rlprobe, so that it starts quickly. The kernel ends it when a request
has used up its seconds of this process' own time: a machine that is busy, or stopped for a while, changes no verdict.

    {"gold": ..., "answer": ..., "seconds": n}   is the answer equal to the gold?
    {"text": ..., "seconds": n}                  what does math-verify's own search find in it?

With "function", a pickled function of the user's that answers in math-verify's place.
"""

import base64
import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from functools import lru_cache
from itertools import groupby, product
from typing import Any

from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse, verify
from math_verify.grader import sort_key
from math_verify.parser import extract_match, get_extraction_regexes
from sympy import Basic, Eq, Expr, FiniteSet, Float, Integer, Interval, Rational, Set, Tuple, UnevaluatedExpr

# The whole box and nothing but the box: no number picked out of prose, no text in place of what does not parse.
_BOX = (LatexExtractionConfig(boxed_match_priority=0, try_extract_without_anchor=False),)
_SEARCH = (LatexExtractionConfig(), ExprExtractionConfig())  # math-verify's own default

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


# ---- are two answers equal? ------------------------------------------------------------------------------------------


def _equal(gold: Any, answer: Any) -> bool:
    """As math-verify says, as written or with decimals as the fractions that they are, if small numbers agree too."""
    exact = _exact(gold), _exact(answer)
    if not _verified(gold, answer) and (exact == (gold, answer) or not _verified(*exact)):
        return False
    return all(_is_near(*pair) for pair in _aligned(*exact))


def _verified(gold: Any, answer: Any) -> bool:
    return verify(gold, answer, timeout_seconds=None, raise_on_error=True)


def _exact(read: Any) -> Any:
    """Decimals as fractions: 2.03 is 203/100, whose hundredfold is 203, and not the binary number next to it."""
    floats = read.atoms(Float) if isinstance(read, Basic) else ()
    try:
        return read.xreplace({number: Rational(str(number)) for number in floats}).doit() if floats else read
    except _INCOMPARABLE:
        return read


def _aligned(gold: Any, answer: Any) -> Iterator[tuple[Any, Any]]:
    """The numbers of both, each beside the one that math-verify has compared it with."""
    ends = [(x.start, x.end) if isinstance(x, Interval) else x for x in (_value(gold), _value(answer))]
    members = [_members(x, isinstance(ends[1 - i], tuple | Tuple)) for i, x in enumerate(ends)]
    if members == [None, None]:
        yield ends[0], ends[1]
    for pair in zip(members[0] or (), members[1] or (), strict=False):
        yield from _aligned(*pair)


def _members(read: Any, in_order: bool) -> list[Any] | None:
    """The parts of a list, in the order written beside a pair and else by size; None for what has no parts."""
    if isinstance(read, tuple | Tuple):
        return list(read)
    if isinstance(read, FiniteSet):
        return list(getattr(read, "_unsorted_args", read.args)) if in_order else sorted(read.args, key=sort_key)
    return [] if isinstance(read, Set) else None


def _value(read: Any) -> Any:
    """What an equation says that its left side is."""
    return read.rhs if isinstance(read, Eq) else read


_COARSE = Rational(1, 1000)  # below this, math-verify's six decimals tell fewer than three digits
_HUNDREDTH = UnevaluatedExpr(Rational(1, 100))  # what a percent sign is read as


def _is_near(gold: Any, answer: Any) -> bool:
    r"""Whether two numbers agree in six digits, if one is so small that math-verify does not see to that.

    50\% is 50 and 0.5, as math-verify has it.
    """
    if not all(isinstance(x, Expr) and x.is_number for x in (gold, answer)):
        return True
    readings = [[x.xreplace({_HUNDREDTH: value}) for value in (Rational(1, 100), Integer(1))] for x in (gold, answer)]
    try:
        return any(_agree(a, b) for a, b in product(*map(set, readings)))
    except _INCOMPARABLE:
        return True


def _agree(gold: Expr, answer: Expr) -> bool:
    sizes = sorted((abs(gold.evalf(10)), abs(answer.evalf(10))))
    if not sizes[1].is_finite or sizes[0] >= _COARSE or sizes[1] == 0:
        return True
    return bool(abs((gold - answer).evalf(10)) <= sizes[1] * Rational(1, 10**6))


# ---- units -----------------------------------------------------------------------------------------------------------

_UNIT = re.compile(r"\\(?:text|mathrm|mbox|textrm|rm)\s*\{\s*([^{}]*?)\s*\}\s*(?:\^\s*\{?\s*([23])\s*\}?)?\s*$")
_POWER = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
_MONEY = {"dollar": 100, "dollars": 100, "cent": 1, "cents": 1}


@lru_cache(maxsize=1024)
def _unit(answer: str) -> Any | None:
    """The unit that an answer states behind its number, as sympy knows it; None for another word, or none."""
    found = _UNIT.search(answer)
    if not found:
        return None
    from sympy.physics import units

    names = found[1].replace(".", "").split()
    power = int(found[2] or 1)
    for name in [name for name in names if name.lower() in _POWER]:
        power = _POWER[name.lower()]
        names.remove(name)
    if len(names) != 1:
        return None
    if names[0].lower() in _MONEY:
        return _MONEY[names[0].lower()] * units.Quantity("cent")
    unit = getattr(units, names[0], getattr(units, names[0].lower(), None))
    return unit**power if isinstance(unit, units.Quantity) else None


def _factor(gold: str, answer: str) -> Any | None:
    """What an answer is multiplied by to have the gold's unit: 1 where either states none, None where it never has."""
    wanted, given = _unit(gold), _unit(answer)
    if wanted is None or given is None or wanted == given:
        return Integer(1)
    from sympy.physics.units import Quantity, convert_to

    factor = (convert_to(given, wanted.as_coeff_Mul()[1]) / wanted).simplify()
    return None if factor.has(Quantity) else factor


# ---- requests --------------------------------------------------------------------------------------------------------


def _verdict(gold: str, answer: str) -> str:
    """correct, wrong or unparsed; `unreadable` if the gold does not parse or does not even equal itself."""
    if not _is_readable(gold):
        return "unreadable"
    read = _read(answer)
    if read is None:
        return "unparsed"
    try:
        factor = _factor(gold, answer)
        if factor is None:
            return "wrong"
        return "correct" if _equal(_read(gold), read if factor == 1 else factor * read) else "wrong"
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


def _search(text: str) -> list[list[Any] | None]:
    """[end, content] of the first and of the last answer that math-verify's own search finds in a text, else None.

    It looks for one kind of mark after the other and takes the rightmost that it can read; the first is the leftmost of
    that kind.
    """
    patterns = [(p, target, level) for found, target in get_extraction_regexes(_SEARCH) for p, level in found]
    for _, group in groupby(sorted(patterns, key=lambda each: each[2]), key=lambda each: each[2]):
        found = [(match, target) for pattern, target, _ in group for match in pattern.finditer(text)]
        by_end = sorted(found, key=lambda each: (each[0].end(), -each[0].start()), reverse=True)
        last = next((each[0] for each in by_end if extract_match(*each)[0] is not None), None)
        if last is not None:
            by_start = sorted(found, key=lambda each: (each[0].start(), -each[0].end()))
            first = next(each[0] for each in by_start if extract_match(*each)[0] is not None)
            return [_stated(first), _stated(last)]
    return [None, None]


def _stated(match: re.Match[str]) -> list[Any]:
    """Where the answer in a match ends, and what it says: formulas that stand together are a list."""
    groups = {name: match.span(name) for name, value in match.groupdict().items() if value}
    formulas = [span for name, span in groups.items() if "_latex" in name]
    spans = formulas or [span for name, span in groups.items() if not name.endswith("percent")]
    percents = [span for name, span in groups.items() if name.endswith("percent")]
    parts = [match.string[start:stop] for start, stop in spans]
    content = ", ".join(parts) if formulas else "".join(parts)
    return [max(stop for _, stop in spans + percents), content + (r"\%" if percents else "")]


@lru_cache(maxsize=8)
def _unpickled(function: str) -> Any:
    import pickle

    return pickle.loads(base64.b64decode(function))


def _own(function: Any, request: dict[str, Any]) -> dict[str, Any]:
    """What a function of the user's says of an answer, or finds in a text: a part of it, several, or None."""
    if "text" not in request:
        said = function(request["answer"], request["gold"])
        if said is not None and type(said).__name__ not in ("bool", "bool_"):
            raise TypeError(f"it answers a {type(said).__name__}; it answers True, False or None")
        return {"verdict": "unparsed" if said is None else "correct" if said else "wrong"}
    text, said = request["text"], function(request["text"])
    found = [said] if isinstance(said, str) else list(said or ())
    if not all(isinstance(each, str) and each and each in text for each in found):
        raise TypeError("it finds what is no part of the response; it answers parts of it, or None")
    places = [[text.rfind(each) + len(each), each] for each in found]
    return {"found": [places[0], places[-1]] if places else [None, None]}


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    try:
        if "function" in request:
            return _own(_unpickled(request["function"]), request)
        if "text" in request:
            return {"found": _search(request["text"])}
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


def _allow(seconds: float) -> None:
    """The kernel ends this process when it has worked so long, even inside a product of integers; 0 calls it off."""
    if hasattr(signal, "setitimer"):  # not on Windows, where the parent's patience ends
        signal.setitimer(signal.ITIMER_PROF, seconds)


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
        _allow(request["seconds"])
        reply = _reply(request)
        _allow(0)
        print(json.dumps(reply), file=pipe, flush=True)


if __name__ == "__main__":
    main()
