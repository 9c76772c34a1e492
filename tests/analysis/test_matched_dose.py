"""Differences at matched dose: by hand, against a plain loop, and by simulation from curves that are known."""

import numpy as np
import pytest
from scipy.interpolate import interp1d

from rlprobe.analysis.matched_dose import Knots, match
from rlprobe.settings import Resampling

TARGETS = (0.1, 0.25, 0.5, 0.75, 0.9)
RATE, LENGTH = 0.02, 200  # of the oracle's edits; tokens a response


def knots(doses, accuracies, n=40):
    """A signal with exactly these doses and accuracies on every problem."""
    right = np.tile(np.array([[0.2], *([a] for a in accuracies)]), n)
    tokens = np.full((len(doses) + 1, n), 100.0)
    return Knots(np.array([[0.0], *([d] for d in doses)]) * tokens, tokens, right)


def all_tokens(n=40):
    return np.full(n, 100.0), np.full(n, 100.0)


def test_accuracies_are_interpolated_at_the_wanted_dose_by_hand():
    first, other = knots([0.2, 0.4], [0.4, 0.8]), knots([0.3, 0.5], [0.5, 0.6])
    matched = match(first, other, all_tokens(), [0.1, 0.3], Resampling(resamples=100))
    np.testing.assert_allclose(matched.at[0], [0.1, 0.3])
    np.testing.assert_allclose(matched.differences[0], [0.0, 0.1], atol=1e-12)  # 0.1 lies half and a third of the way


def test_nothing_is_extrapolated_beyond_the_smaller_of_the_largest_doses():
    first, other = knots([0.2, 0.4], [0.4, 0.8]), knots([0.3], [0.5])
    matched = match(first, other, all_tokens(), [0.4], Resampling(resamples=100))
    np.testing.assert_allclose(matched.at[0], [0.3])
    np.testing.assert_allclose(matched.differences[0], [0.6 - 0.5])


def test_a_dose_is_a_share_of_the_whole_on_the_same_problems():
    whole = np.full(40, 50.0), np.full(40, 100.0)  # the oracle changes half of the tokens
    matched = match(knots([0.2], [0.4]), knots([0.3], [0.5]), whole, [0.4], Resampling(resamples=100))
    np.testing.assert_allclose(matched.differences[0], [0.4 - (0.2 + 0.3 * 2 / 3)], atol=1e-12)


def simulated(rng, curve, doses, n, frailty):
    """One response a problem and knot: edits by chance around the dose, right by chance around the curve."""
    right, changed = [rng.random(n) < curve(0)], [np.zeros(n)]
    for dose in doses:
        changed.append(rng.poisson(dose * RATE * LENGTH * frailty))
        right.append(rng.random(n) < curve(dose))
    return Knots(np.array(changed, float), np.full((len(doses) + 1, n), float(LENGTH)), np.array(right, float))


def study(first, other, off, n=120, times=200, seed=0):
    """(mean error, coverage, mean error of the plain difference) over many made comparisons.

    The realised doses of the first signal are `off` times what was wanted, of both another tenth off by chance.
    """
    rng, errors, plain, inside = np.random.default_rng(seed), [], [], []
    truth = np.mean([first(t) - other(t) for t in TARGETS])
    for again in range(times):
        frailty = rng.gamma(4, 1 / 4, n)  # some problems hold many edits
        doses = [[t * factor * rng.uniform(0.9, 1.1) for t in TARGETS] for factor in (off, 1)]
        made = [simulated(rng, *each, n, frailty) for each in zip((first, other), doses, strict=True)]
        whole = rng.poisson(RATE * LENGTH * frailty).astype(float), np.full(n, float(LENGTH))
        resampling = Resampling(seed=again, resamples=200)
        found, _ = match(*made, whole, TARGETS, resampling).over(range(len(TARGETS)), resampling)
        errors.append(found.value - truth)
        inside.append(found.low <= truth <= found.high)
        plain.append((made[0].right[1:] - made[1].right[1:]).mean() - truth)
    return np.mean(errors), np.mean(inside), np.mean(plain)


CURVES = {
    "straight": (lambda d: 0.2 + 0.6 * d, lambda d: 0.2 + 0.3 * d),
    "equal": (lambda d: 0.2 + 0.6 * d, lambda d: 0.2 + 0.6 * d),
    "bent": (lambda d: 0.2 + 0.6 * (1 - (1 - min(d, 1)) ** 2), lambda d: 0.2 + 0.6 * d),
}


@pytest.mark.parametrize("off", [1.0, 1.1])
@pytest.mark.parametrize("curves", CURVES.values(), ids=CURVES)
def test_the_interval_covers_and_a_dose_that_is_systematically_off_does_not_bias(curves, off):
    error, coverage, plain = study(*curves, off)
    assert abs(error) < 0.008  # the mean of 200 has a standard error of 0.002
    assert 0.9 <= coverage <= 0.99
    if off > 1 and curves is not CURVES["bent"]:
        assert plain > 0.02  # what the difference at unequal doses is wrong by


def test_the_resamples_carry_their_own_doses():
    """Against a plain loop over the same resamples, with scipy's interpolation."""
    rng, n = np.random.default_rng(3), 30
    frailty = rng.gamma(4, 1 / 4, n)
    made = [simulated(rng, CURVES["bent"][0], (0.3, 0.8), n, frailty) for _ in range(2)]
    whole = rng.poisson(RATE * LENGTH * frailty) + 1.0, np.full(n, float(LENGTH))
    resampling = Resampling(resamples=100)
    matched = match(*made, whole, [0.5], resampling)
    times = resampling.generator().multinomial(n, np.full(n, 1 / n), 100)
    for row, drawn in enumerate(np.repeat(np.arange(n), each) for each in times):
        unit = whole[0][drawn].sum() / whole[1][drawn].sum()
        curves = [
            (k.changed[:, drawn].sum(1) / k.tokens[:, drawn].sum(1) / unit, k.right[:, drawn].mean(1)) for k in made
        ]
        at = min(0.5, *(doses.max() for doses, _ in curves))
        first, other = (interp1d(*curve)(at) for curve in curves)
        assert matched.differences[1 + row, 0] == pytest.approx(first - other)
        assert matched.at[1 + row, 0] == pytest.approx(at)


def test_problems_that_are_all_alike_claim_no_certainty():
    found, p_value = match(*[knots([0.3], [0.5])] * 2, all_tokens(), [0.3], Resampling()).over([0], Resampling())
    assert (found.value, p_value) == (0, 1.0)
    assert found.low < 0 < found.high
    assert found.method == "Clopper-Pearson over problems"


def test_without_problems_or_edits_there_is_a_reason():
    none, p_value = match(knots([0.3], [0.5], 0), knots([0.3], [0.5], 0), all_tokens(0), [0.3], Resampling()).over(
        [0], Resampling()
    )
    assert (none.value, p_value) == (None, None)
    assert none.reason
    nothing = np.zeros(40), np.full(40, 100.0)
    same, _ = match(knots([0.3], [0.5]), knots([0.3], [0.5]), nothing, [0.3], Resampling()).over([0], Resampling())
    assert same.reason == "nothing is edited on these problems, which leaves no dose"
