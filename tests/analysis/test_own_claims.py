import itertools

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.claims import Verdict
from rlprobe.analysis.own_claims import interval_of, of_function, parse, quantities
from rlprobe.errors import BadInput
from rlprobe.settings import Resampling

GAIN = 'quantity = "summary.accuracy.last.gain"'


def text(*lines, name="RL gains"):
    return "\n".join(["[[claim]]", f'name = "{name}"', *lines])


def interval(low, value, high):
    return {"value": value, "low": low, "high": high, "n_problems": 9, "n_tokens": None, "method": "bootstrap"}


def verdict(lines, low, high):
    (claim,) = parse(text(GAIN, *lines))
    return claim.found_in({"summary": {"accuracy": {"last": {"gain": interval(low, (low + high) / 2, high)}}}}).verdict


def test_a_margin_is_asked_on_every_side():
    above, between = ("above = 0", "margin = 0.05"), ("between = [0.1, 0.3]", "margin = 0.05")
    assert verdict(above, 0.06, 0.10) is Verdict.HOLDS
    assert verdict(above, 0.04, 0.10) is Verdict.UNRESOLVED
    assert verdict(above, -0.1, 0.04) is Verdict.FAILS
    assert verdict(("below = 0.2", "margin = 0.1"), 0.0, 0.09) is Verdict.HOLDS
    assert verdict(("below = 0.2", "margin = 0.1"), 0.11, 0.15) is Verdict.FAILS
    assert verdict(between, 0.16, 0.24) is Verdict.HOLDS
    assert verdict(between, 0.12, 0.24) is Verdict.UNRESOLVED
    assert verdict(between, 0.26, 0.29) is Verdict.FAILS


def test_a_name_on_the_way_may_hold_dots():
    (claim,) = parse(
        text('quantity = "interventions.arms.entropy 0.6.answers.last.recovery"', "above = 0.5", "margin = 0")
    )
    arms = {"entropy 0": {}, "entropy 0.6": {"answers": {"last": {"recovery": interval(0.6, 0.7, 0.8)}}}}
    assert claim.found_in({"interventions": {"arms": arms}}).ours.value == 0.7


def test_an_entry_of_a_list_is_named_by_its_number():
    (claim,) = parse(text('quantity = "signals.differences.1.difference"', "above = 0", "margin = 0"))
    held = [{"difference": interval(0.1, 0.2, 0.3)}, {"difference": interval(0.4, 0.5, 0.6)}]
    assert claim.found_in({"signals": {"differences": held}}).ours.value == 0.5


@pytest.mark.parametrize(
    ("summaries", "reason"), [({}, "no summary.json yet"), ({"summary": {"accuracy": None}}, "summary.json has no")]
)
def test_what_is_not_there_is_not_measured(summaries, reason):
    (claim,) = parse(text(GAIN, "above = 0", "margin = 0"))
    found = claim.found_in(summaries)
    assert found.verdict is Verdict.NOT_MEASURED
    assert reason in found.reason


ASKED = (GAIN, "above = 0", "margin = 0")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[[claim]", "it is no TOML"),
        ("", "no [[claim]] table"),
        ("claim = 3", "no [[claim]] table"),
        ("[claims]\nx = 1", "'claims', where only [[claim]]"),
        ("[[claim]]\nabove = 0", "claim 1 has no name"),
        (text(*ASKED) + "\n" + text(*ASKED), "two claims are called 'RL gains'"),
        (text(*ASKED, "margins = 2"), "'margins', which no claim has; is 'margin' meant?"),
        (text(*ASKED, "below = 2"), "has above and below: give one of above, below, between"),
        (text(GAIN, "margin = 0"), "has no inequality"),
        (text(GAIN, "between = 3", "margin = 0"), "give two numbers"),
        (text(GAIN, "between = [1]", "margin = 0"), "give two numbers"),
        (text(GAIN, "between = [0.3, 0.1]", "margin = 0"), "above 0.3 and below 0.1"),
        (text(GAIN, "between = [0.1, 0.3]", "margin = 0.1"), "above 0.2 and below"),
        (text(GAIN, 'above = "0"', "margin = 0"), "above takes a finite number"),
        (text(GAIN, "above = true", "margin = 0"), "above takes a finite number"),
        (text(GAIN, "above = nan", "margin = 0"), "above takes a finite number"),
        (text(GAIN, "above = 0"), "has no margin: margin takes a finite number, 0 for none"),
        (text(GAIN, "above = 0", "margin = -1"), "it is 0 or more"),
        (text("above = 0", "margin = 0"), "has no quantity"),
        (
            text('quantity = "summary.acuracy.last.gain"', "above = 0", "margin = 0"),
            "which no summary has; is 'summary.accuracy.last.gain'",
        ),
        (text('quantity = "summary.reading"', "above = 0", "margin = 0"), "which no summary has"),
    ],
)
def test_what_is_no_claim_is_refused_by_name(content, says):
    with pytest.raises(BadInput) as error:
        parse(content)
    assert says in str(error.value)


def ways(held, way=""):
    """Every way to an interval, by walking."""
    if isinstance(held, dict) and {"value", "low", "high"} <= held.keys():
        yield way
    elif isinstance(held, dict | list):
        for key, entry in held.items() if isinstance(held, dict) else enumerate(held):
            yield from ways(entry, f"{way}.{key}" if way else str(key))


def test_a_claim_on_sampled_arms_never_reads_greedy_ones():
    way = "arms.entropy 0.6.answers.last.recovery"
    text = """
[[claim]]
name = "a"
quantity = "{}"
above = 0
margin = 0
"""
    sampled, greedy = (
        parse(text.format(f"{name}.{way}"))[0] for name in ("interventions-T0.8-top_p1", "interventions")
    )
    held = {
        name: {"arms": {"entropy 0.6": {"answers": {"last": {"recovery": interval(low, low + 1, low + 2)}}}}}
        for name, low in (("interventions", -9.0), ("interventions-T0.8-top_p1", 1.0))
    }
    assert (sampled.found_in(held).ours.value, greedy.found_in(held).ours.value) == (2.0, -8.0)
    alone = greedy.found_in({"interventions-T0.8-top_p1": held["interventions-T0.8-top_p1"]})
    assert alone.ours.reason == "there is no interventions.json yet"
    with pytest.raises(BadInput, match="which no summary has"):
        parse(text.format(f"summary-T0.8.{way}"))


def test_no_quantity_is_named_twice():
    known = list(quantities())
    assert len(known) == len(set(known)) > 100
    assert not any(brace in way for way, brace in itertools.product(known, "{},"))


# ---- what a function of the user's says ------------------------------------------------------------------------------

PROBLEMS = [f"p{i}" for i in range(40)]
NUMBERS = pd.Series(np.random.default_rng(0).normal(2, 5, 40), index=PROBLEMS)


def of(said):
    return interval_of(said, PROBLEMS, Resampling())


def test_a_number_a_problem_is_judged_by_its_mean_over_resampled_problems():
    found, rng = of(NUMBERS), np.random.default_rng(1)
    by_hand = [NUMBERS.iloc[rng.integers(40, size=40)].mean() for _ in range(4000)]
    assert found.value == pytest.approx(NUMBERS.mean())
    assert (found.low, found.high) == pytest.approx(np.quantile(by_hand, (0.025, 0.975)), abs=0.15)
    assert of(dict(NUMBERS)) == found, "a dictionary is the same"
    assert of(NUMBERS.sample(frac=1, random_state=0)).value == pytest.approx(found.value)


def test_two_columns_are_a_ratio_of_sums_and_a_rate_where_they_count():
    counts = np.arange(1, 41)
    ratio = of(pd.DataFrame({"nats": NUMBERS, "tokens": counts}))
    assert ratio.value == pytest.approx(NUMBERS.sum() / counts.sum())
    none = of(pd.DataFrame({"events": 0, "tokens": counts}, index=PROBLEMS))
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(1 - 0.025 ** (1 / counts.sum())), "Clopper and Pearson's by hand"


def test_true_and_false_are_a_share():
    all_true = of(pd.Series(True, index=PROBLEMS))
    assert (all_true.value, all_true.low, all_true.high) == (1, pytest.approx(0.025 ** (1 / 40)), 1)


def test_numbers_that_do_not_vary_have_no_interval():
    found = of(NUMBERS * 0 + 3)
    assert (found.value, found.low, found.reason) == (3, None, "all problems have one number: nothing varies")


def test_an_interval_of_a_summary_is_taken_as_it_is():
    assert of(interval(0.1, 0.2, 0.3)).low == 0.1
    assert of({"value": 1.0, "low": 0.5, "high": 2.0}).high == 2.0


@pytest.mark.parametrize(
    ("said", "says"),
    [
        (0.3, "it answers a float: it answers a number a problem"),
        (pd.DataFrame({"a": [1]}), "it answers a DataFrame"),
        (pd.Series([1.0, 2.0]), "it answers for '0', which is no problem of the run"),
        (pd.Series([1.0, 2.0], index=["p1", "p1"]), "it answers twice for 'p1'"),
        (pd.Series([1.0, None], index=["p1", "p2"]), "it has no number for 'p2': leave out the problems"),
        (pd.Series(["x"], index=["p1"]), "it answers with what is no number"),
        (pd.Series([], dtype=float), "it answers for no problem"),
        (pd.DataFrame({"a": [1.0], "b": [-1]}, index=["p1"]), "its second column is below 0"),
    ],
)
def test_what_no_number_is_made_of_is_refused(said, says):
    with pytest.raises(BadInput, match=says):
        of(said)


def test_a_function_is_asked_what_a_file_asks():
    claim = of_function("f", "own(f, 0123456789ab)", {"between": (0.1, 0.3), "margin": 0.05})
    assert (claim.claim.low, claim.claim.high) == (pytest.approx(0.15), pytest.approx(0.25))
