r"""Where the answer stands in a response: one extraction for each way in which prompts ask for it.

Text in, answers and character offsets out; time is linear in the text. Knows no mathematics: whether two answers are
equal is for grading.py, how they are spelt for spelling.py. A new extraction is one entry in `EXTRACTIONS`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from rlprobe import own

# A run of backslashes is one mark, so that time is linear in it. An odd run takes the next character with it: \{ and \}
# open and close nothing, \\} closes. A doubled backslash before `boxed` is a model that escapes its backslashes; \fbox
# and \boxedx are no boxes.
_MARK = re.compile(r"(?P<slashes>\\+)(?:(?P<boxed>boxed\s*(?:\{|\Z))|(?P<brace>[{}]))?|[{}]")


class Answer(NamedTuple):
    """One answer that a response states: `content` as written, in text[start:end] together with what marks it."""

    start: int
    end: int
    content: str


class Answers(NamedTuple):
    """The answers of a response in order; `is_cut`: the text ends inside one more, which is never finished."""

    found: list[Answer]
    is_cut: bool = False


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
    boxes: list[Box] = []
    covered = 0  # everything before this offset lies inside a closed box
    for start, inner, end in _brace_pairs(text):
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
        brace = mark["brace"] if mark["slashes"] else mark[0]
        if mark["boxed"] is not None:
            still_open.append(len(found))
            found.append((mark.start(), mark.end(), None))
        elif brace is None or len(mark["slashes"] or "") % 2:
            continue
        elif brace == "{":
            still_open.append(None)
        elif still_open and (opened := still_open.pop()) is not None:
            start, inner, _ = found[opened]
            found[opened] = (start, inner, mark.end())
    return found


def is_balanced(text: str) -> bool:
    r"""Whether \boxed{text} is one closed box from end to end."""
    wrapped = f"\\boxed{{{text}}}"
    return [(box.start, box.end) for box in boxed_spans(wrapped)] == [(0, len(wrapped))]


# ---- the extractions -------------------------------------------------------------------------------------------------

# what a prompt shows in the place of an answer, and a response may repeat: blanks, dots, "$Answer", "answer here"
_BLANK = re.compile(
    r"(?:\s|~|\$|\.|…|\\[,;:! ]|\\(?:[lc]?dots|quad|qquad)|\\(?:text|mathrm|mbox)\s*\{\s*\}"
    r"|\$?(?i:your answer|answer here|final answer|answer)\b)*"
)


def boxes(text: str) -> Answers:
    r"""Every closed \boxed{}; an empty one, such as a prompt shows, is none."""
    spans = boxed_spans(text)
    closed = [Answer(box.start, box.end, box.content or "") for box in spans if box.end is not None]
    return Answers([a for a in closed if not _is_blank(a.content)], bool(spans) and spans[-1].end is None)


_ANSWER_LINE = re.compile(r"(?i:answer)[ \t*_]*[:：][\s*_]*(?P<answer>[^\s*_][^\n]*)")


def answer_lines(text: str) -> Answers:
    """What follows "Answer:" up to the end of its line; with nothing behind it, the next line that says something."""
    return Answers(_stated(text, [match.span("answer") for match in _ANSWER_LINE.finditer(text)]))


_OPENING, _CLOSING = "<answer>", "</answer>"


def answer_tags(text: str) -> Answers:
    """What stands between <answer> and </answer>."""
    spans, start = [], 0
    while (stop := text.find(_CLOSING, start)) >= 0:
        opening = text.rfind(_OPENING, start, stop)
        if opening >= 0:
            spans.append((opening + len(_OPENING), stop))
        start = stop + len(_CLOSING)
    return Answers(_stated(text, spans), text.find(_OPENING, start) >= 0)


_HASHES = re.compile(r"####[ \t]*(?P<answer>[^\s#][^\n]*)")


def hashes(text: str) -> Answers:
    """What follows "####" up to the end of its line, as GSM8K writes its answers."""
    return Answers(_stated(text, [match.span("answer") for match in _HASHES.finditer(text)]))


_CHOICE = re.compile(  # a letter behind "answer", in a box, in parentheses, or alone on its line; no part gives back
    r"(?i:answer|choice|option)(?:\s*+(?i:is|:|：))*+[\s*$(]*+(?:\\boxed\s*+\{)?+[\s(]*+(?P<said>[A-H])(?![\w'’])"
    r"|\\boxed\s*+\{\W*+(?:text\W*+)?+(?P<boxed>[A-H])(?!\w)"
    r"|\((?P<bracketed>[A-H])\)"
    r"|^[ \t]*+(?P<alone>[A-H])[.)]?+[ \t]*+$",
    re.MULTILINE,
)


def choices(text: str) -> Answers:
    """The letters A to H that are named as an answer: behind "answer", in a box or parentheses, alone on a line."""
    found = [(match, match.lastgroup or "said") for match in _CHOICE.finditer(text)]
    return Answers([Answer(match.start(), match.end(name), match[name]) for match, name in found])


def whole(text: str) -> Answers:
    """All of the response but its margins."""
    return Answers([Answer(0, len(text.rstrip()), text.strip())] if text.strip() else [])


def _stated(text: str, spans: list[tuple[int, int]]) -> list[Answer]:
    """The answers in these parts of a text: each part's last box where it has one, else all of it but its margins."""
    found = []
    for start, stop in spans:
        part = text[start:stop]
        inner = boxes(part).found
        content = inner[-1].content if inner else part.strip()
        if not _is_blank(content):
            found.append(Answer(start, start + len(part.rstrip()), content))
    return found


def _is_blank(content: str) -> bool:
    return _BLANK.fullmatch(content) is not None


# ---- several boxes that are one answer -------------------------------------------------------------------------------

# what may stand between the boxes of one list: a comma, "and", "or", the name of the next unknown, math delimiters
_BETWEEN = re.compile(
    r"(?:\s|\$|,|;|\\[,;:! ()\[\]]|\\q?quad|\\(?:text|mathrm)\s*\{\s*(?:,|and|or|\s)*\}|\b(?:and|or)\b)*"
    r"(?:[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=\s*\$?\s*)?"
)
_FARTHEST = 40  # characters between two boxes of one list


def joined(text: str, answers: list[Answer]) -> list[Answer]:
    r"""The same with neighbours that make one list, as in \boxed{1} and \boxed{-2}, in one answer: 1, -2."""
    lists: list[Answer] = []
    for answer in answers:
        between = text[lists[-1].end : answer.start] if lists else ""
        if lists and len(between) <= _FARTHEST and _BETWEEN.fullmatch(between):
            before = lists.pop()
            answer = Answer(before.start, answer.end, f"{before.content}, {answer.content}")
        lists.append(answer)
    return lists


@dataclass(frozen=True)
class Extraction:
    """A way to find answers; `find` None is math-verify's own search, which runs where math-verify does.

    `is_list`: several answers that stand together may be one, where the gold is a list.
    """

    words: str
    find: Callable[[str], Answers] | None
    is_list: bool = False


EXTRACTIONS: dict[str, Extraction] = {
    "box": Extraction("\\boxed{}", boxes, is_list=True),
    "answer_line": Extraction('the line of "Answer:"', answer_lines),
    "answer_tag": Extraction("<answer>...</answer>", answer_tags),
    "hashes": Extraction('what follows "####"', hashes),
    "choice": Extraction("the letter of a choice", choices),
    "whole": Extraction("the whole response", whole),
    "general": Extraction("math-verify's own search: a final answer, a box, the last formula or number", None),
}


def extraction_of(name: str) -> Extraction:
    """The extraction of a name; a function of the user's runs where math-verify does."""
    if found := own.KEY.fullmatch(name):
        return Extraction(f"the function {found[1]}", None)
    return EXTRACTIONS[name]
