"""`rlprobe passk` from the command line and from Python: tables and runs, what is said, what is refused."""

import json
from math import comb

import pandas as pd
import pytest

import rlprobe as rp
from rlprobe.problems.counts import load_counts

COUNTS = [
    ("a", "base", 8, 1, "easy"),
    ("a", "rl", 8, 8, "easy"),
    ("b", "base", 8, 2, "hard"),
    ("b", "rl", 8, 0, "hard"),
    ("c", "base", 8, 0, "hard"),
    ("c", "rl", 8, 3, "hard"),
]


@pytest.fixture
def table(tmp_path):
    """Writes rows as a table of counts."""

    def write(rows=COUNTS, name="counts.csv", columns=("problem_id", "model", "n", "c", "family")):
        frame, file = pd.DataFrame(rows, columns=list(columns)), tmp_path / name
        writers = {".csv": lambda: frame.to_csv(file, index=False), ".parquet": lambda: frame.to_parquet(file)}
        writers.get(file.suffix, lambda: frame.to_json(file, orient="records"))()
        return file

    return write


@pytest.mark.parametrize("name", ["counts.csv", "counts.json", "counts.parquet"])
def test_published_counts_are_analysed_in_full_precision(rlprobe, table, name):
    out = rlprobe.tmp_path / "out"
    code, said, err = rlprobe("passk", table(name=name), "--out", out, "--json")
    assert code == 0, err
    found = json.loads(said)
    assert found == json.loads((out / "passk.json").read_text())
    expected = [sum(1 - comb(8 - c, k) / comb(8, k) for c in (1, 2, 0)) / 3 for k in range(1, 9)]
    assert found["members"]["base"]["curve"]["value"] == pytest.approx(expected, rel=1e-13)
    assert found["gain"]["8"]["difference"]["value"] == 0
    assert found["crossing"]["ahead"] == "rl"
    assert [row["family"] for row in found["regimes"]] == ["easy", "hard"]
    for file in ("tables/passk.md", "tables/passk_regimes.csv", "tables/passk_solvable.tex", "figures/passk.png"):
        assert (out / file).stat().st_size > 0
    assert load_counts(out / "tables/passk_counts.csv").groupby("model")["c"].sum().to_dict() == {"base": 3, "rl": 11}


def test_both_doors_say_the_same(rlprobe, table):
    file = table()
    code, said, _ = rlprobe("passk", file, "--out", rlprobe.tmp_path / "one", "--resamples", 500, "--k", 3, "--json")
    assert code == 0
    found = rp.passk(file, out=rlprobe.tmp_path / "two", resamples=500, ks=(3,))
    assert dict(found.summary) == json.loads(said)
    assert list(found.summary["gain"]) == ["3"]
    assert "passk_crossing" in found.tables


def test_a_run_is_read_with_its_own_verdicts_and_agrees_with_sample(rlprobe):
    of_run = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 12)
    run = rlprobe.tmp_path / "run"
    assert rlprobe("sample", *of_run, "--dataset", rlprobe.problems(), "--n", 3, "--out", run)[0] == 0
    code, said, err = rlprobe("passk", run, "--json")
    assert code == 0, err
    found, sampled = json.loads(said), json.loads((run / "sample.json").read_text())["answers"]["last"]
    for name in ("gain", "gain_curve", "crossing", "solvable"):
        assert found[name] == sampled[name]
    assert found["grader"] == json.loads((run / "sample.json").read_text())["grader"]
    code, said, err = rlprobe(
        *("passk", run / "tables/passk_counts.csv", "--out", rlprobe.tmp_path / "again", "--json"),
        *("--base", found["models"]["base"], "--rl", found["models"]["rl"]),
    )
    assert code == 0, err
    assert json.loads(said)["gain"] == found["gain"]
    assert rlprobe("passk", run, "--base", "x")[0] == 2


def test_a_model_alone_has_a_curve_and_nothing_to_compare_with(rlprobe, table):
    file = table([row for row in COUNTS if row[1] == "base"])
    code, said, err = rlprobe("passk", file, "--out", rlprobe.tmp_path / "out")
    assert code == 0, err
    assert "pass@k, %" in said
    assert "ahead" not in said


def test_different_draws_limit_k_and_it_is_said(rlprobe, table):
    rows = [(*row[:2], 16 if row[0] == "a" else 8, *row[3:]) for row in COUNTS]
    code, said, _ = rlprobe("passk", table(rows), "--out", rlprobe.tmp_path / "out")
    assert code == 0
    assert "Problems have from 8 to 16 draws of base: k goes up to 8." in said


def test_a_problem_of_one_model_is_left_out_by_name(rlprobe, table):
    file = table(COUNTS[:-1])
    code, said, err = rlprobe("passk", file, "--out", rlprobe.tmp_path / "out")
    assert (code, "1 problems were left out" in err) == (3, True)
    assert "left out of the comparison: 1 (no counts of rl)" in " ".join(said.split())
    assert rlprobe("passk", file, "--out", rlprobe.tmp_path / "out", "--max-failed", 1)[0] == 0


def test_a_model_between_tells_a_plateau_from_growth(rlprobe, table):
    rows = [(f"q{i}", model, 8, c) for i in range(60) for model, c in (("old", 0), ("mid", 8), ("new", 8))]
    file = table(rows, columns=("problem_id", "model", "n", "c"))
    asked = ("passk", file, "--base", "old", "--rl", "new", "--margin", 0.2, "--overwrite", "--json")
    two = json.loads(rlprobe(*asked, "--out", rlprobe.tmp_path / "out")[1])["regimes"][0]
    three = json.loads(rlprobe(*asked, "--between", "mid", "--out", rlprobe.tmp_path / "out")[1])["regimes"][0]
    assert (two["regime"], three["regime"]) == ("sustained", "plateau")
    assert three["late"]["value"] == 0


@pytest.mark.parametrize(
    ("rows", "arguments", "says"),
    [
        ([("a", "base", 4, 5, "x")], (), "c is 5 and n is 4"),
        ([("a", "base", 4, -1, "x")], (), "c is -1; a count is from 0 up"),
        ([("a", "base", 4, 1, "x")] * 2, (), "is there for 'base' already"),
        ([], (), "is empty: it holds no row"),
        (COUNTS, ("--k", 9), "k is 9, and some problem has 8 draws"),
        (COUNTS, ("--k", 0), "--k is 0: it is at least 1"),
        (COUNTS, ("--base", "teacher", "--rl", "rl"), "no model 'teacher': it has base, rl"),
        (COUNTS, ("--base", "rl", "--rl", "rl"), "name one model twice"),
        (COUNTS, ("--between", "rl"), "give --base and --rl with it"),
        ([(*row[:1], row[1] + "-7B", *row[2:]) for row in COUNTS], (), "which model is the base?"),
        ([*COUNTS, ("a", "late", 8, 8, "easy")], (), "which model is the base?"),
        (COUNTS, ("--margin", "nan"), "margin"),
        (COUNTS, ("--families", "none.csv"), "none.csv"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(rlprobe, table, rows, arguments, says, monkeypatch):
    monkeypatch.chdir(rlprobe.tmp_path)
    file = table(rows)
    code, said, err = rlprobe("passk", file, *arguments)
    assert (code, said, err.count("\n")) == (2, "", 1), err
    assert says in err
    assert list(rlprobe.tmp_path.iterdir()) == [file]


def test_what_is_no_table_and_no_run_is_refused(rlprobe, monkeypatch):
    monkeypatch.chdir(rlprobe.tmp_path)
    assert "neither a run directory nor a table" in rlprobe("passk", "nothing")[2]
    (rlprobe.tmp_path / "empty").mkdir()
    assert "no run directory" in rlprobe("passk", "empty")[2]
    (rlprobe.tmp_path / "counts.txt").write_text("1")
    code, _, err = rlprobe("passk", "counts.txt")
    assert (code, err.count("\n")) == (2, 1)
