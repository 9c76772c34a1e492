"""Files on disk: whole or absent, as they were written or refused, and nothing outside of the run."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from withheld import without_write_access

from rlprobe import runs, storage
from rlprobe.errors import BadInput, Damaged, OtherRun, RlprobeError
from rlprobe.records import GRADE_SCHEMA, ROLLOUT_SCHEMA, Problem
from rlprobe.runs import Shard

LAYER = "grades/0"
SHARD = Shard("base", 0, 4)


def problems(n=8):
    return [Problem(f"p{i}", f"question {i}", str(i), "test") for i in range(n)]


def verdicts(shard=SHARD):
    rows = [
        {"arm": shard.arm, "problem_id": f"p{i}", "draw": shard.draw, "status_last": "correct", "answer_last": f"{i}"}
        for i in range(shard.start, shard.stop)
    ]
    return pa.Table.from_pylist(rows, schema=GRADE_SCHEMA)


@pytest.fixture
def run(tmp_path):
    found = runs.create_or_resume(tmp_path / "run", {"pair": "a"}, {"pair": "tiny"})
    found.extend(problems(), {})
    found.keep_tokenizer(lambda folder: [(folder / name).write_text(name) for name in ("tokenizer.json", "vocab.txt")])
    found.write_shard(LAYER, SHARD, verdicts())
    return found


def file_of(run, shard=SHARD):
    return run.path / LAYER / shard.arm / shard.file_name


# ---- damage ----------------------------------------------------------------------------------------------------------


def test_every_flipped_bit_of_a_shard_is_found(run):
    file = file_of(run)
    whole = file.read_bytes()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        file.write_bytes(changed)
        with pytest.raises(Damaged, match=r"000000-000004\.parquet is damaged .*run the command that made it again"):
            run.read_shard(LAYER, SHARD)
    file.write_bytes(whole)
    assert run.read_shard(LAYER, SHARD).equals(verdicts())


def test_every_truncation_of_a_shard_is_found(run):
    file = file_of(run)
    whole = file.read_bytes()
    for kept in range(len(whole)):
        file.write_bytes(whole[:kept])
        with pytest.raises(Damaged):
            run.read_shard(LAYER, SHARD)


def test_a_shard_without_its_digest_or_with_another_is_damaged(run):
    beside = storage.digest_file(file_of(run))
    written = beside.read_text()
    swapped = [written[:i] + chr(ord(written[i]) ^ 1) + written[i + 1 :] for i in range(len(written))]
    for text in ("", "0" * 64 + "\n", "\x00\xff", *(written[:i] for i in range(len(written))), *swapped):
        beside.write_text(text)
        with pytest.raises(Damaged, match="its digest is not the one in _000000-000004"):
            run.read_shard(LAYER, SHARD)
    beside.unlink()
    with pytest.raises(Damaged):
        run.read_shard(LAYER, SHARD)


def test_damage_after_the_first_reading_is_found_by_the_checksums_of_pages(run):
    run.read_shard(LAYER, SHARD)
    file = file_of(run)
    state, whole = file.stat(), bytearray(file.read_bytes())
    column = pq.read_metadata(file).row_group(0).column(1)  # problem_id: its dictionary comes first
    whole[column.dictionary_page_offset + column.total_compressed_size - 2] ^= 1
    with pytest.raises(OSError, match=r"(?i)crc|checksum|corrupt"):
        pq.read_table(pa.BufferReader(bytes(whole)), page_checksum_verification=True)
    file.write_bytes(whole)
    seen = (str(file.resolve()), file.stat().st_ino, state.st_size, file.stat().st_mtime_ns, file.stat().st_ctime_ns)
    storage._checked.add(seen)  # as if the disk had changed under the same times
    with pytest.raises(Damaged, match=r"(?i)crc|checksum|corrupt"):
        run.read_shard(LAYER, SHARD)
    with pytest.raises(Damaged):
        run.table(LAYER, ["problem_id"])


def test_a_digest_is_computed_once_a_process(run, monkeypatch):
    taken = []
    digest = storage.sha256
    monkeypatch.setattr(storage, "sha256", lambda file: taken.append(file) or digest(file))
    fresh = runs.read(run.path)
    for _ in range(3):
        fresh.read_shard(LAYER, SHARD)
        fresh.missing(LAYER, "base", 4)
    assert len([file for file in taken if file.name == SHARD.file_name]) <= 1


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (Shard("rl", 0, 4), '"arm": "rl"'),
        (Shard("base", 4, 8), '"start": 4'),
        (Shard("base", 0, 4, 1), '"draw": 1'),
    ],
)
def test_a_neighbours_shard_is_refused(run, there, said):
    run.write_shard(LAYER, there, verdicts(there))
    shutil.copy(file_of(run, there), file_of(run))
    digest = storage.digest_file(file_of(run, there)).read_text()
    storage.digest_file(file_of(run)).write_text(digest.replace(there.file_name, SHARD.file_name))
    with pytest.raises(Damaged, match=said):
        run.read_shard(LAYER, SHARD)


def test_a_shard_of_another_layer_or_run_is_refused(run, tmp_path):
    run.write_shard("grades/1", SHARD, verdicts())
    other = runs.create_or_resume(tmp_path / "other", {"pair": "b"}, {})
    other.write_shard(LAYER, SHARD, verdicts())
    for source in (run.path / "grades/1/base" / SHARD.file_name, file_of(other)):
        storage.copy_table(source, file_of(run))
        with pytest.raises(Damaged, match="should be"):
            run.read_shard(LAYER, SHARD)
        assert run.missing(LAYER, "base", 4, among=4) == [SHARD]


def test_a_shard_that_lacks_a_column_is_refused_by_its_name(run):
    key = {
        "layer": LAYER,
        "arm": "base",
        "start": 0,
        "stop": 4,
        "draw": 0,
        "identity": storage.digest_of({"pair": "a", "problems": {}}),
    }
    storage.write_table(file_of(run), verdicts().drop_columns(["status_last"]), key)
    with pytest.raises(Damaged, match="it lacks the column status_last"):
        run.read_shard(LAYER, SHARD)


def test_what_is_read_and_written_again_has_the_same_bytes(run):
    before = file_of(run).read_bytes()
    read = run.read_shard(LAYER, SHARD)
    file_of(run).unlink()
    run.write_shard(LAYER, SHARD, pa.concat_tables([read.slice(0, 1), read.slice(1)]))
    assert file_of(run).read_bytes() == before


def test_a_folder_of_shards_is_still_a_data_set_for_others(run):
    assert ds.dataset(run.path / LAYER / "base").to_table().num_rows == 4
    assert len(pq.read_table(run.path / LAYER / "base", partitioning=None)) == 4


def test_a_table_that_grows_is_whole_at_every_moment_of_a_kill(run, monkeypatch):
    replace = os.replace

    def killed(source, target):
        if Path(target).name == "problems.parquet":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            run.extend(problems(12), {})
    assert len(runs.read(run.path).problems()) == 8, "the new digest is there, the old table still good"
    run.extend(problems(12), {})
    assert len(runs.read(run.path).problems()) == 12


def test_damaged_problems_are_made_again_or_it_is_said_how_many_are_needed(run):
    file = run.path / "problems.parquet"
    before = file.read_bytes()
    file.write_bytes(before[:100])
    with pytest.raises(Damaged, match=r"problems\.parquet is damaged"):
        run.problems()
    run.extend(problems(), {})
    assert file.read_bytes() == before
    assert run.broken == ["problems.parquet"]
    run.write_shard("rollouts", Shard("base", 0, 8), ROLLOUT_SCHEMA.empty_table())
    file.write_bytes(before[:100])
    with pytest.raises(RlprobeError, match="has responses to 8 problems: run the same command with --limit 8"):
        run.extend(problems(3), {})


# ---- the tokenizer's folder ------------------------------------------------------------------------------------------


def test_a_tokenizer_killed_half_way_is_not_there(tmp_path):
    run = runs.create_or_resume(tmp_path / "run", {}, {})

    def killed(folder):
        (folder / "tokenizer_config.json").write_text("{}")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.keep_tokenizer(killed)
    assert not (run.path / "tokenizer").exists()
    run.keep_tokenizer(lambda folder: (folder / "tokenizer.json").write_text("whole"))
    assert (run.tokenizer_folder / "tokenizer.json").read_text() == "whole"
    assert not (run.tokenizer_folder / "tokenizer_config.json").exists()


@pytest.mark.parametrize("harm", ["flip", "cut", "gone", "more", "unsummed", "cut sums"])
def test_a_tokenizer_that_was_changed_is_refused_and_made_again(run, harm):
    folder, file = run.path / "tokenizer", run.path / "tokenizer/vocab.txt"
    {
        "flip": lambda: file.write_text("vocab.txu"),
        "cut": lambda: file.write_text("voc"),
        "gone": file.unlink,
        "more": lambda: (folder / "added_tokens.json").write_text("{}"),
        "unsummed": (folder / storage.SUMS).unlink,
        "cut sums": lambda: (folder / storage.SUMS).write_text((folder / storage.SUMS).read_text()[:-1]),
    }[harm]()
    with pytest.raises(Damaged, match="tokenizer is damaged"):
        _ = run.tokenizer_folder
    run.keep_tokenizer(lambda folder: (folder / "tokenizer.json").write_text("again"))
    assert (run.tokenizer_folder / "tokenizer.json").read_text() == "again"
    assert run.broken == ["tokenizer"]


# ---- run.json and other JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '"x"', "{}", '{"schema_version": 3}', "[" * 100_000, "\x00"]
)
def test_a_run_json_of_another_shape_is_refused_in_one_line(run, text):
    (run.path / "run.json").write_text(text)
    with pytest.raises(BadInput, match=r"run\.json is not what rlprobe writes .*give another --out, or --overwrite"):
        runs.read(run.path)


def test_every_flipped_bit_and_truncation_of_run_json_is_found_or_mended(run):
    file = run.path / "run.json"
    whole = file.read_bytes()
    harmed = [whole[:kept] for kept in range(len(whole))]
    harmed += [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(len(whole))]
    found = 0
    for content in harmed:
        file.write_bytes(content)
        try:
            read = runs.read(run.path)
        except BadInput:
            found += 1
        else:
            assert (read.identity, read.about) == (run.identity, run.about), "white space, at most"
            runs.create_or_resume(run.path, run.identity, run.about)
            assert file.read_bytes() == whole
    assert found > 0.9 * len(harmed)


@pytest.mark.parametrize(
    ("version", "words"), [(1, r"rlprobe 0\.1 reads it"), (99, "another rlprobe made it"), ([], "another rlprobe")]
)
def test_a_run_of_another_schema_is_refused_with_the_version_that_reads_it(run, version, words):
    (run.path / "run.json").write_text(json.dumps({"schema_version": version, "identity": {}, "about": {}}))
    with pytest.raises(OtherRun, match=rf"schema version .*, this rlprobe writes 3; give another --out \({words}"):
        runs.read(run.path)


@pytest.mark.parametrize("text", ["", "[]", '{"specs": 3}', '{"specs": [{"name": "x"}]}', "{" * 9, "\udcff"])
def test_foreign_json_is_refused_in_one_line(run, text):
    (run.path / "interventions.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(BadInput, match=r"interventions\.json is not what rlprobe writes") as error:
        run.read_json("interventions.json", lambda found: [spec["label"] for spec in found["specs"]])
    assert "\n" not in str(error.value)


# ---- a run that was killed at its start; locks ----------------------------------------------------------------------


def test_a_folder_killed_before_its_first_run_json_can_be_used_again(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    for name in (".lock", ".run.json.part.json", ".tokenizer.part"):
        (path / name).write_text("{")
    with runs.writing(path, {"pair": "a"}, {}) as run:
        assert run.identity == {"pair": "a"}
    assert runs.read(path).identity == {"pair": "a"}


def test_a_refused_second_process_changes_nothing(run, tmp_path):
    def state():
        return {f: (f.read_bytes(), f.stat().st_mtime_ns) for f in run.path.rglob("*") if f.is_file()}

    for overwrite in (False, True):
        with run.locked():
            before = state()
            with pytest.raises(BadInput, match="another process"), runs.writing(run.path, {"pair": "a"}, {}, overwrite):
                pytest.fail("this is never reached")
            assert state() == before
    inner = runs.create_or_resume(run.path / "signals/calibration", {"half": 0}, {})
    with inner.locked(), pytest.raises(BadInput, match="another process"), runs.writing(run.path, {}, {}, True):
        pytest.fail("this is never reached")
    assert file_of(run).exists()


def test_overwriting_deletes_what_is_there_and_nothing_else(run, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (run.path / "link").symlink_to(tmp_path)
    with runs.writing(run.path, {"pair": "b"}, {}, overwrite=True) as anew:
        assert {file.name for file in anew.path.iterdir()} == {".lock", "run.json"}
    assert (tmp_path / "kept").read_text() == "kept"


def test_folders_are_synced_after_a_rename(tmp_path, monkeypatch):
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    storage.write(tmp_path / "a/b/c.txt", lambda path: path.write_text("x"))
    assert synced[0] == str(tmp_path), "a is new in it"
    assert synced[1] == str(tmp_path / "a")
    assert synced[-1] == str(tmp_path / "a/b"), "the rename, last of all"


# ---- symbolic links, and a run that can only be read -----------------------------------------------------------------


def test_symbolic_links_are_not_followed_out_of_a_run(run, tmp_path):
    secret = tmp_path / "secret.md"
    secret.write_text("| a |\n| --- |\n| secret |\n")
    (run.path / "tables").mkdir()
    (run.path / "tables/x.md").symlink_to(secret)
    with pytest.raises(BadInput, match=r"tables/x\.md leads out of .*secret\.md: such a symbolic link is not followed"):
        run.files("tables/*.md")
    (run.path / "figures").symlink_to(tmp_path)
    with pytest.raises(BadInput, match="leads out of"):
        run.write_text("figures/y.csv", "x")
    assert not (tmp_path / "y.csv").exists()
    outside = tmp_path / "outside"
    shutil.move(file_of(run).parent, outside)
    file_of(run).parent.symlink_to(outside)
    with pytest.raises(BadInput, match="leads out of"):
        run.shards(LAYER, "base")
    (run.path / "loop").symlink_to(run.path / "loop")
    with pytest.raises(BadInput, match="leads nowhere"):
        run.file("loop/x")


def test_symbolic_links_within_a_run_and_to_it_are_followed(run, tmp_path):
    (tmp_path / "name").symlink_to(run.path)
    assert runs.read(tmp_path / "name").read_shard(LAYER, SHARD).num_rows == 4
    shutil.move(file_of(run).parent, run.path / "moved")
    file_of(run).parent.symlink_to(run.path / "moved")
    assert run.read_shard(LAYER, SHARD).num_rows == 4


def test_reading_a_run_needs_no_write_access(run):
    with without_write_access(run.path) as path:
        with pytest.raises(PermissionError):
            (path / "probe").touch()
        found = runs.read(path)
        with found.locked():
            assert found.read_shard(LAYER, SHARD).num_rows == 4
            assert found.missing(LAYER, "base", 4, among=4) == []
        with runs.writing(path, {"pair": "a"}, {}) as again:
            again.extend(problems(), {})
            again.keep_tokenizer(lambda folder: pytest.fail("it is there"))
        with pytest.raises(RlprobeError, match="is read-only; copy the run first"):
            found.write_text("tables/x.md", "x")
        with pytest.raises(RlprobeError, match="cannot write"), runs.writing(path / "new/run", {}, {}):
            pass


def test_a_file_that_may_not_be_read_is_not_called_damaged(run, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(storage, "sha256", refused)
    storage._checked.clear()
    with pytest.raises(RlprobeError, match=r"cannot read .*Permission denied.*make it readable") as error:
        run.missing(LAYER, "base", 4)
    assert not isinstance(error.value, Damaged)
    assert file_of(run).exists()


def test_runs_are_read_and_written_by_storage_alone():
    """No other file of the package opens Parquet for itself, but for data sets and responses of others."""
    package = Path(runs.__file__).parent
    users = {f.relative_to(package).as_posix() for f in package.rglob("*.py") if "pyarrow.parquet" in f.read_text()}
    assert users <= {"storage.py", "problems/datasets.py", "problems/responses.py"}


def test_importing_runs_takes_no_torch():
    code = "import sys, rlprobe.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
