import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlprobe.analysis.claims import Claim, Finding, Kind, Verdict, fact, judge
from rlprobe.analysis.statistics import Interval, mean, missing
from rlprobe.errors import BadInput
from rlprobe.settings import Resampling

FINITE = st.floats(-100, 100, allow_nan=False)


def between(low, high, kind=Kind.MEASURED):
    return Claim(statement="it", source="a paper", low=low, high=high, kind=kind)


def interval(low, high, value=None):
    return Interval((low + high) / 2 if value is None else value, low, high, 10, None, "bootstrap over problems")


@given(
    st.tuples(FINITE, FINITE).map(sorted),
    st.tuples(FINITE, FINITE).map(sorted),
    st.sampled_from(["both", "low", "high"]),
)
def test_a_verdict_says_whether_all_or_none_of_the_interval_is_inside(bounds, ends, given_ends):
    if bounds[0] == bounds[1]:
        return
    low, high = (bounds[0] if given_ends != "high" else None), (bounds[1] if given_ends != "low" else None)
    inside = [(low is None or x > low) and (high is None or x < high) for x in np.linspace(*ends, 2001)]
    verdict = judge(between(low, high), interval(*ends))
    if verdict is Verdict.HOLDS:
        assert all(inside)
    elif verdict is Verdict.FAILS:
        assert not any(inside)
    else:  # some of it: both of its ends are outside or one of them is, and it reaches in
        assert not all(inside)
        assert high is None or ends[0] < high
        assert low is None or ends[1] > low


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [((1.1, 1.9), "holds"), ((0.5, 0.9), "does not hold"), ((2.1, 3), "does not hold"), ((0.5, 1.5), "not resolved")],
)
def test_the_three_verdicts_on_a_range(ends, verdict):
    assert judge(between(1, 2), interval(*ends)) == verdict


def test_an_interval_that_reaches_zero_is_not_above_zero():
    assert judge(between(0, None), interval(0, 0.3)) is Verdict.UNRESOLVED
    assert judge(between(0, None), interval(0.01, 0.3)) is Verdict.HOLDS
    assert judge(between(None, 0), interval(0, 0.3)) is Verdict.FAILS


def test_an_interval_wider_than_the_range_is_not_resolved():
    assert judge(between(-0.02, 0.02), interval(-0.05, 0.05)) is Verdict.UNRESOLVED


def test_an_identity_is_called_one_and_is_broken_by_any_other_value():
    claim = between(1, 1, Kind.IDENTITY)
    assert judge(claim, interval(0.99, 1, value=1.0)) is Verdict.IDENTITY
    assert judge(claim, Interval(1.0, None, None, 10, None, None)) is Verdict.IDENTITY
    assert judge(claim, interval(0.99, 1, value=0.998)) is Verdict.BROKEN


def test_what_a_pair_has_by_construction_is_called_so_only_where_it_would_hold():
    claim = between(None, 0.1, Kind.BY_CONSTRUCTION)
    assert judge(claim, interval(0, 0.05)) is Verdict.BY_CONSTRUCTION
    assert judge(claim, interval(0, 0.2)) is Verdict.UNRESOLVED
    assert judge(claim, interval(0.2, 0.3)) is Verdict.FAILS
    assert judge(claim.on_another_pair(), interval(0, 0.05)) is Verdict.HOLDS
    identity = between(1, 1, Kind.IDENTITY)
    assert identity.on_another_pair() is identity


def test_a_missing_number_is_not_measured_and_its_reason_is_kept():
    found = Finding(between(0, None), missing("there is nothing to count"))
    assert (found.verdict, found.reason) == ("not measured", "there is nothing to count")


def test_a_fact_is_judged_as_it_is():
    assert judge(between(0.05, 0.3), fact(0.2)) is Verdict.HOLDS
    assert judge(between(0.05, 0.3), fact(0.8)) is Verdict.FAILS
    assert judge(between(0.05, None), fact(0.05)) is Verdict.FAILS


def test_a_number_without_an_interval_is_not_resolved_and_says_why():
    one = mean(np.array([3.0]), np.array([2.0]), Resampling())
    found = Finding(between(0, None), one)
    assert (found.verdict, found.reason) == ("not resolved", "one problem cannot be resampled")
    assert Finding(between(0, None), interval(0, 1)).reason is None


@pytest.mark.parametrize(("low", "high"), [(None, None), (2, 1), (1, 1)])
def test_a_claim_that_asks_nothing_or_the_impossible_is_refused(low, high):
    with pytest.raises(BadInput, match="the claim 'it'"):
        between(low, high)
