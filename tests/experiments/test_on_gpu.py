"""The script for a GPU, in its CPU mode: every part runs, identities hold, and a part that fails is told."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from experiments import on_gpu
from experiments.on_gpu import Report, Row, main, run, small

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("on_gpu") / "table.md"
    result = CliRunner().invoke(main, ["--device", "cpu", "--out", str(out)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return out


@pytest.fixture(scope="module")
def rows(written):
    return [json.loads(line) for line in written.with_suffix(".jsonl").read_text().splitlines()]


def test_every_part_runs_and_none_fails(rows):
    assert [row for row in rows if row["what"] == "failed"] == []
    assert [row["part"] for row in rows if row["what"] == "time"] == list(on_gpu.parts_of(small(CPU)))


def test_identities_hold_and_the_engine_says_what_lockstep_says(rows):
    checked = [row for row in rows if row["part"] in ("identities, float32", "engine = lock-step, float32")]
    assert len(checked) == 6 + len(on_gpu.CHECKED) + 1
    assert {row["measured"].split()[0] for row in checked} == {"0", "0.0%"}


def test_the_dual_pass_of_a_cpu_is_that_of_a_cpu(rows):
    found = [r for r in rows if r["part"] == "dual pass, float32" and r["what"].removeprefix("plain: ") in on_gpu.SEEN]
    assert [float(row["measured"].split()[0]) for row in found] == [0.0] * len(on_gpu.SEEN)


def test_both_files_hold_every_row_and_say_whose_numbers_they_are(written, rows):
    text = written.read_text()
    assert f"- torch: {torch.__version__}" in text
    assert sum(line.startswith("| ") for line in text.splitlines()) == len(rows) + 1  # and its head
    assert all(row["torch"].startswith(torch.__version__) for row in rows)


def test_a_part_that_fails_keeps_what_it_had_measured_and_the_next_one_runs(monkeypatch, tmp_path):
    def breaks(_setting):
        yield Row("breaks", "first", "1")
        raise RuntimeError("CUDA error: an illegal memory access\nand more")

    def works(_setting):
        yield Row("works", "second", "2")

    monkeypatch.setattr(on_gpu, "parts_of", lambda _: {"breaks": breaks, "works": works})
    report = Report(tmp_path / "t.md", {})
    run(small(CPU), report)
    told = [(row.part, row.what, row.measured) for row in report.rows if row.what != "time"]
    failure = "RuntimeError: CUDA error: an illegal memory access"
    assert told == [("breaks", "first", "1"), ("breaks", "failed", failure), ("works", "second", "2")]


def test_a_size_for_which_no_time_is_left_is_named_and_not_run(tmp_path):
    setting = small(CPU)
    object.__setattr__(setting, "deadline", 0.0)
    report = Report(tmp_path / "t.md", {})
    run(setting, report, "dual")
    assert (report.rows[0].what, report.rows[0].measured) == ("left out", "not run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_it_says_so_in_a_line(tmp_path):
    result = CliRunner().invoke(main, ["--out", str(tmp_path / "t.md")])
    assert result.exit_code == 2
    assert "give --device cpu" in result.output


def test_what_the_page_shows_of_a_gpu_stands_in_the_table_that_was_measured():
    root = Path(__file__).parents[2]
    measured = (root / "figures" / "on_gpu.md").read_text(encoding="utf-8").splitlines()
    page = (root / "docs" / "performance.md").read_text(encoding="utf-8").splitlines()
    shown = [line for line in page if line.startswith(("| dual pass, ", "| interventions, "))]
    assert len(shown) > 20
    assert set(shown) <= set(measured)
