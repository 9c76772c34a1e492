"""What `rlprobe passk` shows of made counts: tables, the figure and the words."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rlprobe.commands.passk import _found, _of_table
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.passk import FIGURES, TABLES, crossing_of, show
from rlprobe.settings import PasskSettings


def made(models=("base", "rl"), problems=60, draws=32, families=3):
    """A summary of counts: RL is ahead at k = 1, the base has more in reach."""
    rng = np.random.default_rng(0)
    ease = rng.random(problems)
    chances = {"base": 0.02 + 0.3 * ease, "rl": np.where(ease > 0.4, 0.6, 0.0)}
    rows = [
        {
            "problem_id": f"p{i}",
            "model": m,
            "n": draws,
            "c": rng.binomial(draws, chances[m][i]),
            "family": f"f{i % families}",
        }
        for m in models
        for i in range(problems)
    ]
    settings = PasskSettings(source=Path())
    return _found(_of_table(pd.DataFrame(rows), settings), settings)


CASES = {
    "both": {},
    "base alone": {"models": ("base",)},
    "rl alone": {"models": ("rl",)},
    "one draw": {"draws": 1},
    "one problem": {"problems": 1},
    "one family": {"families": 1},
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_everything_is_shown_whatever_was_drawn(case):
    summary = made(**case)
    for table in TABLES.values():
        for text in FORMATS.values():
            assert "nan" not in text(table(summary))
    figure, data = render(FIGURES["passk"], summary)
    assert encode(figure, "png") == encode(figure, "png")
    assert set(data["curve"]) <= {"base", "rl", "gain", "crossing"}
    words = io.StringIO()
    Console(file=words, width=80).print(show(summary))
    assert "What is in reach" in words.getvalue()
    assert max(map(len, words.getvalue().splitlines())) <= 80


def test_the_figure_has_every_k_and_marks_those_of_the_table():
    summary = made()
    data = FIGURES["passk"].data(summary)
    base = data[data["curve"] == "base"]
    assert list(base["k"]) == list(range(1, 33))
    assert list(base.loc[base["shown"], "k"]) == [1, 2, 4, 8, 16, 32]
    (crossing,) = data[data["curve"] == "crossing"].itertuples()
    assert crossing.value == summary["crossing"]["k"]
    assert crossing.low < crossing.value < crossing.high


def test_tables_say_what_was_found():
    summary = made()
    assert list(TABLES["passk"](summary)["k"]) == [1, 2, 4, 8, 16, 32]
    assert sum(TABLES["passk_solvable"](summary)["problems"]) == 60
    assert list(TABLES["passk_regimes"](summary)["family"]) == ["f0", "f1", "f2"]
    (row,) = TABLES["passk_crossing"](summary).to_dict("records")
    assert (row["ahead at small k"], row["read up to k"]) == ("RL", 32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"k": 5.25, "low": 2.0, "high": 14.5}, "5.2 [2.0, 14.5]"),
        ({"k": 5.25, "low": None, "high": None}, "5.2 [below 1, beyond 32]"),
        ({"reason": "no crossing up to k = 32"}, "no crossing up to k = 32"),
        (
            {"reason": "no crossing up to k = 32", "open_from": 20.0},
            "no crossing up to k = 32; not excluded from k = 20.0 on",
        ),
        ({"reason": "no crossing up to k = 32", "open_from": 1.0}, "no crossing up to k = 32; not excluded at any k"),
    ],
)
def test_a_crossing_is_said_with_what_is_open(change, says):
    found = {"ahead": "rl", "k": None, "low": None, "high": None, "open_from": None, "up_to": 32, "reason": None}
    assert crossing_of(found | change) == says
