"""The verdict table: what is kept of a pair part by part, and what the table says of pairs beside each other."""

import pandas as pd
import pytest
from click.testing import CliRunner

from experiments import kept
from experiments import sharpening_or_discovery as script
from experiments.sharpening_or_discovery import INDICATORS, NAME, NOT_RUN, PARTS, apart, keep, separates, table
from rlprobe.reporting.formats import FORMATS, Cell


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FIGURES", tmp_path / "figures")
    return kept.FIGURES


def found(value, low, high):
    return {"value": value, "low": low, "high": high, "n": "9 problems"}


def crossing(**more):
    return {"ahead": "rl", "k": None, "low": None, "high": None, "open_from": None, "up_to": 8, "reason": "none"} | more


def interval(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "n_problems": 9, "n_tokens": None, "reason": None}


DRAWN = {
    "gain": {"1": {"difference": interval(0.3)}, "8": {"difference": interval(-0.2)}},
    "crossing": crossing(k=3.5, low=2.0),
    "solvable": {
        "problems": 9,
        "draws": {"base": 8, "rl": 8},
        "shares": {"rl_only": interval(0.1), "base_only": interval(0.2)},
    },
    "reason": None,
}


def test_parts_are_kept_beside_each_other_and_made_again_alone(tmp_path):
    shelf = kept.Shelf("bundled", tmp_path / "a")
    keep(shelf, "sample", DRAWN)
    keep(
        shelf,
        "intervene",
        {"arms": {m: {"mode": m, "recovery": interval(0.5)} for m in ("support", "entropy", "inverse")}},
    )
    keep(shelf, "sample", {**DRAWN, "gain": {"8": {"difference": interval(0.6)}}})
    rows = pd.read_csv(tmp_path / "a" / f"{NAME}.csv").set_index("indicator")
    assert len(rows) == 7
    assert rows.loc["pass@k, RL − base, at the largest k", ["value", "low"]].tolist() == pytest.approx([0.6, 0.5])
    assert rows.loc["the curves of pass@k cross at k", "n"] == "3.5 [2.0, beyond 8]; n = 8"
    assert list(rows.index) == [i.words for i in INDICATORS if i.part in ("sample", "intervene")]


def test_the_table_says_n_in_every_cell_and_what_was_not_run(tmp_path):
    keep(kept.Shelf("a", tmp_path / "a"), "sample", DRAWN)
    made = table({"a": tmp_path / "a", "b": tmp_path / "b"}).set_index("indicator")
    assert (made["b"] == NOT_RUN).all()
    assert (made["b: n"] == NOT_RUN).all()
    gap = made.loc["pass@k, RL − base, at the largest k"]
    assert isinstance(gap["a"], Cell)
    assert gap["a: n"] == "k = n = 8, 9 problems"
    assert (made["a"] == NOT_RUN).sum() == sum(i.part != "sample" for i in INDICATORS)
    assert "nan" not in FORMATS["md"](made.reset_index())


def test_pairs_are_apart_only_where_their_intervals_are():
    assert apart(found(0, -1, 1), found(3, 2, 4)) is True
    assert apart(found(0, -1, 1), found(1, 0.5, 4)) is False
    assert apart(found(9, None, None), found(3, 2, 4)) is None
    said = separates({"d": found(0, -1, 1), "x": found(3, 2, 4), "y": found(0, 0, 2), "z": None}, "d")
    assert said == "apart from x; not from y"
    assert separates({"d": None, "x": found(3, 2, 4)}, "d") == "no two intervals"


@pytest.mark.slow
def test_every_indicator_finds_its_number_in_what_the_commands_say(tmp_path, monkeypatch, figures):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "POWER_PROBLEMS", 3)
    few = ["--limit", "4", "--max-new-tokens", "48", "--n", "2"]
    for part in PARTS:
        ended = CliRunner().invoke(script.main, [*few, "--only", part], catch_exceptions=False)
        assert ended.exit_code == 0
    folder = tmp_path / "runs" / "bundled-word-problems" / "kept"
    rows = pd.read_csv(folder / f"{NAME}.csv")
    assert list(rows["indicator"]) == [i.words for i in INDICATORS]
    assert rows["n"].notna().all()
    assert NOT_RUN not in ended.stdout
    assert not figures.exists()
