"""Tables, figures and terminal text of `rlprobe direction` and `rlprobe footprint`, on summaries of small tables."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from synthetic_texts import token_table

from rlprobe.analysis.direction import summarise
from rlprobe.analysis.footprint import follow, mark
from rlprobe.reporting import direction, footprint
from rlprobe.reporting.drawing import encode, render
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import Reading

READING = Reading(resamples=100)


LINE = ("slope", "r2_one", "r2_own", "r2", "acceptance")


def interval(value, low=None, high=None):
    return {"value": value, "low": low, "high": high, "n_problems": 9, "n_tokens": 99, "method": None, "reason": None}


@pytest.fixture(scope="module", params=[("base", "rl"), ("base",)], ids=["both texts", "only the base's"])
def summary(request):
    tokens = token_table(problems=8, arms=request.param)
    hard = {1: " |", 2: "\\frac", 3: "$", 4: "\n", 5: "[/b]"}
    return summarise(tokens, READING, lambda i: hard.get(i, f" t{i}"), tail=0.5)


@pytest.fixture(scope="module")
def steps():
    """The summary of a footprint of two checkpoints, of which the first has nothing to lose."""
    base = token_table(problems=8, arms=("base",))
    marks = [mark(base, READING), mark(base.assign(argmax_rl=np.roll(base["argmax_rl"], 1)), READING)]
    followed = [{name: vars_of(found) for name, found in step.items()} for step in follow(marks, READING.resampling)]
    both = {"base": interval(0.01, 0.005, 0.02), "rl": interval(0.0, 0.0, 0.3)}
    step = {
        "tokens": {"base": 99, "rl": 99},
        "rates": {arm: dict.fromkeys(("unchanged", "reranked", "shifted", "disagreements"), both[arm]) for arm in both},
        "accuracy": both,
        "no_answer": both,
        "no_answer_differs": False,
        "gain": interval(None),
        "mcnemar": None,
        "length": both,
        "tails": {arm: dict.fromkeys(("-3", "-1", "-0.3", "+0.3", "+1", "+3"), both[arm]) for arm in both},
        "divergence": both,
        "sharpening": {arm: dict.fromkeys(LINE, both[arm]) for arm in both},
        "perplexity": {arm: {m: dict.fromkeys(("nats", "all", "typical"), both[arm]) for m in both} for arm in both},
    }
    named = [{"name": f"step-{i}", **step, "followed": found} for i, found in enumerate(followed)]
    problems = {"asked": 9, "left_out": {"q1": "prompt longer than the context"}, "ungraded": []}
    return {"about": {"dataset": "d"}, "problems": problems, "reading": {"confidence": 0.95}, "steps": named}


def vars_of(found):
    return {name: getattr(found, name) for name in found.__slots__}


def printed(shown):
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(shown)
    return console.file.getvalue()


def test_every_table_of_direction_is_written_in_every_format(summary):
    for name, table in direction.TABLES.items():
        frame = table(summary)
        assert len(frame), name
        for write in FORMATS.values():
            assert "nan" not in write(frame).lower()


def test_every_figure_of_direction_is_drawn_the_same_twice(summary):
    for drawing in direction.FIGURES.values():
        (one, data), (two, _) = render(drawing, summary), render(drawing, summary)
        assert isinstance(data, pd.DataFrame)
        assert encode(one, "png") == encode(two, "png")


def test_the_figure_direction_shows_every_token(summary):
    _, data = render(direction.FIGURES["direction"], summary)
    for (_, arm), bins in data.groupby(["panel", "text"]):
        assert bins["count"].sum() == summary["texts"][arm]["tokens"]
        assert bins["share"].sum() == pytest.approx(1)


def test_the_text_of_direction_fits_the_terminal_and_keeps_markup(summary):
    shown = printed(direction.show(summary))
    assert max(map(len, shown.splitlines())) <= 80
    assert "nan" not in shown
    assert ("cannot be asked" in shown) == (len(summary["texts"]) == 1)


def test_the_footprint_is_tabled_drawn_and_said(steps):
    for table in footprint.TABLES.values():
        assert table(steps)["checkpoint"].iloc[0] == "step-0"
    for write in FORMATS.values():
        assert "nan" not in write(footprint.TABLES["footprint_followed"](steps)).lower()
    _, data = render(footprint.FIGURES["footprint"], steps)
    assert set(data["panel"]) == {"accuracy", "rates", "tails", "followed"}
    shown = printed(footprint.show(steps))
    assert max(map(len, shown.splitlines())) <= 80
    assert "prompt longer than the context" in shown
