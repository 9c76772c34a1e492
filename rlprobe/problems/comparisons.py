"""When an answer is right: as mathematics, as the letter of a choice, or as the same text. One entry for each.

Answer and gold in, a verdict out. That of mathematics is math-verify's, in a process of its own (grading.py), and so is
that of a function of the user's.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from rlprobe.records import Status

_LETTER = re.compile(r"\W*(?:\\?(?:text|mathrm|textbf)\W*)?([A-Za-z])(?:\W*|\s*[.):,].*)", re.DOTALL)


@dataclass(frozen=True)
class Comparison:
    """A way to compare; `same` says None where the gold is none, and is None itself where math-verify compares.

    `extract`: where the answer is sought when the prompt asks for no form.
    """

    words: str
    same: Callable[[str, str], Status | None] | None
    extract: str = "general"


def letter(text: str) -> str | None:
    """The letter of a choice, as B, (b), B. or B) Paris; None where there is none."""
    found = _LETTER.fullmatch(text)
    return found[1].upper() if found else None


def same_choice(answer: str, gold: str) -> Status | None:
    """Whether both name the same letter."""
    wanted, given = letter(gold), letter(answer)
    if wanted is None:
        return None
    return Status.UNPARSED if given is None else Status.CORRECT if given == wanted else Status.WRONG


def same_text(answer: str, gold: str) -> Status | None:
    """Whether both are the same characters, white space at the ends and runs of it apart."""
    return Status.CORRECT if answer.split() == gold.split() else Status.WRONG


COMPARISONS: dict[str, Comparison] = {
    "math": Comparison("math-verify", None),
    "choice": Comparison("the letter of a choice", same_choice, "choice"),
    "exact": Comparison("the same text", same_text, "whole"),
}
