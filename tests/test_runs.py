"""The run directory: identity, shards, damage, sharing and a full disk."""

import errno
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlprobe import runs
from rlprobe.errors import BadInput, OtherRun, RlprobeError
from rlprobe.records import GRADE_SCHEMA, Problem
from rlprobe.runs import Run, Shard
from rlprobe.settings import Share

LAYER = "grades/0"


def problems(n: int) -> list[Problem]:
    return [Problem(f"p{i}", f"question\t{i}", str(i), "test") for i in range(n)]


def grades(shard: Shard) -> pa.Table:
    rows = [
        {"arm": shard.arm, "problem_id": f"p{i}", "draw": 0, "status_last": "correct"}
        for i in range(shard.start, shard.stop)
    ]
    return pa.Table.from_pylist(rows, schema=GRADE_SCHEMA)


def make_run(path, n=10, identity=None):
    run = runs.create_or_resume(path, identity or {"pair": {"base": "a"}, "threads": 2}, {"pair": "tiny"})
    run.extend(problems(n), {"p1": "too long"} if n > 1 else {})
    return run


def fill(run, arm="base", block=4, share=runs.ALL, draws=1):
    for shard in run.missing(LAYER, arm, block, share, draws=draws):
        run.write_shard(LAYER, shard, grades(shard))
    return run


def test_what_was_written_is_read_again(tmp_path):
    fill(make_run(tmp_path / "run"))
    run = runs.read(tmp_path / "run")
    assert run.problems() == problems(10)
    assert run.left_out() == {"p1": "too long"}
    assert run.table(LAYER)["problem_id"].to_pylist() == [f"p{i}" for i in range(10)]
    assert run.table(LAYER, ["draw"]).column_names == ["draw"]
    assert run.arms(LAYER) == ["base"]
    assert run.missing(LAYER, "base", 4) == []


def test_what_is_not_asked_for_of_a_layer_is_not_read(tmp_path, monkeypatch):
    run = fill(make_run(tmp_path / "run"))
    for shard in (Shard("base", 0, 4, 1), Shard("rl", 0, 4), Shard("x", 0, 4)):
        rows = [{**row, "arm": shard.arm, "draw": shard.draw} for row in run.table(LAYER).slice(0, 4).to_pylist()]
        run.write_shard(LAYER, shard, pa.Table.from_pylist(rows, schema=run.table(LAYER).schema))
    read, whole = [], Run.read_shard
    monkeypatch.setattr(
        Run, "read_shard", lambda run, layer, shard, *of: read.append(shard) or whole(run, layer, shard, *of)
    )
    found = run.table(LAYER, ["arm", "draw"], arms=("rl", "base", "nobody"), draws=1)
    assert {(shard.arm, shard.draw) for shard in read} == {("base", 0), ("rl", 0)}
    assert found.to_pylist() == [{"arm": "base", "draw": 0}] * 10 + [{"arm": "rl", "draw": 0}] * 4
    assert run.table(LAYER, ["arm", "draw"], arms=("base",)).num_rows == 14
    assert run.table(LAYER, arms=()).num_rows == 0


def test_a_larger_limit_adds_only_what_is_missing(tmp_path):
    run = fill(make_run(tmp_path / "run", 10))
    run.extend(problems(14), {})
    assert run.missing(LAYER, "base", 4) == [Shard("base", 10, 12), Shard("base", 12, 14)]
    run.extend(problems(3), {})
    assert len(run.problems()) == 14


def test_more_draws_add_shards_beside_those_of_fewer(tmp_path):
    run = make_run(tmp_path / "run", 6)
    assert [shard.draw for shard in run.missing(LAYER, "base", 4, draws=2)] == [0, 0, 1, 1]
    fill(run)
    assert run.missing(LAYER, "base", 4, draws=2) == [Shard("base", 0, 4, 1), Shard("base", 4, 6, 1)]
    for shard in run.missing(LAYER, "base", 4, draws=2):
        run.write_shard("grades/1", shard, grades(shard))
    assert run.lacking(LAYER, "grades/1", "base") == run.shards("grades/1", "base")
    assert next(shard.file_name for shard in run.shards("grades/1", "base")) == "000000-000004.draw-001.parquet"
    run.extend(problems(7), {})
    assert run.missing("grades/1", "base", 4, draws=2)[2:] == [Shard("base", 6, 7, 1)]


def test_a_cut_shard_of_one_draw_leaves_the_others_alone(tmp_path):
    run = fill(make_run(tmp_path / "run", 4), draws=3)
    file = run.path / LAYER / "base" / Shard("base", 0, 4, 2).file_name
    file.write_bytes(b"")
    assert run.missing(LAYER, "base", 4, draws=3) == [Shard("base", 0, 4, 2)]


def test_what_a_killed_process_left_is_no_shard(tmp_path):
    run = fill(make_run(tmp_path / "run", 4))
    (run.path / LAYER / "base" / ".000000-000004.parquet.part.parquet").write_bytes(b"PAR1")
    assert run.shards(LAYER, "base") == [Shard("base", 0, 4)]


def test_shares_are_disjoint(tmp_path):
    whole = fill(make_run(tmp_path / "whole", 30), draws=2)
    parts = [fill(make_run(tmp_path / f"part{i}", 30), share=Share(i, 3), draws=2) for i in range(3)]
    shards = [shard for part in parts for shard in part.shards(LAYER, "base")]
    assert sorted(shards) == whole.shards(LAYER, "base")


def test_another_identity_is_refused_by_name(tmp_path):
    make_run(tmp_path / "run")
    with pytest.raises(OtherRun, match=r'pair\.base is "a", this one\'s is "b"'):
        make_run(tmp_path / "run", identity={"pair": {"base": "b"}, "threads": 2})
    with pytest.raises(OtherRun, match=r"threads is 2, this one's is 4"):
        make_run(tmp_path / "run", identity={"pair": {"base": "a"}, "threads": 4})
    content = json.loads((tmp_path / "run" / "run.json").read_text()) | {"schema_version": 99}
    (tmp_path / "run" / "run.json").write_text(json.dumps(content))
    with pytest.raises(OtherRun, match="schema version 99"):
        runs.read(tmp_path / "run")


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("important")
    with pytest.raises(BadInput, match="is no run directory"):
        runs.create_or_resume(tmp_path, {}, {})
    with pytest.raises(BadInput, match="is no run directory"), runs.writing(tmp_path, {}, {}, overwrite=True):
        pass
    with pytest.raises(BadInput, match=r"no run\.json"):
        runs.read(tmp_path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["important"]


@pytest.mark.parametrize("kept", [0, 3, 200])
def test_a_shard_cut_short_is_named_moved_aside_and_missing_again(tmp_path, kept):
    run = fill(make_run(tmp_path / "run"))
    shard = run.shards(LAYER, "base")[1]
    file = run.path / LAYER / "base" / shard.file_name
    whole = file.read_bytes()
    file.write_bytes(whole[:kept])
    assert run.missing(LAYER, "base", 4) == [shard]
    assert run.broken == [f"{LAYER}/base/{shard.file_name}"]
    fill(run)
    assert file.read_bytes() == whole
    assert [json.loads(line)["event"] for line in (run.path / "log.jsonl").read_text().splitlines()] == ["broken_shard"]


def test_reading_a_damaged_shard_says_which(tmp_path):
    run = fill(make_run(tmp_path / "run"))
    file = run.path / LAYER / "base" / run.shards(LAYER, "base")[0].file_name
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RlprobeError, match=r"000000-000004\.parquet is damaged"):
        run.table(LAYER)


def test_a_full_disk_ends_in_one_line_and_loses_nothing_finished(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run")
    first, second, *_ = run.missing(LAYER, "base", 4)
    run.write_shard(LAYER, first, grades(first))
    write_table = pq.write_table

    def full_disk(table, where, **kwargs):
        write_table(table.slice(0, 1), where, **kwargs)  # something lands before the disk is full
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(pq, "write_table", full_disk)
        with pytest.raises(RlprobeError, match=r"No space left on device.*free some space.*run the same command again"):
            run.write_shard(LAYER, second, grades(second))
    assert run.shards(LAYER, "base") == [first]
    digests = {f"_{shard.file_name}.sha256" for shard in (first, second)}
    assert {f.name for f in (run.path / LAYER / "base").iterdir()} <= {first.file_name, *digests}
    assert len(fill(run).table(LAYER)) == 10


def test_two_processes_do_not_write_one_run(tmp_path):
    run = make_run(tmp_path / "run")
    with run.locked(), pytest.raises(BadInput, match="another process"), runs.read(run.path).locked():
        pass


def test_a_missing_number_is_null_and_nan_is_an_error(tmp_path):
    run = make_run(tmp_path / "run")
    assert json.loads(run.write_json("summary.json", {"rate": None}).read_text()) == {"rate": None}
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_json("summary.json", {"rate": float("nan")})
