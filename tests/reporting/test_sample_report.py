"""What `rlprobe sample` shows of made draws: tables, the figure and the words."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from rlprobe.analysis.sampling import summarise
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.formats import FORMATS, Cell
from rlprobe.reporting.sample import FIGURES, TABLES, show
from rlprobe.settings import Reading


def made(members=("base", "rl"), draws=8, problems=30):
    """A summary of draws: the base has more problems in reach, RL is right more often where it is right at all."""
    rng = np.random.default_rng(0)
    ease = rng.random(problems)
    chances = {"base": 0.05 + 0.5 * ease, "rl": np.where(ease > 0.2, 0.95, 0.0)}
    rows = [
        {"arm": member, "problem_id": f"p{i:02d}", "draw": draw, "right": rng.random() < chances[member][i]}
        for member in members
        for i in range(problems)
        for draw in range(draws)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "problem_id", "draw", "right"])
    status = np.where(frame["right"].astype(bool), "correct", "wrong")
    grades = frame[["arm", "problem_id", "draw"]].assign(status_last=status, status_first=status)
    more = {"response_ids": [[5, 6]] * len(frame), "logprobs": [[-0.3, -0.1]] * len(frame), "stop": "eos"}
    summary = summarise(frame.assign(**more), grades, Reading(resamples=200), {"q": "prompt longer than the context"})
    return summary | {"sampling": {"temperature": 1.0, "top_p": 1.0}}


CASES = {"both": {}, "base alone": {"members": ("base",)}, "one draw": {"draws": 1}, "nothing": {"members": ()}}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_everything_is_shown_whatever_was_drawn(case):
    summary = made(**case)
    for table in TABLES.values():
        for text in FORMATS.values():
            assert "nan" not in text(table(summary))
    figure, data = render(FIGURES["pass_at_k"], summary)
    assert encode(figure, "png") == encode(figure, "png")
    assert set(data["curve"]) <= {"base", "rl", "gain", "crossing"}
    words = io.StringIO()
    Console(file=words, width=80).print(show(summary))
    assert "What sampling shows" in words.getvalue()
    assert "prompt longer than the context" in words.getvalue()
    assert max(map(len, words.getvalue().splitlines())) <= 80


def test_tables_say_what_the_summary_says():
    summary = made()
    found = summary["answers"]["last"]
    table = TABLES["pass_at_k"](summary)
    assert list(table["k"]) == [1, 2, 4, 8]
    assert [cell.value for cell in table["base"]] == [
        p["value"] for p in found["members"]["base"]["pass_at_k"].values()
    ]
    assert table["RL minus base"][3] == Cell.of(found["gain"]["8"]["difference"], "%")
    assert list(TABLES["solvable"](summary)["problems"]) == list(found["solvable"]["counts"].values())
    assert sum(TABLES["solvable"](summary)["problems"]) == 30


def test_the_figure_holds_both_curves_and_their_difference():
    data = FIGURES["pass_at_k"].data(made())
    data = data[data["curve"] != "crossing"]
    wide = data.pivot(index="k", columns="curve", values="value")
    assert np.allclose(wide["rl"] - wide["base"], wide["gain"])
    assert (wide["base"].diff().dropna() > 0).all()
