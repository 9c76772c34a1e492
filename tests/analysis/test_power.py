import itertools
from math import comb

import numpy as np
import pytest

from rlprobe.analysis.power import detectable, words
from rlprobe.analysis.statistics import mcnemar
from rlprobe.errors import BadInput


def power_by_enumeration(n, discordant, share, level=0.05):
    """Over every number of pairs that speak for either model, by the test that the tables use."""
    total = 0.0
    for ours, theirs in itertools.product(range(n + 1), repeat=2):
        if ours + theirs > n:
            continue
        same = n - ours - theirs
        ways = comb(n, ours) * comb(n - ours, theirs)
        chance = ways * (discordant * share) ** ours * (discordant * (1 - share)) ** theirs * (1 - discordant) ** same
        if chance > 1e-9:
            rl = np.array([True] * ours + [False] * (n - ours))
            base = np.array([False] * ours + [True] * theirs + [False] * same)
            total += chance * (mcnemar(base, rl).p_value <= level)
    return total


@pytest.mark.parametrize(("n", "discordant"), [(12, 0.8), (18, 0.6)])
def test_at_the_difference_told_the_exact_test_has_the_power_and_just_below_it_has_not(n, discordant):
    found = detectable(n, discordant)
    assert found is not None
    for difference, enough in ((found + 1e-4, True), (found - 1e-3, False)):
        share = (difference / discordant + 1) / 2
        assert (power_by_enumeration(n, discordant, share) >= 0.8) is enough


def test_the_power_is_reached_in_a_simulation_of_five_hundred_problems():
    difference = detectable(500, 0.2)
    generator, share = np.random.default_rng(0), (difference / 0.2 + 1) / 2
    found = 0
    for _ in range(1000):
        discordant = generator.random(500) < 0.2
        ours = discordant & (generator.random(500) < share)
        found += mcnemar(discordant & ~ours, ours).p_value <= 0.05
    assert found / 1000 == pytest.approx(0.8, abs=0.04)


def test_where_even_all_discordant_problems_on_one_side_are_too_few_nothing_is_found():
    assert detectable(5, 0.9) is None  # five of five have p = 0.0625
    assert detectable(30, 0.1) is None
    assert detectable(0, 0.2) is None
    assert "not at any if 10 % of the verdicts differ" in words(30)


def test_more_problems_find_less_and_more_discordance_needs_more():
    assert detectable(1000, 0.2) < detectable(500, 0.2) < detectable(100, 0.2)
    assert detectable(500, 0.1) < detectable(500, 0.2) < detectable(500, 0.4)
    assert detectable(500, 0.2, confidence=0.99) > detectable(500, 0.2)


def test_a_share_outside_its_range_is_refused():
    with pytest.raises(BadInput, match="discordant is"):
        detectable(100, 1.5)
