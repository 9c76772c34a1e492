"""Nothing in a token hides: what has no look of its own is named, and the text can be put together again."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from rlprobe.reporting.page.glyphs import completed, plain, segments, told_apart


def text_shown(found):
    return "".join(segment if isinstance(segment, str) else segment[1] for segment in found)


@given(st.text(st.characters(codec=None), min_size=1))
def test_nothing_that_is_shown_is_invisible(text):
    shown = text_shown(segments(text))
    ignored = "\u200c\u200d\ufe0e\ufe0f "  # parts of emoji, and the space between codes
    assert shown
    assert not [
        c for c in shown if c not in ignored and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
    ]


@given(st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "M"]), min_size=1))
def test_visible_text_stays_as_it_is(text):
    assert segments(text) == [text] or set(text) <= set("\ufe0e\ufe0f")


def test_whitespace_has_a_mark_and_keeps_its_text():
    assert segments(" a\n\t") == [["space", "·", " "], "a", ["space", "⏎", "\n"], ["space", "→", "\t"]]


def test_what_moves_text_is_named_instead():
    assert segments("a\u202eb\u2028\x00") == [
        "a",
        ["code", "U+202E", ""],
        "b",
        ["code", "U+2028", ""],
        ["code", "U+0000", ""],
    ]
    assert segments("\ud800") == [["code", "U+D800", ""]]
    assert segments("") == [["code", "empty", ""]]


def test_emoji_stay_together_and_a_lone_joiner_is_named():
    assert segments("🐈\u200d⬛") == ["🐈\u200d⬛"]
    assert segments("\u200d") == [["code", "U+200D", ""]]


def test_bytes_are_hexadecimal():
    assert segments(b"\xe2\x82") == [["bytes", "E2 82", ""]]
    assert plain(b"\xe2") == "“E2”"
    assert plain(" He\n") == "“·He⏎”"


def test_ids_that_stand_for_the_same_show_their_ids_and_others_do_not():
    assert told_apart({3: "A", 65: b"\xe2", 68: "A"}) == {
        3: ["A", ["code", "#3", ""]],
        65: [["bytes", "E2", ""]],
        68: ["A", ["code", "#68", ""]],
    }


def test_bytes_of_neighbours_complete_characters_where_they_end():
    euro, smile = "€".encode(), "😀".encode()
    tokens = ["a", euro[:1], euro[1:], smile[:3], "b", euro[:2], euro[2:] + smile[:1], smile[1:], b"\xff", euro]
    assert completed(tokens) == {2: (1, "€"), 6: (5, "€"), 7: (6, "😀"), 9: (9, "€")}
