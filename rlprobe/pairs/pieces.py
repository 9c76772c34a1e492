"""What a token id stands for: text, or the bytes of a part of a character. Reads tokenizers, no weights.

A byte-level tokenizer cuts between any two bytes, so that one token may hold half a character. `decode` of such an id
gives U+FFFD and loses the bytes; here they are kept. Nothing is stripped: a leading space belongs to its token.
"""

import re
from collections.abc import Iterable
from typing import Any

Piece = str | bytes  # bytes where the token alone is no valid UTF-8

_SPACE = "\u2581"  # SentencePiece's mark
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")  # SentencePiece's byte tokens


def pieces(tokenizer: Any, ids: Iterable[int]) -> dict[int, Piece]:
    """The piece of each id; an id that the tokenizer does not know is named in angle brackets."""
    wanted = sorted(set(map(int, ids)))
    added = {int(i): str(token) for i, token in tokenizer.added_tokens_decoder.items()}
    names = dict(zip(wanted, tokenizer.convert_ids_to_tokens(wanted), strict=True))
    read = _of_byte_level if _is_byte_level(tokenizer) else _of_sentencepiece
    return {i: added.get(i) or (f"<{i}>" if name is None else read(name)) for i, name in names.items()}


def byte_alphabet() -> dict[str, int]:
    """The character that byte-level BPE writes for each byte -> the byte.

    Printable Latin-1 stands for itself; the other 68 bytes are U+0100, U+0101, ... in order (openai/gpt-2, encoder.py).
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(0x100 + n): b for n, b in enumerate(others)}


_ALPHABET = byte_alphabet()


def _is_byte_level(tokenizer: Any) -> bool:
    """Whether the vocabulary holds every character of the byte alphabet, as each byte-level one does."""
    return _ALPHABET.keys() <= tokenizer.get_vocab().keys()


def _of_byte_level(name: str) -> Piece:
    if not all(c in _ALPHABET for c in name):
        return name
    return _text_if_whole(bytes(_ALPHABET[c] for c in name))


def _of_sentencepiece(name: str) -> Piece:
    found = _BYTE.match(name)
    return _text_if_whole(bytes([int(found[1], 16)])) if found else name.replace(_SPACE, " ")


def _text_if_whole(content: bytes) -> Piece:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
