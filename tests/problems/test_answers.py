"""Boxes found again in texts that were built from known boxes, and the respelling of answers."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlprobe.problems.answers import Box, boxed_spans, first_and_last_answer_end, is_balanced, respell

PLAIN = st.text(alphabet="ab1 ,.$\n", max_size=5)
ESCAPES = st.sampled_from([r"\{", r"\}", r"\frac", r"\\", r"\fbox", r"\boxedx", r"\ "])
OPENING = st.sampled_from([r"\boxed{", r"\boxed {", "\\boxed\n{"])


def content():
    """Balanced LaTeX, with groups and boxes inside one another."""
    leaf = PLAIN | ESCAPES
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3).map("".join),
            inner.map(lambda body: "{" + body + "}"),
            st.tuples(OPENING, inner).map(lambda pair: pair[0] + pair[1] + "}"),
        ),
        max_leaves=6,
    )


@st.composite
def texts_with_boxes(draw):
    """A text and the boxes it was built from, one of which may never be closed."""
    text, boxes = "", []
    opened = draw(st.none() | st.integers(0, 3))
    for number in range(draw(st.integers(0, 4))):
        text += draw(PLAIN | ESCAPES) + " "
        start = len(text)
        if number == opened:
            text += draw(OPENING)
            boxes.append(Box(start, None, None))
        else:
            body = draw(content())
            text += draw(OPENING) + body + "}"
            boxes.append(Box(start, len(text), body))
    return text + draw(PLAIN), boxes


@given(texts_with_boxes())
def test_boxes_are_found_where_they_were_put(built):
    text, boxes = built
    assert boxed_spans(text) == boxes


@given(texts_with_boxes())
def test_the_answer_ends_are_those_of_the_closed_boxes(built):
    text, boxes = built
    ends = [box.end for box in boxes if box.end is not None]
    assert first_and_last_answer_end(text) == ((ends[0], ends[-1]) if ends else (None, None))


@given(content())
def test_built_content_is_balanced_and_one_more_brace_is_not(body):
    assert is_balanced(body)
    assert not is_balanced(body + "}")
    assert not is_balanced(body + "{")


@given(st.text(alphabet="\\{}boxed ", max_size=40))
def test_any_text_gives_boxes_that_do_not_overlap_and_closed_ones_hold_their_content(text):
    position = 0
    for box in boxed_spans(text):
        assert box.start >= position
        if box.end is not None:
            assert text[box.start : box.end].endswith(box.content + "}")
            position = box.end


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"\fbox{3}", []),
        (r"\boxed{3", [None]),
        (r"\boxed", [None]),
        (r"so \boxed 3", []),
        (r"\boxed{4}. Wait, no: \boxed{5", ["4", None]),
        (r"\boxed{x. So the answer is \boxed{5}.", [None, "5"]),
        (r"\boxed{\{1, 2\}}", [r"\{1, 2\}"]),
        (r"\boxed{a \boxed{b}}", [r"a \boxed{b}"]),
        (r"\\boxed{7}", ["7"]),
        (r"} \boxed{\frac{1}{2}} {", [r"\frac{1}{2}"]),
    ],
)
def test_boxes_of(text, contents):
    assert [box.content for box in boxed_spans(text)] == contents


@pytest.mark.parametrize(
    "hostile",
    [
        "√(" * 100_000,
        "1" * 200_000,
        "^ " * 100_000,
        "\\boxed{" * 20_000,
        "{" * 200_000,
        "\\boxed{" * 20_000 + "}" * 20_000,
        "1" + " " * 200_000 + "x",
    ],
)
def test_time_is_linear_in_a_hostile_text(hostile):
    start = time.perf_counter()
    boxed_spans(hostile)
    respell(hostile)
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    ("written", "respelt"),
    [
        (" 5. ", "5"),
        ("√3", r"\sqrt{3}"),
        ("2√(x+1)", r"2\sqrt{x+1}"),
        ("√{3}", r"\sqrt{3}"),
        ("90°", r"90^{\circ}"),
        (r"12\,345\,678", "12345678"),
        ("1 234", "1234"),
        ("1,234", "1,234"),
        ("(1, 234)", "(1, 234)"),
        ("1 2345", "1 2345"),
        ("4.5e33", r"4.5 \times 10^{33}"),
        ("-1E-5", r"-1 \times 10^{-5}"),
        ("2 x 10^-3", r"2 \times 10^{-3}"),
        ("2e - 3", "2e - 3"),
        ("xe5", "xe5"),
    ],
)
def test_an_answer_is_respelt(written, respelt):
    assert respell(written) == respelt
