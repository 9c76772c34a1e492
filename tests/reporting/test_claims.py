import pytest

from rlprobe.analysis.claims import Claim, Finding, Kind, fact
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.reporting.claims import asked, claims_table
from rlprobe.reporting.formats import FORMATS


def claim(low=None, high=None, unit="", **others):
    return Claim(statement="few", source="2605.06241 §3.1", low=low, high=high, unit=unit, **others)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (claim(0.010, 0.041, "%"), "between 1 % and 4.1 %"),
        (claim(2.14, 2.39), "between 2.14 and 2.39"),
        (claim(5, 12, "×"), "between 5× and 12×"),
        (claim(low=0, unit="%"), "above 0 %"),
        (claim(high=0.0012, unit="%"), "below 0.12 %"),
        (claim(low=-0.05, unit="%"), "above -5 %"),
        (claim(high=0.3, unit="nats"), "below 0.3 nats"),
        (claim(1, 1, "%", kind=Kind.IDENTITY), "exactly 100 %"),
    ],
)
def test_the_inequality_is_written_as_it_was_asked(made, words):
    assert asked(made) == words


def test_a_row_shows_the_published_number_ours_and_the_verdict():
    ours = Interval(0.024, 0.0223, 0.0259, 500, 59988, "bootstrap over problems")
    made = claim(0.010, 0.041, "%", published="1.0–4.1 %")
    text = FORMATS["md"](claims_table([Finding(made, ours), Finding(made, missing("there is no 'sbc'"))]))
    first, second = text.splitlines()[2:]
    assert first == "| few | 2605.06241 §3.1 | 1.0–4.1 % | between 1 % and 4.1 % | 2.40 % [2.23, 2.59] | holds |"
    assert second.endswith("| – | not measured: there is no 'sbc' |")


def test_a_fact_is_written_without_an_interval():
    row = FORMATS["md"](claims_table([Finding(claim(0.05, 0.3, "%"), fact(0.808))])).splitlines()[2]
    assert row.endswith("| between 5 % and 30 % | 80.8 % | does not hold |")


def test_a_spreadsheet_gets_the_interval_in_columns_of_its_own():
    ours = Interval(0.024, 0.0223, 0.0259, 500, 59988, "bootstrap over problems")
    header, row = FORMATS["csv"](claims_table([Finding(claim(high=0.1, unit="%"), ours)])).splitlines()
    assert header == "claim,source,published,asked,ours,ours_low,ours_high,verdict"
    assert row == "few,2605.06241 §3.1,not published,below 10 %,0.024,0.0223,0.0259,holds"
