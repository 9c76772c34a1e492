"""What is worth reading: passes against every way of splitting rows, and the rule of stopping against enumeration."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlprobe.decoding.prices import DRAFT, LONGEST, LONGEST_DRAFT, Price, groups


def cost(split: list[list[int]], widths: list[int], a_pass: float) -> float:
    return sum(a_pass + len(rows) * max(widths[r] for r in rows) for rows in split)


def cheapest(widths: list[int], a_pass: float) -> float:
    """Over every assignment of rows to passes."""
    n = len(widths)
    splits = ([[r for r in range(n) if of[r] == p] for p in range(n)] for of in product(range(n), repeat=n))
    return min(cost([rows for rows in split if rows], widths, a_pass) for split in splits)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.sampled_from([0.5, 6.0, 24.0, 300.0]))
def test_rows_are_split_into_the_cheapest_passes_there_are(widths, a_pass):
    split = groups(widths, a_pass)
    assert sorted(row for rows in split for row in rows) == list(range(len(widths)))
    assert cost(split, widths, a_pass) == pytest.approx(cheapest(widths, a_pass))


def test_where_a_pass_costs_much_there_is_one_and_rows_keep_their_order():
    assert groups([3, 30, 1, 30], 1000.0) == [[0, 1, 2, 3]]
    assert groups([1, 1, 1], 0.1) == [[0, 1, 2]]  # nothing is padded


def test_a_pass_holds_no_more_positions_than_it_may_but_at_least_one_row():
    assert groups([30, 30, 30, 30, 30], 1000.0, most=60) == [[0, 1], [2, 3], [4]]
    assert groups([90, 90], 1000.0, most=60) == [[0], [1]]
    assert groups([30, 30], 1000.0, most=60) == [[0, 1]]


def test_in_the_beginning_a_token_costs_what_it_does_in_lockstep():
    price = Price(24.0)
    assert price.of_a_token(8) == 2 * (24 + 8) / 8
    price.pay(100.0, 50)
    assert price.of_a_token(8) == 2.0


def test_older_rounds_fade():
    price = Price(24.0)
    price.pay(1000.0, 10)
    for _ in range(200):
        price.pay(30.0, 10)
    assert price.of_a_token(8) == pytest.approx(3.0)


@pytest.mark.parametrize("spent", [2.5, 4.0, 8.0, 30.0])
def test_the_reach_is_where_one_more_token_stops_lowering_the_price(spent):
    """The chance p^d that token d is emitted times the price of a token, against its two reads."""
    price = Price(24.0)
    price.pay(spent, 1)
    price.learn(8, 71, False)  # beside the 29 of 30 that are taken for granted: 100 of 101
    p = price.chance(8)
    worth_reading = [d for d in range(1, 1000) if p**d * spent >= 2]
    assert price.reach(8, 8) == min(LONGEST, max(worth_reading, default=0))


def test_what_is_rejected_is_read_less_far():
    price = Price(24.0)
    price.pay(8.0, 1)
    before = price.reach(3, 8)
    for _ in range(20):
        price.learn(3, 1, True)
    assert price.reach(3, 8) < before
    assert price.reach(4, 8) == before  # of its own kind only


def test_drafts_pay_where_many_rows_share_a_pass_and_not_for_one_row_among_many():
    price = Price(24.0)
    assert 0 < price.draft(8, 8) <= LONGEST_DRAFT
    assert price.draft(1, 8) == 0
    assert price.draft(0, 8) == 0
    alone = Price(24.0)
    p = alone.chance(DRAFT)
    worth = [d for d in range(1, 100) if p**d * alone.of_a_token(1) >= 24 + 1 + 1]
    assert alone.draft(1, 1) == min(LONGEST_DRAFT, max(worth))
    assert math.isfinite(alone.of_a_token(1))
