"""Commands on runs that were damaged, shared, cut off from writing or put together by somebody else."""

import json
import shutil

import pytest
from making import contents
from synthetic_run import make_run
from withheld import without_write_access

from rlprobe import runs, storage
from rlprobe.commands.progress import Reporter
from rlprobe.commands.report import page_of, report
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import BadInput
from rlprobe.reporting.page.chunks import FOLDER
from rlprobe.reporting.page.page import NAME
from rlprobe.results import read
from rlprobe.runs import Shard
from rlprobe.settings import ReportSettings

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("finished") / "run", problems=8, length=20, arms=())


@pytest.fixture
def run(finished, tmp_path):
    shutil.copytree(finished.path, tmp_path / "run")
    return runs.read(tmp_path / "run")


# ---- the same command makes it again ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kept", [0, 20, -1])
def test_the_settings_of_a_grader_that_were_cut_short_are_written_again(rlprobe, kept):
    (file,) = rlprobe.finished().glob("grades/*/settings.json")
    before = file.read_bytes()
    file.write_bytes(before[:kept])
    assert rlprobe.disagree()[0] == 0
    assert file.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["rollouts/rl", "tokens/base", "grades/*/rl", "problems.parquet", "tokenizer"])
def test_what_disagree_finds_damaged_it_makes_again(rlprobe, layer):
    run = rlprobe.finished()
    before = contents(run)
    (place,) = run.glob(layer)
    file = place if place.is_file() else max(place.glob("*[!6]"), key=lambda file: file.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)
    code, _, err = rlprobe.disagree()
    assert code == 0, err
    assert "was damaged; it was moved aside and made again" in " ".join(err.split())
    assert contents(run) == before
    assert rlprobe.disagree()[2].count("was damaged") == 0


@pytest.mark.slow
def test_a_tokenizer_that_is_half_there_changes_no_verdict(rlprobe):
    run = rlprobe.finished()
    before = contents(run)
    shutil.rmtree(run / "grades")
    (run / "tokenizer/tokenizer.json").unlink()
    code, _, err = rlprobe("grade", run)
    assert (code, err.count("\n")) == (1, 1)
    assert "tokenizer is damaged (tokenizer.json was changed, added or taken away)" in err
    assert rlprobe.disagree()[0] == 0
    assert contents(run) == before


def test_a_command_on_a_run_of_another_kind_is_refused_by_name(rlprobe):
    out = rlprobe.tmp_path / "run"
    assert rlprobe("weights", "--base", rlprobe.base, "--rl", rlprobe.rl, "--out", out)[0] == 0
    code, _, err = rlprobe.disagree()
    assert (code, err.splitlines()[-1].startswith("rlprobe: ")) == (2, True)
    assert "holds another run" in err


# ---- shared, read-only, put together by somebody ---------------------------------------------------------------------


@pytest.mark.slow
def test_a_finished_run_is_read_without_write_access(run, rlprobe):
    report(ReportSettings(run=run.path), QUIET)
    with without_write_access(run.path) as path:
        code, out, err = rlprobe("direction", path, "--json")
        assert (code, json.loads(out)["about"]) == (0, run.about), err
        code, out, err = rlprobe("direction", path)
        assert (code, "not written: " in out) == (0, True)
        assert page_of(path) == path / NAME
        assert len(read(path).tokens) > 100
        assert read(path).view("p0000", "rl").passage.shown_ids
        code, _, err = rlprobe("report", path)
        assert (code, err.splitlines()[-1].count("is read-only; copy the run first")) == (1, 1)


@pytest.mark.parametrize("command", ["direction", "grade", "report", "view", "lens", "merge"])
@pytest.mark.parametrize(
    ("name", "text"),
    [("run.json", "[]"), ("run.json", '{"schema_version": 1, "identity": {}, "about": {}}'), ("run.json", "{")],
)
def test_every_command_refuses_what_is_no_run_of_its_schema_in_one_line(run, rlprobe, command, name, text):
    (run.path / name).write_text(text)
    arguments = [rlprobe.tmp_path / "out", run.path] if command == "merge" else [run.path]
    code, out, err = rlprobe(command, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "schema version 1, this rlprobe writes 2" in err or "is not what rlprobe writes" in err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("summary.json", "[]"),
        ("summary.json", "{"),
        ("summary.json", '{"reading": {"colour": 1}}'),
        ("summary.json", '{"grader": 7}'),
        ("interventions.json", '{"specs": [{"title": "x"}]}'),
        ("interventions.json", "null"),
    ],
)
def test_foreign_summaries_are_refused_in_one_line(run, rlprobe, name, text):
    (run.path / name).write_text(text)
    code, _, err = rlprobe("report", run.path)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{name} is not what rlprobe writes" in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["interventions.json", "sample.json", "signals.json", "signals-dir.json"])
@pytest.mark.parametrize("text", ["[]", "{}", '{"specs": [{}], "ends": {}, "draws": 1}', '{"suffix": 1}'])
def test_grading_again_refuses_foreign_summaries_in_one_line(run, rlprobe, name, text):
    (run.path / name).write_text(text)
    code, _, err = rlprobe("grade", run.path)
    assert (code, err.splitlines()[-1].startswith("rlprobe: ")) == (2, True)
    assert f"{name} is not what rlprobe writes" in err


def test_other_peoples_files_in_a_run_are_left_alone(run, rlprobe):
    (run.path / "notes.json").write_text("mine")
    (run.path / "grades/notes").mkdir()
    (run.path / "grades/notes/settings.json").write_text("[]")
    assert rlprobe("report", run.path)[0] == 0
    assert (run.path / "notes.json").read_text() == "mine"


def test_a_page_shows_nothing_from_outside_of_the_run(run, rlprobe, tmp_path):
    (tmp_path / "secret").write_text('{"columns": ["a"], "rows": [["secret"]]}')
    (run.path / "tables/secret.json").symlink_to(tmp_path / "secret")
    for command in ("report", "view"):
        code, _, err = rlprobe(command, run.path)
        assert (code, err.splitlines()[-1].count("leads out of")) == (2, 1)
    with pytest.raises(BadInput, match="leads out of"):
        _ = read(run.path).tables["secret"]
    (run.path / "tables/secret.json").unlink()
    (run.path / NAME).symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match="leads out of"):
        page_of(run.path)


# ---- the page, and the grader that a summary names -------------------------------------------------------------------


def test_a_page_with_missing_or_foreign_chunks_is_not_fresh(run):
    page, *chunks = report(ReportSettings(run=run.path, limit=1), QUIET)
    assert len(chunks) > 0
    assert page_of(run.path) == page
    content = chunks[0].read_bytes()
    for harm in (chunks[0].unlink, lambda: chunks[0].write_bytes(content[:-1])):
        harm()
        assert page_of(run.path) is None
        chunks[0].write_bytes(content)
        assert page_of(run.path) == page
    (run.path / FOLDER / "9999.js").write_text("rlprobeChunks({});\n")
    assert page_of(run.path) is None


def test_a_page_killed_between_its_files_is_not_there(run, monkeypatch):
    report(ReportSettings(run=run.path, limit=1), QUIET)
    write = runs.Run.write_text

    def killed(self, name, text):
        if name == NAME:
            raise KeyboardInterrupt
        return write(self, name, text)

    with monkeypatch.context() as patch:
        patch.setattr(runs.Run, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            report(ReportSettings(run=run.path, limit=1), QUIET)
    assert page_of(run.path) is None


@pytest.mark.parametrize("changed", ["summary", "shard", "grades"])
def test_a_page_is_of_what_the_run_holds_now(run, changed):
    report(ReportSettings(run=run.path), QUIET)
    assert page_of(run.path) is not None
    if changed == "summary":
        run.write_json("summary.json", {"reading": {"class_k": 9}})
    elif changed == "shard":
        run.write_shard("tokens", Shard("rl", 8, 9), run.read_shard("tokens", run.shards("tokens", "rl")[0]))
    else:
        run.write_json("grades/made/settings.json", {"answer": "last", "timeout_s": 9})
    assert page_of(run.path) is None


@pytest.mark.slow
def test_every_summary_names_the_grader_of_its_verdicts(rlprobe):
    run = rlprobe.finished()
    pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--dataset")
    small = ("--out", run, "--max-new-tokens", 30, "--shard-size", 3, "--answer", "first")
    assert rlprobe("intervene", *pair, rlprobe.problems(), *small, "--mode", "oracle")[0] == 0
    assert rlprobe("flips", *pair, rlprobe.problems(), *small, "--most-trials", 1)[0] == 0
    keys = {}
    for name in ("summary", "interventions", "flips"):
        grader = json.loads((run / f"{name}.json").read_text())["grader"]
        keys[name] = grader.pop("key")
        assert grader["answer"] == ("last" if name == "summary" else "first")
    assert keys["interventions"] == keys["flips"] != keys["summary"]
    assert {f"grades/{key}" for key in keys.values()} == {x for x in runs.read(run).layers() if x.startswith("grades/")}
    before = read(run).grades
    (run / f"grades/{keys['interventions']}/settings.json").touch()  # the youngest file says nothing
    assert read(run).grades.equals(before)
    assert layer_of(runs.read(run)) == f"grades/{keys['summary']}"


def test_without_a_summary_one_grader_is_taken_and_of_several_none(run):
    (run.path / "summary.json").unlink()
    assert layer_of(run) == "grades/made"
    run.write_shard("grades/other", Shard("rl", 0, 8), run.read_shard("grades/made", Shard("rl", 0, 8)))
    with pytest.raises(BadInput, match="has the verdicts of 2 graders, and no summary"):
        layer_of(run)


def test_a_digest_is_what_sha256sum_says(run):
    for file in run.files("tokens/*/*.parquet"):
        assert storage.digest_file(file).read_text() == f"{storage.sha256(file)}  {file.name}\n"
