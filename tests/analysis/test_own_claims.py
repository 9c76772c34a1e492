import itertools

import pytest

from rlprobe.analysis.claims import Verdict
from rlprobe.analysis.own_claims import parse, quantities
from rlprobe.errors import BadInput

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


def test_no_quantity_is_named_twice():
    known = list(quantities())
    assert len(known) == len(set(known)) > 100
    assert not any(brace in way for way, brace in itertools.product(known, "{},"))
