"""The verdict table: what is kept of a pair part by part, and what the table says of pairs beside each other."""

from dataclasses import replace

import pandas as pd
import pytest
from click.testing import CliRunner

from experiments import kept
from experiments import sharpening_or_discovery as script
from experiments.sharpening_or_discovery import INDICATORS, NAME, NOT_RUN, PARTS, keep, side, table, trusted
from rlprobe.reporting.formats import FORMATS


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


GAP = "pass@k, RL − base, at the largest k"
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


def arms(identity="rl"):
    capped = {"recovery": interval(0.5), "against": {"rl": {"difference": interval(-0.2)}}}
    return {
        "arms": {
            "oracle": {"identity": identity},
            **dict.fromkeys((script.HELD, "support", "entropy", "inverse"), capped),
        }
    }


def test_parts_are_kept_beside_each_other_and_made_again_alone(tmp_path):
    shelf = kept.Shelf("bundled", tmp_path / "a")
    keep(shelf, "sample", DRAWN)
    keep(shelf, "intervene", arms())
    keep(shelf, "sample", {**DRAWN, "gain": {"8": {"difference": interval(0.6)}}})
    rows = pd.read_csv(tmp_path / "a" / f"{NAME}.csv").set_index("indicator")
    assert list(rows.index) == [i.words for i in INDICATORS if i.part in ("sample", "intervene")]
    assert rows.loc[GAP, ["value", "low"]].tolist() == pytest.approx([0.6, 0.5])
    assert rows.loc["the curves of pass@k cross at k", "n"] == "3.5 [2.0, beyond 8]; n = 8"


def test_the_table_says_n_in_every_cell_and_what_was_not_run(tmp_path):
    keep(kept.Shelf("a", tmp_path / "a"), "sample", DRAWN)
    made = table({"a": tmp_path / "a", "b": tmp_path / "b"}).set_index("indicator")
    assert (made["b"] == NOT_RUN).all()
    assert made.loc[GAP, "a"] == "-20.0 % [-30.0, -10.0]; k = n = 8, 9 problems"
    assert made.loc["the curves of pass@k cross at k", "a"] == "3.5 [2.0, beyond 8]; n = 8"
    assert (made["a"] == NOT_RUN).sum() == sum(i.part != "sample" for i in INDICATORS)
    assert "nan" not in FORMATS["md"](made.reset_index())


def test_what_was_never_seen_is_told_with_both_its_bounds(tmp_path):
    never = interval(0.1) | {"value": 0.0, "low": 0.0, "high": 0.01, "n_units": 365, "problems_bound": 0.3}
    text = {"rates": {"all": {"micro": {"shifted": never | {"n_tokens": 365}}}}}
    shifted = INDICATORS[0]
    kept_of = shifted.of({"trajectories": {"base": text}})
    pd.DataFrame([{"indicator": shifted.words, **kept_of}], columns=script.COLUMNS).to_csv(tmp_path / f"{NAME}.csv")
    said = script.cell(script.measured(tmp_path)[shifted.words], shifted.unit)
    assert said.startswith("0 of 365 tokens; at most 30.0 % of problems have one; ")
    assert said.endswith("9 problems, 365 tokens")


def test_an_oracle_that_is_not_rls_text_is_no_measure_of_the_capped_one():
    assert script.below_oracle(arms()) | {"n": ""} == found(-0.2, -0.30000000000000004, -0.1) | {"n": ""}
    said = script.below_oracle(arms(identity=None))
    assert said["value"] is None
    assert "did not write RL's own text" in said["n"]


def test_one_interval_lies_beside_another_only_where_they_do_not_meet():
    assert side(found(0, -1, 1), found(3, 2, 4)) == -1
    assert side(found(3, 2, 4), found(0, -1, 1)) == 1
    assert side(found(0, -1, 1), found(1, 0.5, 4)) == 0
    assert side(found(9, None, None), found(3, 2, 4)) is None
    assert side(None, found(3, 2, 4)) is None


LOW, MIDDLE, HIGH = found(0, -1, 1), found(1, 0.5, 4), found(6, 5, 7)


@pytest.mark.parametrize(
    ("pairs", "above", "said"),
    [
        ({"discovery": HIGH, "x": LOW, "y": MIDDLE}, True, "yes: tells discovery from x, y"),
        ({"discovery": HIGH, "x": LOW, "y": HIGH}, True, "in part: tells discovery from x; not from y"),
        ({"discovery": LOW, "x": LOW, "y": None}, True, "no: not from x"),
        ({"discovery": HIGH, "x": LOW}, False, "no: but on the other side than expected of x"),
        ({"discovery": LOW, "x": HIGH}, None, "yes: tells discovery from x"),
        ({"discovery": None, "x": HIGH}, True, "not known: no interval of discovery and of another pair"),
        ({"x": HIGH}, True, "not known: no interval of discovery and of another pair"),
    ],
)
def test_an_indicator_is_trusted_where_it_tells_the_control_from_every_pair(pairs, above, said):
    assert trusted(replace(INDICATORS[0], above=above), pairs) == said


def test_the_table_is_of_the_pairs_asked_for_from_where_the_request_keeps_them(tmp_path, monkeypatch, figures):
    monkeypatch.chdir(tmp_path)
    keep(kept.Shelf.shown("smollm2"), "sample", DRAWN)
    keep(kept.Shelf("bundled", tmp_path / "runs" / "bundled-word-problems" / "kept"), "intervene", arms())
    shown = CliRunner().invoke(script.main, ["--table", "--among", "bundled", "--among", "smollm2"])
    assert (figures / f"{NAME}_pairs.md").read_text() == shown.stdout.removesuffix("\n")
    assert "k = n = 8, 9 problems" in shown.stdout
    asked = CliRunner().invoke(script.main, ["--table", "--limit", "9", "--among", "bundled", "--among", "smollm2"])
    assert "0.5" in asked.stdout
    assert "k = n = 8" not in asked.stdout


@pytest.mark.slow
def test_every_indicator_finds_its_number_in_what_the_commands_say(tmp_path, monkeypatch, figures):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(script, "POWER_PROBLEMS", 3)
    few = ["--limit", "4", "--max-new-tokens", "48", "--n", "2", "--among", "bundled"]
    for part in PARTS:
        ended = CliRunner().invoke(script.main, [*few, "--only", part], catch_exceptions=False)
        assert ended.exit_code == 0
    folder = tmp_path / "runs" / "bundled-word-problems" / "kept"
    rows = pd.read_csv(folder / f"{NAME}.csv")
    assert list(rows["indicator"]) == [i.words for i in INDICATORS]
    assert rows["n"].notna().all()
    assert NOT_RUN not in ended.stdout
    assert not figures.exists()
