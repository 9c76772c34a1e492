"""Numbers and tables as people and programs read them."""

import json
from dataclasses import asdict
from io import StringIO
from math import nan

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.statistics import rate
from rlprobe.reporting.formats import FORMATS, Cell, as_json, csv, from_json, latex, markdown, quoted
from rlprobe.settings import Resampling

TABLE = pd.DataFrame(
    {
        "token": [quoted(" |"), quoted("\\frac"), quoted("$\n")],
        "n": [1234, None, 7],
        "rate": [Cell(0.1 / 3), None, None],
    },
    dtype=object,
)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (Cell(0.0211, 0.019, 0.0235, "%"), "2.11 % [1.90, 2.35]"),
        (Cell(0.0, 0.0, 0.00735, "%"), "0 % [0, 0.735]"),
        (Cell(0.979, 0.9765, 0.981, "%"), "97.9 % [97.7, 98.1]"),
        (Cell(1.0, 0.99265, 1.0, "%"), "100.0 % [99.3, 100.0]"),
        (Cell(0.00091, 0.0006, 0.0014, "%"), "0.091 % [0.060, 0.140]"),
        (Cell(2.314, 2.2, 2.4), "2.31 [2.20, 2.40]"),
        (Cell(122.4, 119.0, 125.0), "122 [119, 125]"),
        (Cell(5.31, 4.1, 6.7, "×"), "5.31× [4.10, 6.70]"),
        (Cell(3.8e-6, unit="nats"), "3.8e-06 nats"),
        (Cell(-0.25, -0.5, 0.0, "%"), "-25.0 % [-50.0, 0]"),
        (Cell(None, 0.01, 0.041, "%"), "1.0–4.1 %"),
        (Cell(None, 5.0, 12.0, "×"), "5–12×"),
        (Cell(None), "–"),
        (Cell(0.5, unit="%"), "50.0 %"),
        (
            Cell(0.0, 0.0, 0.00004014, "%", 91_895, "tokens", 0.00735),
            "0 of 91,895 tokens; at most 0.735 % of problems have one; "
            "at most 0.0040 % of tokens if tokens were independent",
        ),
        (
            Cell(1.0, 0.9963, 1.0, "%", 1000, "responses", 0.0362),
            "all of 1,000 responses; at most 3.62 % of problems have another; "
            "at most 0.370 % of responses if responses were independent",
        ),
        (
            Cell(0.0, -0.0108, 0.0108, "%", 340, "places", 0.0362),
            "0 % [-1.08, 1.08]; the interval holds if places were independent; at most 3.62 % of problems differ",
        ),
    ],
)
def test_a_cell_shows_three_digits_its_interval_and_its_unit(cell, written):
    assert str(cell) == written


def test_what_was_never_seen_is_told_from_its_interval_and_csv_keeps_both_bounds():
    resampling = Resampling()
    never = Cell.of(asdict(rate(np.zeros(20), np.full(20, 50.0), resampling)), "%")
    assert str(never).startswith("0 of 1,000 tokens; at most 16.8 % of problems have one; at most 0.368 % of tokens")
    assert never.brief == "0 of 1,000"
    back = pd.read_csv(StringIO(csv(pd.DataFrame({"shifted": [never, Cell(0.1, unit="%")]}, dtype=object))))
    assert back["shifted_high"][0] == pytest.approx(1 - 0.025 ** (1 / 1000))
    assert back["shifted_problems_bound"].tolist() == [
        pytest.approx(1 - 0.025 ** (1 / 20)),
        pytest.approx(nan, nan_ok=True),
    ]
    one_each = Cell.of(asdict(rate(np.zeros(20), np.ones(20), resampling)), "%")
    assert str(one_each) == "0 % [0, 16.8]"  # a share of problems, and called nothing else


def test_a_p_value_that_so_many_resamples_cannot_go_below_is_written_as_less():
    least = 2 / 2001
    test = {"p_value": least, "p_adjusted": 5 * least, "p_floor": least}
    assert [str(Cell.p(test)), str(Cell.p(test, "p_adjusted"))] == ["< 0.001", "< 0.005"]
    assert str(Cell.p({**test, "p_adjusted": 0.0131}, "p_adjusted")) == "< 0.014"  # not 0.013, which may be too low
    assert str(Cell.p({**test, "p_floor": None})) == "0.00100"  # an exact one
    assert str(Cell.p({**test, "p_value": 2 * least})) == "0.0020"
    assert str(Cell.p({**test, "p_adjusted": 1.0}, "p_adjusted")) == "1.00"
    assert str(Cell.p(None)) == "–"
    back = pd.read_csv(StringIO(csv(pd.DataFrame({"p": [Cell.p(test), Cell(0.5)]}, dtype=object))))
    assert back["p_sign"].fillna("").tolist() == ["<", ""]


def test_csv_keeps_full_precision_and_comes_back_as_numbers():
    table = pd.DataFrame(
        {"name": ["a", "b"], "the rate": [Cell(0.1 / 3, 0.01, 0.1), None], "n": [3, None]}, dtype=object
    )
    back = pd.read_csv(StringIO(csv(table)))
    assert list(back.columns) == ["name", "the_rate", "the_rate_low", "the_rate_high", "n"]
    assert back["the_rate"][0] == 0.1 / 3
    assert back.iloc[1].isna().tolist() == [False, True, True, True, True]
    assert "3," not in csv(table).splitlines()[1].replace("0.03333333333333333", "")  # 3 stays 3, not 3.0


def test_csv_keeps_tokens_apart_from_the_commas_between_them():
    back = pd.read_csv(StringIO(csv(pd.DataFrame({"token": [quoted(","), quoted('"'), quoted("\n")]}))))
    assert back["token"].tolist() == ["','", "'\"'", "'\\n'"]


def test_markdown_has_as_many_bars_in_each_line_whatever_the_tokens_hold():
    lines = markdown(TABLE).splitlines()
    assert len(lines) == 5
    assert {line.replace("\\|", "").count("|") for line in lines} == {4}
    assert lines[1] == "| --- | ---: | ---: |"
    assert lines[2] == "| ' \\|' | 1,234 | 0.033 |"
    assert lines[3].endswith("| – | – |")
    assert "\\$" in lines[4]


def test_latex_escapes_what_it_would_run():
    text = latex(TABLE)
    body = text.split("\\midrule\n")[1].split("\\bottomrule")[0]
    assert text.startswith("\\begin{tabular}{lrr}\n\\toprule")
    assert "\\textbackslash \\textbackslash frac" in body
    assert "\\$\\textbackslash n" in body  # a newline is two characters, and ends no row
    assert body.count("\n") == 3
    hard = latex(pd.DataFrame({"x": ["a&b", "50%", "_^~#{}"]}))
    assert "a\\&b" in hard
    assert "50\\%" in hard
    assert "\\_\\textasciicircum \\textasciitilde \\#\\{\\}" in hard


def test_json_holds_every_entry_and_gives_every_other_form_back():
    entries = [
        Cell(np.float64(1 / 3), 0.25, 0.5, "%", 91_895, "words", 0.1, "<"),
        Cell(None),
        Cell(0.0, 0.0, 0.25, n=12, problems_bound=0.3),
        Cell(1),
        None,
        "a | \u2028 <b>",
        12,
    ]
    table = pd.DataFrame({"entry one": entries, "n": range(7)}, dtype=object)
    back = from_json(json.loads(as_json(table)))
    assert list(back["entry one"]) == entries
    assert list(back["n"]) == list(range(7))
    assert [form(back) for form in FORMATS.values()] == [form(table) for form in FORMATS.values()]


@pytest.mark.parametrize("write", FORMATS.values(), ids=FORMATS)
def test_a_table_without_rows_is_still_a_table(write):
    assert "token" in write(TABLE.iloc[:0])
