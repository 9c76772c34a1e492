"""The run directory: the one reader and writer of results. Knows identity, shards and resuming; knows no models.

    RUN/
      run.json              schema version, identity (another identity is refused by name) and what to call things
      problems.parquet      the problems this run is about, in order
      tokenizer/            so that a run is read, graded again and shown without its models
      rollouts/ARM/START-STOP.parquet         one shard: problems START..STOP-1 of one arm; of a draw above 0 it is
                                              START-STOP.draw-DRAW.parquet, so that more draws only add files
      tokens/ARM/START-STOP.parquet           the token table of the same rollouts
      grades/GRADER/ARM/START-STOP.parquet    verdicts; GRADER is the hash of the grader's settings
      flips/GRADER/...                          single flips, and the sets of edits that answers need
      weights/change/...                      what RL changed, tensors START..STOP-1
      low_rank/on_MEMBER/PART/...             what the base with part of RL's change says along a member's text
      summary.json, interventions.json, flips.json, tables/, figures/        written anew by each command
      signals/HALF/         a run of its own on half of the problems; `merge` leaves it where it is
      log.jsonl             what happened (halved batches, broken shards), in order; never read back

A shard is written under a temporary name, synced and renamed, so under its own name it is whole or absent. Its content
is a function of its key and the identity alone, hence a killed run that is resumed ends in the same bytes.
"""

import errno
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pyarrow as pa
import pyarrow.parquet as pq

from rlprobe.errors import BadInput, OtherRun, RlprobeError
from rlprobe.records import GRADE_SCHEMA, PROBLEM_SCHEMA, ROLLOUT_SCHEMA, TOKEN_SCHEMA, Problem

SCHEMA_VERSION = 1
INSIDE = "signals"  # the folder of runs inside a run


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """One draw of problems start..stop-1 of one arm: the unit of work, of resuming and of sharing it between machines.

    Greedy responses are draw 0; a file of responses made elsewhere has all of its draws in there.
    """

    arm: str
    start: int
    stop: int
    draw: int = 0

    @property
    def file_name(self) -> str:
        """`named` is the way back."""
        draw = f".draw-{self.draw:03d}" if self.draw else ""
        return f"{self.start:06d}-{self.stop:06d}{draw}.parquet"

    @classmethod
    def named(cls, arm: str, file_name: str) -> "Shard | None":
        """The shard that a file holds; None for a file that is none, such as one that a killed process left."""
        found = re.fullmatch(r"(\d+)-(\d+)(?:\.draw-(\d+))?\.parquet", file_name)
        return cls(arm, *(int(number or 0) for number in found.groups())) if found else None


@dataclass(frozen=True, slots=True)
class Share:
    """Machine `index` of `count`: it computes the blocks of problems whose number is `index` modulo `count`."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """From "i/n", counted from 1. Raises BadInput for anything else."""
        index, _, count = text.partition("/")
        if not (re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text) and 1 <= int(index) <= int(count)):
            raise BadInput(f"{text!r} is not of the form i/n with 1 <= i <= n, for example 2/8")
        return cls(int(index) - 1, int(count))

    def has(self, block: int) -> bool:
        """Whether this machine computes a block."""
        return block % self.count == self.index


ALL = Share()


@dataclass
class Run:
    """An open run directory. Make one with `create_or_resume` or `read`."""

    path: Path
    identity: dict[str, Any]
    about: dict[str, Any]
    broken: list[str] = field(default_factory=list)  # shards moved aside since this run was opened

    # ---- problems ----------------------------------------------------------------------------------------------------

    def extend(self, problems: Sequence[Problem], left_out: Mapping[str, str]) -> None:
        """Add the problems that the run does not hold yet; `problems` starts with those that it holds.

        `left_out` says why some have no rollouts: problem_id -> reason.
        """
        if len(problems) > len(self.problems()):
            rows = [{**asdict(p), "left_out": left_out.get(p.problem_id)} for p in problems]
            _write_table(self.path / "problems.parquet", pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA))

    def problems(self) -> list[Problem]:
        """The problems of the run, in order."""
        return [Problem(**{k: v for k, v in row.items() if k != "left_out"}) for row in self._problem_rows()]

    def left_out(self) -> dict[str, str]:
        """The problems that have no rollouts, and why."""
        return {row["problem_id"]: row["left_out"] for row in self._problem_rows() if row["left_out"]}

    def _problem_rows(self) -> list[dict[str, Any]]:
        file = self.path / "problems.parquet"
        return _read_table(file).to_pylist() if file.exists() else []

    # ---- shards ------------------------------------------------------------------------------------------------------

    def missing(
        self, layer: str, arm: str, block: int, share: Share = ALL, among: int | None = None, draws: int = 1
    ) -> list[Shard]:
        """The shards of a layer that are still to be made: what no whole shard covers, cut at multiples of `block`.

        Of the first `among` problems, or of all that the run holds: a smaller --limit must not make shards of problems
        that it did not ask for. One draw after the other, 0..draws-1; all draws of a problem belong to one share. A
        shard that is cut short is named, moved aside and counted as missing.
        """
        self._set_broken_aside(layer, arm)
        total, there = len(self.problems()) if among is None else among, self.shards(layer, arm)
        blocks = [start for number, start in enumerate(range(0, total, block)) if share.has(number)]
        wanted = [Shard(arm, start, min(start + block, total), draw) for draw in range(draws) for start in blocks]
        return [gap for shard in wanted for gap in _gaps(shard, there)]

    def lacking(self, layer: str, of: str, arm: str) -> list[Shard]:
        """The shards of an arm in layer `of` that `layer` has no whole counterpart of."""
        self._set_broken_aside(layer, arm)
        return sorted(set(self.shards(of, arm)) - set(self.shards(layer, arm)))

    def shards(self, layer: str, arm: str) -> list[Shard]:
        """The shards of a layer that exist, in order of their problems and, within that, of their draws."""
        files = (self.path / layer / _safe(arm)).glob("*-*.parquet")
        return sorted(shard for file in files if (shard := Shard.named(arm, file.name)))

    def write_shard(self, layer: str, shard: Shard, table: pa.Table) -> None:
        """Write one shard, whole or not at all."""
        _write_table(self._file(layer, shard), table)

    def read_shard(self, layer: str, shard: Shard, columns: list[str] | None = None) -> pa.Table:
        """One shard, all its columns or some. Raises RlprobeError if it is damaged."""
        return _read_table(self._file(layer, shard), columns)

    def arms(self, layer: str) -> list[str]:
        """The arms that a layer has shards of."""
        folder = self.path / layer
        folders = folder.iterdir() if folder.is_dir() else ()
        return sorted(unquote(arm.name) for arm in folders if any(arm.glob("*-*.parquet")))

    def table(self, layer: str, columns: list[str] | None = None) -> pa.Table:
        """A whole layer, in order of arm, shard and draw; all its columns or some."""
        shards = [shard for arm in self.arms(layer) for shard in self.shards(layer, arm)]
        parts = [_read_table(self._file(layer, shard), columns) for shard in shards]
        if parts:
            return pa.concat_tables(parts)
        return {"rollouts": ROLLOUT_SCHEMA, "tokens": TOKEN_SCHEMA}.get(layer, GRADE_SCHEMA).empty_table()

    def _file(self, layer: str, shard: Shard) -> Path:
        return self.path / layer / _safe(shard.arm) / shard.file_name

    def _set_broken_aside(self, layer: str, arm: str) -> None:
        for shard in self.shards(layer, arm):
            file = self._file(layer, shard)
            try:
                pq.read_metadata(file)
            except (pa.ArrowInvalid, OSError):
                os.replace(file, file.with_suffix(".broken"))
                self.broken.append(str(file.relative_to(self.path)))
                self.log("broken_shard", file=self.broken[-1])

    # ---- everything else ---------------------------------------------------------------------------------------------

    def write_json(self, name: str, content: Any) -> Path:
        """A JSON file; a missing number is null, and nan is an error."""
        return self.write_text(name, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")

    def write_text(self, name: str, text: str) -> Path:
        """A text file, whole or not at all; half a character, as names of files can have, is escaped as JSON does it."""
        return self.write_with(name, lambda file: file.write_text(text, encoding="utf-8", errors="backslashreplace"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """A binary file, whole or not at all."""
        return self.write_with(name, lambda file: file.write_bytes(content))

    def write_with(self, name: str, write: Callable[[Path], Any]) -> Path:
        """A file that somebody else's function writes, whole or not at all."""
        _write(self.path / name, write)
        return self.path / name

    def log(self, event: str, **details: Any) -> None:
        """Append one event to log.jsonl."""
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"event": event, **details}) + "\n")

    @property
    def tokenizer_folder(self) -> Path:
        """Where the tokenizer's files lie."""
        return self.path / "tokenizer"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for writing. Raises BadInput if another process holds it."""
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise BadInput(
                f"{self.path} is being written by another process; wait for it or use another --out"
            ) from None
        try:
            yield
        finally:
            lock.release()


def create_or_resume(path: Path, identity: dict[str, Any], about: dict[str, Any], overwrite: bool = False) -> Run:
    """Open a run for writing: a new one, or one of the same identity. Raises OtherRun, naming the first difference."""
    if overwrite and (path / "run.json").exists():
        shutil.rmtree(path)
    if (path / "run.json").exists():
        run = read(path)
        _refuse_other(path, run.identity, identity)
        return run
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise BadInput(f"{path} exists and is no run directory; give another --out")
    run = Run(path, json.loads(json.dumps(identity)), json.loads(json.dumps(about)))
    run.write_json("run.json", {"schema_version": SCHEMA_VERSION, "identity": identity, "about": about})
    return run


def read(path: Path) -> Run:
    """Open a run that exists."""
    try:
        content = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"{path} is no run directory: it has no run.json") from None
    except json.JSONDecodeError as error:
        raise BadInput(f"{path / 'run.json'} is damaged ({error}); give another --out") from error
    if content.get("schema_version") != SCHEMA_VERSION:
        version = content.get("schema_version")
        raise OtherRun(f"{path} has schema version {version}, this rlprobe writes {SCHEMA_VERSION}; give another --out")
    return Run(path, content["identity"], content["about"])


def merge(path: Path, parts: Sequence[Run]) -> Run:
    """Bring the shards of several runs of one identity together in `path`; their shards are copied, byte for byte."""
    first = parts[0]
    run = create_or_resume(path, first.identity, first.about)
    for part in parts:
        _refuse_other(part.path, part.identity, first.identity)
        run.extend(part.problems(), part.left_out())
        for file in [*_shard_files(part.path), *sorted(part.path.glob("tokenizer/*"))]:
            name = str(file.relative_to(part.path))
            if not (path / name).exists():
                run.write_with(name, partial(shutil.copyfile, file))
    for (layer, _), shards in _by_folder_and_draw(path).items():
        for earlier, later in pairwise(shards):
            if later.start < earlier.stop:
                raise BadInput(f"{layer}: {earlier.file_name} and {later.file_name} overlap; merge runs of one --limit")
    return run


def _shard_files(path: Path) -> list[Path]:
    """Every shard of a run, but not of the runs inside it."""
    return [f for f in sorted(path.glob("*/**/*-*.parquet")) if f.relative_to(path).parts[0] != INSIDE]


def _by_folder_and_draw(path: Path) -> dict[tuple[str, int], list[Shard]]:
    found: dict[tuple[str, int], list[Shard]] = {}
    for file in _shard_files(path):
        if shard := Shard.named(file.parent.name, file.name):
            found.setdefault((str(file.parent.relative_to(path)), shard.draw), []).append(shard)
    return found


def _refuse_other(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Raise OtherRun at the first setting in which two identities differ."""
    if found := first_difference(there, here):
        name, a, b = found
        raise OtherRun(
            f"{path} holds another run: its {name} is {a}, this one's is {b}; "
            "give another --out, or --overwrite to start anew"
        )


def first_difference(there: dict[str, Any], here: dict[str, Any]) -> tuple[str, str, str] | None:
    """The first setting in which two identities (or parts of them) differ, with both values in short; else None."""
    a, b = _flat(there), _flat(json.loads(json.dumps(here)))
    names = (name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name))
    return next(((name, _short(a.get(name)), _short(b.get(name))) for name in names), None)


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    return {k: v for name, part in tree.items() for k, v in _flat(part, f"{prefix}.{name}" if prefix else name).items()}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _gaps(wanted: Shard, shards: Sequence[Shard]) -> list[Shard]:
    """The parts of a shard that no other of its draw covers."""
    start, gaps = wanted.start, []
    for shard in shards:
        if shard.draw == wanted.draw and start < shard.stop and shard.start < wanted.stop:
            if shard.start > start:
                gaps.append(replace(wanted, start=start, stop=shard.start))
            start = max(start, shard.stop)
    if start < wanted.stop:
        gaps.append(replace(wanted, start=start))
    return gaps


def _safe(arm: str) -> str:
    """An arm's name as a folder name; `unquote` is the way back."""
    return quote(arm, safe="-_.=,+() ")


def _read_table(file: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(file, columns=columns, partitioning=None)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RlprobeError(f"{file} is damaged ({reason}); run the command that made it again to replace it") from error


def _write_table(file: Path, table: pa.Table) -> None:
    _write(file, lambda path: pq.write_table(table, path, compression="zstd"))


def _write(file: Path, write: Callable[[Path], Any]) -> None:
    """The one writer: write under a temporary name, sync, rename. A full disk ends the command, not the run."""
    temporary = file.with_name(f".{file.name}.part{file.suffix}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some space" if full else "make it writable"
        raise RlprobeError(
            f"cannot write {file} ({os.strerror(error.errno or 0)}); {cure} and run the same command again: "
            "everything finished before is kept"
        ) from error
