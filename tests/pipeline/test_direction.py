"""`rlprobe direction` from the command line, on a finished run of the tiny pair."""

import json
import subprocess
import sys

import numpy as np
import pytest

from rlprobe import runs


@pytest.fixture
def run(rlprobe):
    return rlprobe.finished()


@pytest.mark.slow
def test_direction_reads_a_run_and_writes_its_summary_tables_and_figures(rlprobe, run):
    code, out, err = rlprobe("direction", run, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert summary == json.loads((run / "direction.json").read_text())
    tokens = runs.read(run).table("tokens").to_pandas()
    assert {arm: text["tokens"] for arm, text in summary["texts"].items()} == tokens["arm"].value_counts().to_dict()
    whole = next(
        r for r in summary["distributions"] if (r["text"], r["split"], r["delta_of"]) == ("rl", "all", "token")
    )
    rows = tokens[tokens["arm"] == "rl"]
    assert whole["mean"]["value"] == pytest.approx(np.mean(rows["logprob_rl"].astype(float) - rows["logprob_base"]))
    words = [w for text in summary["texts"].values() for side in text["words"].values() for w in side]
    written = dict(zip(tokens["token_id"], tokens["token"], strict=True))
    assert all(word["token"] == written[word["token_id"]] for word in words)
    for name in ("figures/direction.png", "figures/signals.csv", "tables/tails.md", "tables/authorship.csv"):
        assert (run / name).stat().st_size
    for table in (run / "tables").glob("*.csv"):
        assert "nan" not in table.read_text().lower().replace("quantity", ""), table


@pytest.mark.slow
def test_direction_says_what_a_reader_needs_first(rlprobe, run):
    code, out, err = rlprobe("direction", run)
    assert code == 0, err
    assert "Δ log p of the token present" in out
    assert "by construction" in out


def test_direction_needs_no_torch(run):
    script = "import sys; import rlprobe.commands.direction; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.slow
def test_a_run_without_rls_text_is_read_and_says_what_it_lacks(rlprobe):
    assert rlprobe.disagree("--trajectory", "base")[0] == 0
    code, out, err = rlprobe("direction", rlprobe.tmp_path / "run")
    assert code == 0, err
    assert "the run has no text of rl" in out
    assert "nan" not in out


def test_what_is_no_run_or_holds_no_text_is_refused_in_one_line(rlprobe, tmp_path):
    code, _, err = rlprobe("direction", tmp_path / "nothing")
    assert (code, err.count("\n")) == (2, 1)
    assert "no run directory" in err
    runs.create_or_resume(tmp_path / "empty", {}, {})
    code, _, err = rlprobe("direction", tmp_path / "empty")
    assert (code, err.count("\n")) == (2, 1)
    assert "rlprobe disagree" in err


@pytest.mark.parametrize("tail", ["0", "-1", "nan"])
def test_a_tail_that_is_none_is_refused(rlprobe, run, tail):
    code, _, err = rlprobe("direction", run, "--tail", tail)
    assert code == 2
    assert "tail" in err
