"""`rlprobe report` and `rlprobe view` on finished runs: what is in the page, and what is refused in one line."""

import json
import os
import re
import shutil
import threading
import urllib.error
import urllib.request
import zlib
from base64 import b64decode

import click
import pytest
from synthetic_run import make_run

from rlprobe import runs
from rlprobe.analysis.classes import classify
from rlprobe.commands import serving
from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import page_of, report
from rlprobe.reporting.page.chunks import FOLDER
from rlprobe.settings import ReportSettings

ARM = "entropy_above(0.6) x donor_argmax x base"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("report") / "run", problems=40, length=30, arms=(ARM,))
    spec = {"name": ARM, "mode": "entropy", "label": "entropy 0.6", "seed": None, "host": "base", "spec": ARM}
    run.write_json("interventions.json", {"specs": [spec], "ends": {"base": "base", "rl": "rl"}, "draws": 1})
    report(ReportSettings(run=run.path), Reporter(quiet=True))
    return run


def script(run, name):
    html = (run.path / "report.html").read_text()
    return re.search(rf'<script[^>]*id="{name}">(.*?)</script>', html, re.DOTALL)[1]


def chunk(run, name):
    return json.loads(zlib.decompress(b64decode(script(run, f"chunk-{name}")), -15))


def test_a_problem_has_every_response_with_its_ids_and_verdict(run):
    head, words = json.loads(script(run, "head")), chunk(run, "lexicon")
    assert [arm["label"] for arm in head["arms"]] == ["base", "RL", "entropy 0.6"]
    assert len(head["problems"]) == 40
    rollouts = run.table("rollouts").to_pandas().set_index(["problem_id", "arm"])
    grades = run.table("grades/made").to_pandas().set_index(["problem_id", "arm"])
    for i in (0, 31, 32, 39):
        responses = chunk(run, f"p{i}")["responses"]
        assert [r["arm"] for r in responses] == [0, 1, 2]
        for r in responses:
            key = (f"p{i:04d}", head["arms"][r["arm"]]["name"])
            assert [words["ids"][n] for n in r["ids"]] == rollouts.loc[key, "response_ids"].tolist()
            assert r["status"] == grades.loc[key, "status_last"]
            edited = (rollouts.loc[key, "response_ids"] != rollouts.loc[key, "host_ids"]).nonzero()[0]
            assert r["host"][0] == edited.tolist()
            assert ("table" in r) == (r["arm"] < 2)


def test_the_list_counts_classes_as_the_analysis_does(run):
    head = json.loads(script(run, "head"))
    tokens = run.table("tokens").to_pandas()
    classes = classify(tokens, 5)
    for n, arm in enumerate(("base", "rl")):
        for name, at in (("reranked", 0), ("shifted", 1)):
            counted = (classes == name)[tokens["arm"] == arm].groupby(tokens["problem_id"]).sum()
            assert [line["classes"][n][at] for line in head["problems"]] == counted.tolist()


def test_one_trajectory_leaves_the_other_ones_tables_out(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    report(ReportSettings(run=tmp_path / "run", trajectory="rl"), Reporter(quiet=True))
    run = type(run)(tmp_path / "run", {}, {})
    assert json.loads(script(run, "head"))["trajectories"] == ["rl"]
    assert ["table" in r for r in chunk(run, "p0")["responses"]] == [False, True, False]


def test_a_page_over_the_limit_has_files_beside_it_and_old_ones_go(run, tmp_path):
    shutil.copytree(run.path, tmp_path / "run")
    page, *beside = report(ReportSettings(run=tmp_path / "run", limit=10_000), Reporter(quiet=True))
    assert beside
    assert all(file.parent.name == FOLDER for file in beside)
    assert 'id="chunk-' not in page.read_text()
    report(ReportSettings(run=tmp_path / "run"), Reporter(quiet=True))
    assert not (tmp_path / "run" / FOLDER).exists()


def test_the_same_run_gives_the_same_bytes(run):
    before = (run.path / "report.html").read_bytes()
    report(ReportSettings(run=run.path), Reporter(quiet=True))
    assert (run.path / "report.html").read_bytes() == before


def test_the_command_says_where_the_page_is(rlprobe, run):
    code, out, _ = rlprobe("report", run.path)
    assert code == 0
    assert re.fullmatch(rf"written to {re.escape(str(run.path))}: report\.html \(\d\.\d MB\)\n", out)


@pytest.mark.slow
def test_a_real_run_gets_its_page(rlprobe):
    assert rlprobe.disagree("--limit", 4)[0] == 0
    code, _, err = rlprobe("report", rlprobe.tmp_path / "run")
    assert code == 0, err
    html = (rlprobe.tmp_path / "run" / "report.html").read_text()
    assert "Where they disagree" in html
    assert "data:image/png;base64," in html
    assert str(rlprobe.tmp_path) not in re.sub(r"<dd>.*?</dd>", "", html)  # but for the settings, which name the models


def test_what_is_no_run_is_refused_in_one_line(rlprobe, tmp_path):
    for command in ("report", "view"):
        code, out, err = rlprobe(command, tmp_path / "nothing")
        assert (code, out) == (2, "")
        assert "is no run directory" in err
        assert err.count("\n") == 1


def test_a_run_without_tokens_is_refused_in_one_line(rlprobe, run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "tokens" / "rl")
    code, _, err = rlprobe("report", tmp_path / "copy", "--trajectory", "rl")
    assert code == 2
    assert "no token table of rl's text, but of base" in err
    shutil.rmtree(tmp_path / "copy" / "tokens")
    code, _, err = rlprobe("report", tmp_path / "copy")
    assert code == 2
    assert "has no token tables; run `rlprobe disagree" in err
    assert err.count("\n") == 1


def test_a_run_without_its_tokenizer_is_refused_in_one_line(rlprobe, run, tmp_path):
    shutil.copytree(run.path, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "tokenizer")
    code, _, err = rlprobe("report", tmp_path / "copy")
    assert code == 2
    assert "without its tokenizer" in err


def test_view_opens_the_page_and_writes_it_only_when_the_run_is_newer(rlprobe, run, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(click, "launch", lambda url: opened.append(url) or 0)
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "report.html").unlink()
    for wrote in (True, False):
        code, _, err = rlprobe("view", tmp_path / "copy")
        assert code == 0
        assert ("written to" in err) == wrote
    assert opened == [(tmp_path / "copy" / "report.html").as_uri()] * 2
    os.utime(tmp_path / "copy" / "report.html", (0, 0))
    assert page_of(tmp_path / "copy") is not None, "nothing is guessed from a file's age"
    runs.read(tmp_path / "copy").write_text("tables/classes.json", '{"columns": ["a"], "rows": [["another table"]]}')
    assert page_of(tmp_path / "copy") is None


def test_view_writes_the_page_anew_when_another_trajectory_is_asked_for(rlprobe, run, tmp_path, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(click, "launch", lambda url: 0)
    shutil.copytree(run.path, tmp_path / "copy")
    (tmp_path / "copy" / "report.html").unlink()
    head = '<meta name="rlprobe-trajectories" content="{}">'
    asked = [((), "base rl"), (("--trajectory", "base"), "base"), ((), "base"), (("--trajectory", "both"), "base rl")]
    for number, (options, shown) in enumerate(asked):
        code, _, err = rlprobe("view", tmp_path / "copy", *options)
        assert code == 0
        assert ("written to" in err) == (number != 2), "without --trajectory the page that is there will do"
        assert head.format(shown) in (tmp_path / "copy" / "report.html").read_text()
    code, _, err = rlprobe("view", tmp_path / "copy", "--trajectory", "both")
    assert "written to" not in err


def test_a_port_that_is_taken_is_refused_in_one_line(rlprobe, run):
    with serving.server(run.path / "report.html") as server:
        code, _, err = rlprobe("view", run.path, "--serve", "--port", server.server_port)
    assert code == 2
    assert "give another --port" in err


@pytest.fixture
def address(run):
    with serving.server(run.path / "report.html") as server:
        thread = threading.Thread(target=serving.until_interrupted, args=(server,))
        thread.start()
        yield serving.address(server)
        server.shutdown()
        thread.join()


def test_the_server_gives_the_page_to_this_machine_and_nothing_else_of_the_run(run, address):
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as answer:
        assert answer.read() == (run.path / "report.html").read_bytes()
    for name in ("run.json", "../run/report.html", "tokens/", "report-tokens/9999.js", "%2e%2e/run.json"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(address + name)


def test_the_server_refuses_other_names_of_itself(address):
    request = urllib.request.Request(address, headers={"Host": "evil.example:80"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
