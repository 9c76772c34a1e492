"""Answers found again in texts that were built from known ones, by every extraction."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlprobe.problems.answers import EXTRACTIONS, Answer, Answers, Box, boxed_spans, boxes, is_balanced, joined

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
def test_closed_boxes_are_answers_and_an_open_one_at_the_end_is_said(built):
    text, spans = built
    closed = [Answer(*box) for box in spans if box.end is not None and box.content.strip(" ~$.\n\\")]
    found = boxes(text)
    assert [a for a in found.found if a.content.strip(" ~$.\n\\")] == closed
    assert found.is_cut == bool(spans and spans[-1].end is None)


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


HOSTILE = [
    "\\" * 1_000_000,
    "\\" * 1_000_000 + "boxed{1}",
    "\\boxed{" * 100_000,
    "{" * 1_000_000,
    "\\boxed{" * 100_000 + "}" * 100_000,
    "\\boxed" + " " * 1_000_000,
    "\\boxed{1} and " * 50_000,
    "<answer>" * 100_000,
    "<answer>1</answer>" * 50_000,
    "</answer>" * 100_000,
    "Answer:" * 100_000,
    "Answer: " + " " * 1_000_000,
    "Answer" + " " * 1_000_000,
    "#" * 1_000_000,
    "#### " * 200_000,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=[repr(text[:14]) for text in HOSTILE])
@pytest.mark.parametrize("name", [name for name, extraction in EXTRACTIONS.items() if extraction.find])
def test_time_is_linear_in_a_hostile_text(name, hostile):
    start = time.perf_counter()
    joined(hostile, EXTRACTIONS[name].find(hostile).found)
    assert time.perf_counter() - start < 8


@pytest.mark.parametrize(
    ("extraction", "text", "contents", "is_cut"),
    [
        ("box", r"\boxed{4}. Put it in \boxed{}.", ["4"], False),
        ("box", r"\boxed{4}. Put it in \boxed{\text{ }}, \boxed{...} or \boxed{$Answer}", ["4"], False),
        ("box", r"\boxed{4}. Once more: \boxed{", ["4"], True),
        ("box", r"\boxed{6. Again: \boxed{5}", ["5"], False),
        ("box", "four", [], False),
        ("answer_line", "Answer: $Answer\nso\nAnswer: 12 cm.\n", ["12 cm."], False),
        ("answer_line", "**Answer:** $\\frac{1}{2}$", [r"$\frac{1}{2}$"], False),
        ("answer_line", "The answer: \\boxed{3}, as said", ["3"], False),
        ("answer_line", "Answer:\n\n7\nAnswer: 8", ["7", "8"], False),
        ("answer_line", "the answer is 7", [], False),
        ("answer_tag", "<answer> answer here </answer> <answer> 25\n</answer>", ["25"], False),
        ("answer_tag", r"<answer>It is \boxed{25}.</answer>", ["25"], False),
        ("answer_tag", "<answer>25</answer> and <answer>26", ["25"], True),
        ("answer_tag", "25</answer>", [], False),
        ("hashes", "1 + 1 = 2\n#### 2", ["2"], False),
        ("hashes", "#### 1,200 dollars\n#### 3\n####", ["1,200 dollars", "3"], False),
        ("hashes", "### 2", [], False),
    ],
)
def test_each_extraction_finds_its_own_answers(extraction, text, contents, is_cut):
    found = EXTRACTIONS[extraction].find(text)
    assert ([answer.content for answer in found.found], found.is_cut) == (contents, is_cut)
    assert all(content in text[a.start : a.end] for a, content in zip(found.found, contents, strict=True))


@pytest.mark.parametrize(
    ("text", "contents"),
    [
        (r"The roots are \boxed{1} and \boxed{-2}.", ["1, -2"]),
        (r"$\boxed{1}$, $\boxed{2}$, and $\boxed{3}$", ["1, 2, 3"]),
        (r"x = \boxed{1}, y = \boxed{2}", ["1, 2"]),
        (r"\boxed{4}. Wait, no: \boxed{5}", ["4", "5"]),
        (r"\boxed{4}, so the sum is \boxed{9} and \boxed{8}", ["4", "9, 8"]),
    ],
)
def test_boxes_that_stand_together_are_one_list(text, contents):
    assert [answer.content for answer in joined(text, boxes(text).found)] == contents


def test_nothing_is_found_in_an_empty_text():
    assert all(e.find("") == Answers([]) for e in EXTRACTIONS.values() if e.find)
