"""pass@k by other roads: enumeration of subsets, exact fractions, counting by hand."""

from fractions import Fraction
from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.passk import Draws, alone, compared, pass_at_every_k, pass_at_k, sizes
from rlprobe.errors import BadInput
from rlprobe.settings import Resampling

RESAMPLING = Resampling(resamples=200)


def drawn(n, c):
    return Draws(np.array(n), np.array(c))


def names(count):
    return pd.Index([f"q{i}" for i in range(count)])


def test_pass_at_k_is_the_share_of_subsets_that_hold_a_right_draw():
    for n in (1, 2, 5, 6):
        for c in range(n + 1):
            right = [i < c for i in range(n)]
            found = pass_at_every_k(np.array([n]), np.array([c]), n)[0]
            for k in range(1, n + 1):
                subsets = list(combinations(right, k))
                expected = sum(any(subset) for subset in subsets) / len(subsets)
                assert found[k - 1] == pytest.approx(expected, abs=1e-14)


@pytest.mark.parametrize("c", [0, 1, 2, 3, 17, 64, 100, 126, 127, 128])
def test_every_k_is_the_exact_fraction_at_128_draws(c):
    found = pass_at_every_k(np.array([128]), np.array([c]), 128)[0]
    exact = [float(1 - Fraction(comb(128 - c, k), comb(128, k))) for k in range(1, 129)]
    np.testing.assert_allclose(found, exact, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("n", "c", "k"), [(1024, 1, 512), (1024, 3, 1000), (10_000, 40, 128), (4096, 4095, 1), (256, 0, 9)]
)
def test_pass_at_k_is_stable_where_the_binomials_are_astronomic(n, c, k):
    exact = float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert pass_at_k(np.array([n]), np.array([c]), k)[0] == pytest.approx(exact, rel=1e-12, abs=0)


@pytest.mark.parametrize("k", [0, 9, 17])
def test_a_k_above_the_fewest_draws_is_refused(k):
    with pytest.raises(BadInput, match="from 8 draws"):
        pass_at_k(np.array([16, 8]), np.array([3, 3]), k)


def test_k_doubles_up_to_the_number_of_draws():
    assert sizes(16) == [1, 2, 4, 8, 16]
    assert sizes(12) == [1, 2, 4, 8, 12]
    assert (sizes(1), sizes(0)) == ([1], [])


def test_a_curve_has_every_k_up_to_the_fewest_draws_and_the_table_those_asked_for():
    found = alone(drawn([8, 6, 0], [2, 6, 0]), RESAMPLING, (1, 3))
    assert found is not None
    assert (found["draws"], found["most_draws"], found["correct"], found["graded"]) == (6, 8, 8, 14)
    assert found["curve"]["k"] == [1, 2, 3, 4, 5, 6]
    expected = [(1 - comb(6, k) / comb(8, k) + 1) / 2 for k in range(1, 7)]
    assert found["curve"]["value"] == pytest.approx(expected)
    assert [found["pass_at_k"][k].value for k in ("1", "3")] == pytest.approx([expected[0], expected[2]])


def test_wins_ties_and_losses_are_counted_on_paired_problems():
    draws = {"base": drawn([4] * 5, [1, 0, 4, 3, 2]), "rl": drawn([4, 4, 4, 4, 0], [2, 0, 4, 1, 0])}
    found = compared(draws, names(5), RESAMPLING)
    at = {k: tuple(found["gain"][k][name] for name in ("wins", "ties", "losses")) for k in found["gain"]}
    assert at == {"1": (1, 2, 1), "2": (1, 2, 1), "4": (0, 4, 0)}
    assert found["gain"]["1"]["difference"].value == pytest.approx((1 - 2) / 4 / 4)
    assert found["solvable"]["problems"] == 4


def test_different_counts_of_draws_limit_k_to_the_fewest():
    draws = {"base": drawn([64, 128], [3, 4]), "rl": drawn([128, 100], [3, 4])}
    found = compared(draws, names(2), RESAMPLING)
    assert found["gain_curve"]["k"] == list(range(1, 65))
    assert list(found["gain"])[-1] == "64"


def test_what_only_one_solves_is_bounded_by_the_rule_of_three():
    draws = {"base": drawn([128] * 3, [0, 5, 1]), "rl": drawn([128] * 3, [9, 0, 1])}
    solvable = compared(draws, names(3), RESAMPLING)["solvable"]
    assert (solvable["rl_only"], solvable["base_only"]) == (["q0"], ["q1"])
    bound = solvable["unseen_at_most"]["base"]
    assert (1 - bound) ** 128 == pytest.approx(0.05)
    assert bound == pytest.approx(3 / 128, rel=0.02)
