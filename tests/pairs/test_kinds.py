"""Kinds of tokens: each rule by example, every id in exactly one, and a version that no change of a rule may keep."""

import hashlib
from collections import Counter

import pytest

from rlprobe.pairs.kinds import DISCOURSE, KINDS, VERSION, kind_of, kinds_of
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.registry import BUNDLED
from rlprobe.pairs.sources import load_tokenizer

EXAMPLES = {
    "format": [
        "boxed",
        "\\boxed",
        " \\boxed{",
        "\\",
        "{",
        "}",
        "}.",
        " $",
        "$$",
        "\n",
        ".\n\n",
        " ",
        "**",
        "####",
        "```",
    ],
    "digits": ["7", " 24", "0.", "3)", "1/2", "{24}"],
    "discourse": [" Wait", "wait,", "So", " therefore", "First", " However", "but", "Now"],
    "other": ["x", "2x", "frac", " answer", "box", " boxes", "+", " =", ".", ",", "<|im_end|>", "Waiting", b"\xe2\x80"],
}


@pytest.mark.parametrize(("kind", "piece"), [(kind, piece) for kind, all_ in EXAMPLES.items() for piece in all_])
def test_a_token_is_of_the_first_kind_whose_rule_it_meets(kind, piece):
    assert kind_of(piece) == kind
    assert kind_of(piece, is_stop=True) == "stop"


def test_every_id_of_a_vocabulary_is_of_one_kind():
    tokenizer = load_tokenizer(str(BUNDLED / "base"))
    ids = list(range(len(tokenizer)))[::-1]  # in no order of its own
    found = kinds_of(tokenizer, ids, {tokenizer.eos_token_id})
    texts = pieces(tokenizer, ids)
    names = [kind_of(texts[i], i == tokenizer.eos_token_id) for i in ids]
    assert [list(KINDS)[number] for number in found] == names
    counts = Counter(names)
    assert counts["stop"] == 1
    assert counts["digits"] == 10  # this tokenizer writes numbers digit by digit
    assert set(counts) == set(KINDS)


def test_rules_that_change_take_another_version():
    words = [*sorted(DISCOURSE), *(p for examples in EXAMPLES.values() for p in examples), *map(chr, range(256))]
    said = repr([(word, kind_of(word)) for word in words])
    digest = hashlib.sha256(said.encode()).hexdigest()[:12]
    assert (VERSION, digest) == (1, "7e9d97b5b818"), "arms are named after the version: raise it, then write both here"
