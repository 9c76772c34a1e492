"""What the terminal shows."""

from io import StringIO

import pytest
from rich.console import Console
from synthetic_tables import tables, token

from rlprobe.analysis.disagreement import summarise
from rlprobe.reporting.disagree import show
from rlprobe.settings import Reading

CASES = {
    "both": {"problems": 30},
    "no disagreement": {"problems": 12, "reranked": 0, "shifted": 0},
    "made elsewhere": {"problems": 12, "arms": ("responses",)},
    "one problem": {"problems": 1, "arms": ("base",)},
}


def shown(summary, **console):
    out = StringIO()
    Console(file=out, width=80, **console).print(show(summary))
    return out.getvalue()


def summary_of(text=token, left_out=None, **case):
    return summarise(*tables(**case), Reading(resamples=100), text, left_out)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_report_fits_eighty_columns_and_has_no_colour_codes_in_a_file(case):
    text = shown(summary_of(**case))
    assert max(map(len, text.splitlines())) <= 80
    assert "\x1b" not in text
    assert "nan" not in text
    assert "None" not in text


def test_the_numbers_that_matter_are_on_it():
    summary = summary_of(problems=30)
    text = shown(summary)
    for name in ("reranked", "shifted", "noise floor", "without near ties", "entropy ratio", "AUROC", "McNemar"):
        assert name in text
    assert "1.0–4.1 %" in text
    assert "different numbers" in text
    assert f"{summary['trajectories']['base']['tokens']:,}" in text


def test_tokens_that_look_like_markup_are_shown_as_they_are():
    text = shown(summary_of(lambda i: "[/bold]", problems=12), force_terminal=True)
    assert "'[/bold]'" in text


def test_what_was_left_out_is_said():
    text = shown(summary_of(left_out={"p": "the prompt is too long"}, problems=30))
    assert "Problems left out: 1 (the prompt is too long)." in text
    assert "without a verdict by the last answer, left out: 4." in text
