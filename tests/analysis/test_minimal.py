"""ddmin against the paper's own recursion, tried in turn, and against every subset."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from rlprobe.analysis.minimal import Search
from rlprobe.records import SearchEnd

MANY = 10**6


def searched(everything, right, single=None, most_trials=MANY) -> Search:
    """A search driven to its end by a predicate."""
    search = Search.start(everything, right(everything), single or {}, most_trials)
    while asked := search.untried():
        for edits in asked:
            search.learn({edits: right(edits)})
    return search


def by_the_paper(kept: list[int], parts: int, right) -> list[int]:
    """Figure 3 of Zeller and Hildebrandt, one set at a time."""
    ends = [len(kept) * i // parts for i in range(parts + 1)]
    pieces = [kept[ends[i] : ends[i + 1]] for i in range(parts)]
    if len(kept) == 1:
        return kept
    for piece in pieces:
        if right(frozenset(piece)):
            return by_the_paper(piece, 2, right) if len(piece) > 1 else piece
    for piece in pieces:
        rest = [n for n in kept if n not in piece]
        if right(frozenset(rest)):
            return by_the_paper(rest, max(parts - 1, 2), right)
    return by_the_paper(kept, min(len(kept), 2 * parts), right) if parts < len(kept) else kept


@st.composite
def verdicts(draw):
    """(all edits, any predicate at all that is wrong on nothing and right on everything)."""
    n = draw(st.integers(1, 7))
    subsets = [frozenset(c) for size in range(n + 1) for c in combinations(range(n), size)]
    right = {edits: draw(st.booleans()) for edits in subsets}
    return frozenset(range(n)), {**right, frozenset(): False, frozenset(range(n)): True}


@given(verdicts())
def test_the_result_is_that_of_the_papers_recursion_and_no_edit_of_it_can_be_spared(drawn):
    everything, right = drawn
    search = searched(everything, right.get)
    assert sorted(search.kept) == by_the_paper(sorted(everything), 2, right.get)
    assert right[search.kept]
    assert not any(right[search.kept - {n}] for n in search.kept)
    assert search.end == (SearchEnd.ONE_FLIP if len(search.kept) == 1 else SearchEnd.MINIMAL)


@given(verdicts())
def test_where_one_edit_is_known_to_be_enough_it_is_the_smallest_set_and_nothing_is_tried(drawn):
    everything, right = drawn
    single = {n: right[frozenset({n})] for n in everything}
    search = searched(everything, right.get, single)
    if any(single.values()):
        assert (search.end, search.trials, len(search.kept)) == (SearchEnd.ONE_FLIP, 0, 1)
        assert right[search.kept]
    else:
        assert sorted(search.kept) == by_the_paper(sorted(everything), 2, right.get)


@given(verdicts(), st.integers(0, 12))
def test_the_limit_of_trials_is_kept_and_what_is_kept_is_right(drawn, most):
    everything, right = drawn
    search = searched(everything, right.get, most_trials=most)
    assert search.trials <= most
    assert right[search.kept]
    unlimited = searched(everything, right.get)
    assert (search.end is SearchEnd.STOPPED) == (unlimited.trials > most)
    if search.end is not SearchEnd.STOPPED:
        assert search.kept == unlimited.kept


def test_edits_that_are_all_needed_are_found_among_many():
    needed = {3, 17, 18, 40}
    search = searched(frozenset(range(64)), lambda edits: needed <= edits)
    assert set(search.kept) == needed
    assert search.trials < 200


def test_all_edits_that_are_not_right_end_the_search():
    search = searched(frozenset(range(4)), lambda _: False)
    assert (search.end, search.trials) == (SearchEnd.ORACLE_WRONG, 0)
    assert searched(frozenset(), lambda _: True).end is SearchEnd.ORACLE_WRONG
