r"""Where the answer stands in a response, and how it is spelt: balanced \boxed{} in text.

Text in, text and character offsets out. Knows no mathematics: whether two answers are equal is for grading.py.
"""

import re
from typing import NamedTuple

# A backslash takes the next character with it, so \{ and \} open and close nothing, and \\} closes. A doubled backslash
# before `boxed` is a model that escapes its backslashes. \fbox and \boxedx are no boxes.
_MARK = re.compile(r"\\+boxed\s*(?:\{|\Z)|\\.|[{}]", re.DOTALL)


class Box(NamedTuple):
    r"""One \boxed{}: text[start:end], backslash to closing brace; end and content are None if it never closes."""

    start: int
    end: int | None
    content: str | None


def boxed_spans(text: str) -> list[Box]:
    r"""The boxes of `text` in the order they open. A box inside a closed box is part of its content, not one more box.

    A box that is never closed takes nothing with it: boxes that open after it are boxes of their own. Time is linear in
    the text, whatever is in it.
    """
    found = _brace_pairs(text)
    boxes: list[Box] = []
    covered = 0  # everything before this offset lies inside a closed box
    for start, inner, end in found:
        if start < covered:
            continue
        boxes.append(Box(start, end, None if end is None else text[inner : end - 1]))
        covered = max(covered, end or 0)
    return boxes


def _brace_pairs(text: str) -> list[tuple[int, int, int | None]]:
    """(start, start of the content, end or None) of every box, nested ones too, in the order they open."""
    found: list[tuple[int, int, int | None]] = []
    still_open: list[int | None] = []  # per open brace: which box it opens, None for a plain one
    for mark in _MARK.finditer(text):
        if mark[0].startswith("\\") and "boxed" in mark[0]:
            still_open.append(len(found))
            found.append((mark.start(), mark.end(), None))
        elif mark[0] == "{":
            still_open.append(None)
        elif mark[0] == "}" and still_open:
            opened = still_open.pop()
            if opened is not None:
                start, inner, _ = found[opened]
                found[opened] = (start, inner, mark.end())
    return found


def first_and_last_answer_end(text: str) -> tuple[int | None, int | None]:
    """Offsets just after the closing brace of the first and of the last closed box; None, None without one."""
    ends = [box.end for box in boxed_spans(text) if box.end is not None]
    return (ends[0], ends[-1]) if ends else (None, None)


def is_balanced(text: str) -> bool:
    r"""Whether \boxed{text} is one closed box from end to end."""
    wrapped = f"\\boxed{{{text}}}"
    return [(box.start, box.end) for box in boxed_spans(wrapped)] == [(0, len(wrapped))]


_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"

_END_OF_SENTENCE = ".,;: \t\n\r"

_RESPELLINGS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in [
        (r"√\s*\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"√\s*\{", r"\\sqrt{"),
        (r"√\s*(\d+(?:\.\d+)?|[A-Za-zπ])", r"\\sqrt{\1}"),
        (r"∞", r"\\infty "),
        (r"°", r"^{\\circ}"),
        (r"·", r"\\cdot "),
        # thousands: 1\,234 and 1 234 would be read as 1 + 234, a mixed number
        (r"(?<=\d)(?:\\[,;: ]|[ ~\u00a0\u2009\u202f])(?=\d{3}(?:\D|$))", ""),
        # 4.5e33 would be read as 4.5 · e · 33
        (rf"^({_NUMBER})[eE]([+-]?\d+)$", r"\1 \\times 10^{\2}"),
        (r"(?<=[\d.])\s*[x*]\s*10\^(?=[\d{+-])", r" \\times 10^"),
        (r"\^\s*([+-]\d+)", r"^{\1}"),
    ]
)


def respell(answer: str) -> str:
    """The same answer in a notation that math-verify reads: roots, degrees, thousands, powers of ten, a final stop."""
    answer = answer.strip().rstrip(_END_OF_SENTENCE)
    for pattern, replacement in _RESPELLINGS:
        answer = pattern.sub(replacement, answer)
    return answer
