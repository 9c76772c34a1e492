"""What rows copy and what they read, for drawn texts: everything is there in the end, and the least is read."""

from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from rlprobe.decoding.prefixes import Start, common, starts

TEXTS = st.lists(st.lists(st.integers(0, 1), max_size=6), max_size=5)


@given(TEXTS, TEXTS)
def test_every_new_row_ends_up_with_its_text_and_copies_at_least_half_or_nothing(held, new):
    first, second = starts(held, new)
    assert sorted(start.row for start in (*first, *second)) == list(range(len(held), len(held) + len(new)))
    holds = dict(enumerate(map(list, held)))
    for wave in (first, second):
        before = dict(holds)  # what this wave may copy: the rows of one wave are read together
        for start in wave:
            text = new[start.row - len(held)]
            assert start.shared == 0 or 2 * start.shared >= len(text)
            copied = before[start.source][: start.shared] if start.shared else []
            holds[start.row] = copied + text[start.shared :]
    assert [holds[len(held) + n] for n in range(len(new))] == new


@given(*[st.lists(st.integers(0, 2), max_size=8)] * 2)
def test_what_two_texts_have_in_common(a, b):
    assert common(a, b) == len(list(takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False))))


def test_flips_of_one_response_read_the_longest_beginning_alone():
    text = list(range(20))
    assert starts([], [text[:8], text[:20], text[:11]]) == ([Start(1, 1, 0)], [Start(0, 1, 8), Start(2, 1, 11)])
    assert starts([[*text[:12], 99]], [text[:15], [7, 8]]) == ([Start(1, 0, 12), Start(2, 2, 0)], [])
