"""Thresholds for a wanted rate of edits: the curve against counting, the search against functions that are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlprobe.analysis.calibration import TOLERANCE, Curve, Tried, calibrate


def made_curve(side="above", tokens=400, seed=0):
    rng = np.random.default_rng(seed)
    values, edits = np.round(rng.exponential(1, tokens), 2), (rng.random(tokens) < 0.2).astype(float)
    return values, edits, Curve.of(values, edits, side)


@pytest.mark.parametrize("side", ["above", "below"])
def test_a_curve_says_what_counting_the_fired_tokens_says(side):
    values, edits, curve = made_curve(side)
    for threshold, estimate in zip(curve.thresholds, curve.estimates, strict=True):
        fired = values > threshold if side == "above" else values < threshold
        assert estimate == pytest.approx(edits[fired].sum() / len(values))
        assert threshold not in values
        assert float(f"{threshold:g}") == threshold  # as the arm will be called
    assert (np.diff(curve.estimates) >= 0).all()
    assert (curve.estimates > 0).all()
    assert (np.diff(curve.thresholds) < 0).all() == (side == "above")


def test_a_step_is_the_strictest_that_edits_enough():
    *_, curve = made_curve()
    step = curve.step(0.05)
    assert curve.estimates[step] >= 0.05
    assert step == 0 or curve.estimates[step - 1] < 0.05
    assert curve.step(1.0) == len(curve.thresholds) - 1


def test_chances_edit_in_proportion():
    curve = Curve.of_chances(0.02)
    np.testing.assert_allclose(curve.estimates, 0.02 * curve.thresholds)
    assert 0 < curve.thresholds[0] < curve.thresholds[-1] < 1


def closed_loop(curve, rates):
    """What decoding would measure, by threshold; counts how often it is asked."""
    by_threshold, asked = dict(zip(curve.thresholds.tolist(), rates, strict=True)), []
    return lambda t: asked.append(t) or float(by_threshold[t]), asked


@pytest.mark.parametrize("wanted", [0.002, 0.005, 0.01, 0.015, 0.018])
def test_a_rate_that_saturates_is_hit_within_a_tenth_in_few_decodes(wanted):
    curve = Curve.of_chances(0.1)
    measure, asked = closed_loop(curve, 0.02 * (1 - np.exp(-5 * curve.thresholds)))
    found = calibrate(curve, wanted, [], measure)
    assert abs(found.nearest.rate - wanted) <= TOLERANCE * wanted
    assert found.threshold == found.nearest.threshold
    assert found.decodes == len(asked) <= 5


def test_what_one_search_tried_serves_the_next():
    curve, tried = Curve.of_chances(0.1), []
    measure, asked = closed_loop(curve, 0.1 * curve.thresholds)
    first = calibrate(curve, 0.02, tried, measure)
    again = calibrate(curve, 0.02, tried, measure)
    assert first.decodes == len(asked) == len(tried)
    assert (again.decodes, again.threshold) == (0, first.threshold)


def test_a_rate_that_is_stepped_over_is_absent_with_the_nearest_one():
    curve = Curve.of_chances(0.1)
    measure, _ = closed_loop(curve, np.where(curve.thresholds < 0.35, 0.001, 0.05))
    found = calibrate(curve, 0.01, [], measure, most=30)
    assert found.threshold is None
    assert found.nearest.rate == 0.001
    assert "steps over" in found.reason


@pytest.mark.parametrize(("rate", "reason"), [(0.001, "loosest threshold edits less"), (0.5, "strictest")])
def test_a_rate_out_of_reach_says_on_which_side(rate, reason):
    curve = Curve.of_chances(0.1)
    measure, _ = closed_loop(curve, np.full(len(curve.thresholds), rate))
    found = calibrate(curve, 0.05, [], measure, most=100)
    assert found.threshold is None
    assert reason in found.reason
    assert found.nearest.rate == rate


def test_a_search_stops_after_so_many_decodes_and_a_text_without_edits_at_once():
    curve = Curve.of_chances(0.1)
    measure, asked = closed_loop(curve, np.where(curve.thresholds < 0.35, 0.001, 0.05))
    found = calibrate(curve, 0.01, [], measure, most=3)
    assert (found.decodes, len(asked), found.threshold) == (3, 3, None)
    assert "after 3 decodes" in found.reason
    empty = Curve.of(np.array([1.0, 2.0]), np.zeros(2), "above")
    nothing = calibrate(empty, 0.01, [], lambda _: pytest.fail("it decoded"))
    assert nothing.threshold is None
    assert nothing.nearest is None
    assert "nothing would be edited" in nothing.reason


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(0, 0.05), min_size=5, max_size=40),
    st.floats(0.0005, 0.04),
    st.integers(1, 8),
    st.booleans(),
)
def test_whatever_decoding_does_a_threshold_is_in_tolerance_or_absent_with_a_reason(rates, wanted, most, rising):
    rates = np.sort(rates) if rising else np.array(rates)
    curve = Curve(np.arange(len(rates), 0, -1).astype(float), np.linspace(0.001, 0.05, len(rates)))
    measure, asked = closed_loop(curve, rates)
    found = calibrate(curve, wanted, [], measure, most)
    assert found.decodes == len(asked) <= most
    assert len(set(asked)) == len(asked)  # nothing is decoded twice
    if found.threshold is None:
        assert found.reason
    else:
        assert abs(rates[curve.thresholds.tolist().index(found.threshold)] - wanted) <= TOLERANCE * wanted
    nearest = min(abs(measure(t) - wanted) for t in list(asked))
    assert abs(found.nearest.rate - wanted) == nearest


def test_every_try_is_kept_with_its_step():
    curve, tried = Curve.of_chances(0.1), list[Tried]()
    measure, _ = closed_loop(curve, 0.1 * curve.thresholds**2)
    calibrate(curve, 0.01, tried, measure)
    for each in tried:
        assert curve.thresholds[each.step] == each.threshold
        assert each.rate == pytest.approx(0.1 * each.threshold**2)
