"""What a token id stands for: text, or the bytes of a part of a character. Reads tokenizers, no weights.

The tokenizer's own decoder says how tokens become text. One token may hold half a character, or bytes alone; `decode`
of such an id gives U+FFFD and loses the bytes; here they are kept. Nothing is stripped: a leading space belongs to its
token.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Piece = str | bytes  # bytes where the token alone is no valid UTF-8

_ANCHOR = "a"  # a token before the one that is asked about: at the start of a text a decoder may strip a space
_SPACE = "\u2581"  # SentencePiece's mark
_NUMBERED = re.compile(r"#[0-9]+\Z")
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")  # SentencePiece's byte tokens


def pieces(tokenizer: Any, ids: Iterable[int]) -> dict[int, Piece]:
    """The piece of each id; an id that the tokenizer does not know is named in angle brackets."""
    wanted = sorted(set(map(int, ids)))
    added = {int(i): str(token) for i, token in tokenizer.added_tokens_decoder.items()}
    names = dict(zip(wanted, tokenizer.convert_ids_to_tokens(wanted), strict=True))
    read = _reader(tokenizer)
    return {i: added.get(i) or (f"<{i}>" if name is None else read(name)) for i, name in names.items()}


def token_names(tokenizer: Any) -> Callable[[int], str]:
    """What a table calls the token of an id: its text, or its bytes as <0xE2><0x82>.

    No two ids have one name: where another token of the vocabulary is called the same, the id stands behind it.
    """
    known = pieces(tokenizer, tokenizer.get_vocab().values())
    words = {i: piece if isinstance(piece, str) else _hexadecimal(piece) for i, piece in known.items()}
    shared = Counter(words.values())

    def name(i: int) -> str:
        word = words.get(i, f"<{i}>")
        is_alone = shared[word] == (i in words) and not _NUMBERED.search(word)
        return word if is_alone else f"{word}#{i}"

    return name


def byte_alphabet() -> dict[str, int]:
    """The character that byte-level BPE writes for each byte -> the byte.

    Printable Latin-1 stands for itself; the other 68 bytes are U+0100, U+0101, ... in order (openai/gpt-2, encoder.py).
    """
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(b): b for b in plain} | {chr(0x100 + n): b for n, b in enumerate(others)}


_ALPHABET = byte_alphabet()


def _reader(tokenizer: Any) -> Callable[[Any], Piece]:
    """How a token of the vocabulary is read, by the steps of the tokenizer's decoder."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = getattr(backend, "decoder", None)
    if decoder is None:
        return str if backend is not None else _of_slow(tokenizer)
    steps = set(_steps(json.loads(decoder.__getstate__())))
    if "ByteLevel" in steps:
        return _of_byte_level
    before = decoder.decode([_ANCHOR])

    def read(name: str) -> Piece:
        if "ByteFallback" in steps and (found := _BYTE.match(name)):
            return _text_if_whole(bytes([int(found[1], 16)]))
        return decoder.decode([_ANCHOR, name]).removeprefix(before)

    return read


def _steps(decoder: dict[str, Any]) -> Iterator[str]:
    """The kinds of steps of a decoder, one in another unfolded."""
    yield decoder["type"]
    for part in decoder.get("decoders", ()):
        yield from _steps(part)


def _of_byte_level(name: str) -> Piece:
    if not all(c in _ALPHABET for c in name):
        return name
    return _text_if_whole(bytes(_ALPHABET[c] for c in name))


def _of_slow(tokenizer: Any) -> Callable[[Any], Piece]:
    """A tokenizer written in Python has no decoder to ask: its tokens are bytes, byte-level or SentencePiece's."""
    is_byte_level = hasattr(tokenizer, "byte_decoder")

    def read(name: str | bytes) -> Piece:
        if isinstance(name, bytes):
            return _text_if_whole(name)
        if is_byte_level:
            return _of_byte_level(name)
        found = _BYTE.match(name)
        return _text_if_whole(bytes([int(found[1], 16)])) if found else name.replace(_SPACE, " ")

    return read


def _hexadecimal(content: bytes) -> str:
    return "".join(f"<0x{byte:02X}>" for byte in content)


def _text_if_whole(content: bytes) -> Piece:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content
