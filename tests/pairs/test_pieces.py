"""What ids stand for: bytes are kept where a token is a part of a character, spaces belong to their tokens."""

import pytest
from conftest import save_tokenizer
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from rlprobe.pairs.pieces import byte_alphabet, pieces

TEXTS = ["Ann has 12 eggs.\n\tSo: \\boxed{24}", "naïve café €5", "猫 🐈‍⬛", "a  b\r\n", "<|endoftext|>x"]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    save_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def named(names):
    vocabulary = {name: i for i, name in enumerate(["<unk>", *names])}
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>")))


def as_bytes(piece):
    return piece if isinstance(piece, bytes) else piece.encode()


@pytest.mark.parametrize("text", TEXTS)
def test_the_pieces_of_a_text_are_its_bytes(byte_level, text):
    ids = byte_level.encode(text)
    found = pieces(byte_level, ids)
    assert b"".join(as_bytes(found[i]) for i in ids) == text.encode()


def test_a_part_of_a_character_is_bytes_and_a_whole_one_is_text(byte_level):
    ids = byte_level.encode("€")
    assert len(ids) > 1
    assert all(isinstance(piece, bytes) for piece in pieces(byte_level, ids).values())
    assert pieces(byte_level, byte_level.encode(" has")) == {byte_level.encode(" has")[0]: " has"}


def test_the_byte_alphabet_is_one_to_one():
    alphabet = byte_alphabet()
    assert sorted(alphabet.values()) == list(range(256))
    assert alphabet["Ġ"] == ord(" ")
    assert alphabet["Ċ"] == ord("\n")


def test_sentencepiece_keeps_the_leading_space_and_the_byte_of_a_byte_token():
    tokenizer = named(["\u2581the", "<0xE2>", "<0x41>", "x\u2581y"])
    assert pieces(tokenizer, [1, 2, 3, 4]) == {1: " the", 2: b"\xe2", 3: "A", 4: "x y"}


def test_an_id_beyond_the_tokenizer_is_named(byte_level):
    assert pieces(byte_level, [len(byte_level) + 5]) == {len(byte_level) + 5: f"<{len(byte_level) + 5}>"}
