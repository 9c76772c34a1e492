"""What kind of token an id is, by its own text alone: whether it ends a response, formats it, counts, or steers it.

Every id is of exactly one kind, the first of `KINDS` whose rule it meets. The rules look at one token, never at its
place: a brace is format wherever it stands, and a word that a tokenizer cuts in two is `other` in both halves. Arms are
named by these kinds, so rules that change need another `VERSION`, which is part of their names.
"""

from collections.abc import Collection, Iterable
from typing import Any

from rlprobe.pairs.pieces import Piece, pieces

VERSION = 1
KINDS = {
    "stop": "ends the response: a stop id",
    "format": "boxed; and, without letters and digits, marks of LaTeX or Markdown, line breaks, white space alone",
    "digits": "digits and no letter",
    "discourse": "a whole word that steers the reasoning: so, but, wait, first, ...",
    "other": "none of these",
}
# fmt: off
DISCOURSE = frozenset({
    "actually", "again", "also", "alternatively", "although", "assume", "because", "but", "check",
    "consequently", "consider", "conversely", "finally", "first", "firstly", "fourth", "furthermore", "given",
    "hence", "hmm", "hmmm", "hold", "however", "if", "indeed", "instead", "lastly", "let", "lets", "likewise",
    "maybe", "meanwhile", "moreover", "nevertheless", "next", "nonetheless", "note", "now", "ok", "okay",
    "otherwise", "overall", "perhaps", "recall", "remember", "second", "secondly", "similarly", "since", "so",
    "still", "suppose", "then", "therefore", "third", "thus", "unless", "until", "verify", "wait", "well",
    "whereas", "while", "yet",
})
# fmt: on
_BOXES = ("boxed", "fbox")
_MARKS = ("\\", "{", "}", "$", "#", "&", "`", "\n", "\r", "**", "__", "--")


def kind_of(piece: Piece, is_stop: bool = False) -> str:
    """The kind of one token; bytes that are no whole character are `other`."""
    if is_stop:
        return "stop"
    if isinstance(piece, bytes):
        return "other"
    letters, has_digit = "".join(filter(str.isalpha, piece)), any(map(str.isdigit, piece))
    if letters in _BOXES:
        return "format"
    if not letters and has_digit:
        return "digits"
    if not letters and (not piece.strip() or any(mark in piece for mark in _MARKS)):
        return "format"
    return "discourse" if piece.strip().rstrip(",.:;!").casefold() in DISCOURSE else "other"


def kinds_of(tokenizer: Any, ids: Iterable[int], stop_ids: Collection[int]) -> list[int]:
    """The kind of each id, as a number in the order of `KINDS`."""
    numbers = {kind: number for number, kind in enumerate(KINDS)}
    known = list(ids)
    texts = pieces(tokenizer, known)
    return [numbers[kind_of(texts[i], i in stop_ids)] for i in known]
