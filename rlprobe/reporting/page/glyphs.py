"""What can be seen of a token: text that is shown as it is, and marks for all that has no look of its own.

A response is untrusted text: control characters, bidirectional overrides, half characters. Whatever could hide, move
or end something is named instead of obeyed. Knows no HTML: tokens.js and token_view.py make elements of the segments.
"""

import codecs
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

Segment = str | list[str]  # text, or [kind, mark, the text itself]

SPACE, CODE, BYTES = "space", "code", "bytes"
_WHITE = {" ": "·", "\n": "⏎", "\t": "→", "\u00a0": "⍽"}  # no-break space
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}  # categories that have no look of their own
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # parts of emoji and of several scripts; alone they are named


def segments(piece: str | bytes) -> list[Segment]:
    """A token in the order of its text: whitespace with its mark, the invisible by its code, bytes in hexadecimal."""
    if isinstance(piece, bytes):
        return [[BYTES, piece.hex(" ").upper(), ""]]
    if not piece:
        return [[CODE, "empty", ""]]
    return [segment for marked, run in groupby(piece, _is_marked) for segment in _segments(marked, "".join(run))]


def told_apart(pieces: Mapping[int, str | bytes]) -> dict[int, list[Segment]]:
    """The segments of each token by its id; where several ids stand for the same, the id is the last of them."""
    alike = Counter(pieces.values())
    return {i: [*segments(piece), *([[CODE, f"#{i}", ""]] if alike[piece] > 1 else [])] for i, piece in pieces.items()}


def completed(pieces: Sequence[str | bytes]) -> dict[int, tuple[int, str]]:
    """The characters that neighbouring tokens of bare bytes make together.

    By the place of the token that ends them: the place of the first that is a part of them, and the characters.
    """
    found, decoder, first = {}, codecs.getincrementaldecoder("utf-8")(), None
    for t, piece in enumerate(pieces):
        if isinstance(piece, str):
            decoder.reset()
            first = None
            continue
        first = t if first is None else first
        try:
            whole = decoder.decode(piece)
        except UnicodeDecodeError:
            decoder.reset()
            first = None
            continue
        if whole:
            found[t] = (first, whole)
            first = t if decoder.getstate()[0] else None
    return found


def plain(piece: str | bytes) -> str:
    """A token in one line of plain text, between quotation marks that are not its own."""
    parts = (segment if isinstance(segment, str) else segment[1] for segment in segments(piece))
    return f"“{''.join(parts)}”"


def _segments(marked: bool, run: str) -> Iterator[Segment]:
    if not marked:
        yield run if run.strip(_JOINERS) else [CODE, " ".join(map(_code, run)), ""]
        return
    for c in run:
        yield [SPACE, _WHITE[c], c] if c in _WHITE else [CODE, _code(c), ""]


def _is_marked(c: str) -> bool:
    return c not in _JOINERS and (c in _WHITE or unicodedata.category(c) in _HIDDEN)


def _code(c: str) -> str:
    return f"U+{ord(c):04X}"
