"""What ids stand for: bytes are kept where a token is a part of a character, spaces belong to their tokens."""

import pytest
from conftest import save_tokenizer
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from rlprobe.pairs.fetched import FETCHED, check_fetched
from rlprobe.pairs.pieces import byte_alphabet, pieces, token_names
from rlprobe.pairs.sources import load_tokenizer

TEXTS = ["Ann has 12 eggs.\n\tSo: \\boxed{24}", "naïve café €5", "猫 🐈‍⬛", "a  b\r\n", "<|endoftext|>x"]


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    save_tokenizer(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


LLAMA = decoders.Sequence(
    [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
METASPACE = decoders.Metaspace()


def named(names, decoder):
    vocabulary = {name: i for i, name in enumerate(["<unk>", *names])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.decoder = decoder
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


def names_of(tokenizer):
    name = token_names(tokenizer)
    return {i: name(i) for i in sorted(tokenizer.get_vocab().values())}


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
    tokenizer = named(["\u2581the", "<0xE2>", "<0x41>", "x\u2581y"], LLAMA)
    assert pieces(tokenizer, [1, 2, 3, 4]) == {1: " the", 2: b"\xe2", 3: "A", 4: "x y"}


def test_a_byte_level_vocabulary_that_misses_bytes_is_byte_level_still():
    tokenizer = named(["Ġsolve", "Ã¯ve", "Ġç", "«"], decoders.ByteLevel())
    assert pieces(tokenizer, [1, 2, 3, 4]) == {1: " solve", 2: "ïve", 3: b" \xe7", 4: b"\xab"}


def test_the_decoder_decides_what_a_name_means():
    names = ["Ġsolve", "<0xE2>", "\u2581the"]
    assert pieces(named(names, METASPACE), [1, 2, 3]) == {1: "Ġsolve", 2: "<0xE2>", 3: " the"}
    assert pieces(named(names, decoders.ByteLevel()), [1, 2, 3]) == {1: " solve", 2: "<0xE2>", 3: "\u2581the"}


def test_a_table_calls_a_part_of_a_character_by_its_bytes_and_no_two_tokens_alike(byte_level):
    found = names_of(byte_level)
    assert len(set(found.values())) == len(found) == len(byte_level)
    assert [found[i] for i in byte_level.encode("€")] == ["<0xE2>", "<0x82>", "<0xAC>"]
    assert found[byte_level.encode(" has")[0]] == " has"


def test_tokens_with_one_text_have_their_ids_behind_it():
    taken = ["A", "<0x41>", "<0xE2>", "a#7", "the"]
    assert list(names_of(named(taken, LLAMA)).values()) == ["<unk>", "A#1", "A#2", "<0xE2>", "a#7#4", "the"]
    alike = named(["âĤ", "<0xE2><0x82>"], decoders.ByteLevel())
    assert list(names_of(alike).values()) == ["<unk>", "<0xE2><0x82>#1", "<0xE2><0x82>#2"]
    assert token_names(named(["<12>"], LLAMA))(12) == "<12>#12"


def test_every_token_of_smollm2_has_a_name_of_its_own_and_its_texts_are_its_pieces():
    """Its byte-level vocabulary misses 21 of the 256 bytes."""
    check_fetched("smollm2")
    tokenizer = load_tokenizer(str(FETCHED["smollm2"].folder))
    found = names_of(tokenizer)
    assert len(set(found.values())) == len(found) == 49_152
    ids = tokenizer.encode(" solve naïve 猫 €")
    assert [found[i] for i in ids] == [" solve", " na", "ïve", "<0x20><0xE7>", "<0x8C>", "<0xAB>", " €"]


def test_an_id_beyond_the_tokenizer_is_named(byte_level):
    assert pieces(byte_level, [len(byte_level) + 5]) == {len(byte_level) + 5: f"<{len(byte_level) + 5}>"}
