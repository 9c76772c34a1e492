"""The run directory: the one reader and writer of results. Knows identity, shards and resuming; knows no models.

    RUN/
      run.json              schema version, identity (another identity is refused by name) and what to call things
      problems.parquet      the problems this run is about, in order
      tokenizer/            so that a run is read, graded again and shown without its models
      rollouts/ARM/START-STOP.parquet         one shard: problems START..STOP-1 of one arm; of a draw above 0 it is
                                              START-STOP.draw-DRAW.parquet, so that more draws only add files
      tokens/ARM/START-STOP.parquet           the token table of the same rollouts
      grades/GRADER/ARM/START-STOP.parquet    verdicts; GRADER is the hash of the grader's settings and of the golds
      flips/GRADER/...                          single flips, their placebos, and the sets of edits that answers need
      consequences/GRADER/...                   RL's text with the base's token at one place
      weights/change/...                      what RL changed, tensors START..STOP-1
      low_rank/on_MEMBER/PART/...             what the base with part of RL's change says along a member's text
      summary.json, interventions.json, flips.json, tables/, figures/        written anew by each command
      learned/DIGEST.json   the weights behind the arms learned_above(τ, DIGEST)
      signals/HALF/         a run of its own on half of the problems; `merge` leaves it where it is
      log.jsonl             what happened (halved batches, broken shards), in order; never read back

A shard is whole or absent under its own name, carries its key (layer, arm, problems, draw, identity) and stands beside
the digest of its bytes (storage.py). Its content is a function of its key and the identity alone, hence a killed run
that is resumed, and one whose damaged shards were made again, end in the same bytes.
"""

import json
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, unquote

import pyarrow as pa

from rlprobe import storage
from rlprobe.errors import BadInput, Damaged, OtherRun, RlprobeError
from rlprobe.records import (
    DONOR_IDS,
    GRADE_SCHEMA,
    LOW_RANK_SCHEMA,
    OUTSIDE,
    PROBLEM_SCHEMA,
    ROLLOUT_SCHEMA,
    TOKEN_SCHEMA,
    WEIGHT_SCHEMA,
    Problem,
    rollout_schema,
    token_schema,
)
from rlprobe.settings import ALL, Share

SCHEMA_VERSION = 3
READ_BY = {1: "0.1"}  # schema version -> the rlprobe that reads it, where this one does not
INSIDE = "signals"  # the folder of runs inside a run
SCHEMAS = {  # layer, up to its first / -> the columns of its shards
    "rollouts": ROLLOUT_SCHEMA,
    "tokens": TOKEN_SCHEMA,
    "grades": GRADE_SCHEMA,
    "weights": WEIGHT_SCHEMA,
    "low_rank": LOW_RANK_SCHEMA,
}

_PROBLEMS = "problems.parquet"
Parsed = TypeVar("Parsed")


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


@dataclass
class Run:
    """An open run directory. Make one with `writing`, `create_or_resume` or `read`."""

    path: Path
    identity: dict[str, Any]
    about: dict[str, Any]
    broken: list[str] = field(default_factory=list)  # what was moved aside since this run was opened
    made_on: Sequence[Mapping[str, str]] = ()  # the cards that its shards are computed on from now on; of a CPU nothing

    # ---- problems and the tokenizer ----------------------------------------------------------------------------------

    def extend(self, problems: Sequence[Problem], left_out: Mapping[str, str]) -> None:
        """Add the problems that the run does not hold yet; `problems` starts with those that it holds.

        `left_out` says why some have no rollouts: problem_id -> reason. A table of problems that is damaged or gone is
        made again; raises RlprobeError where `problems` are fewer than the run has responses to.
        """
        try:
            there = len(self.problems())
        except Damaged:
            self._set_aside(_PROBLEMS)
            there = 0
        shards = [shard for arm in self.arms("rollouts") for shard in self.shards("rollouts", arm)]
        answered = max((shard.stop for shard in shards), default=0)
        if there < answered and len(problems) < answered:
            raise RlprobeError(
                f"{self.path / _PROBLEMS} is damaged or gone, and the run has responses to {answered} problems: "
                f"run the same command with --limit {answered}, which makes it again"
            )
        if len(problems) > there:
            self._write_problems(problems, left_out)

    def replace_golds(self, problems: Sequence[Problem], golds: str, about: Mapping[str, Any]) -> None:
        """Give the run's problems other golds, and its identity their digest; responses and shards stay as they are.

        `problems` are those of the run. Interrupted in between, the table of problems is of other golds than the run.
        """
        left_out = self.left_out()
        self.identity["problems"] = {**self.identity["problems"], "golds": golds}
        self.about.update(about)
        self._write_problems(problems, left_out)
        self.write_identity()

    def _write_problems(self, problems: Sequence[Problem], left_out: Mapping[str, str]) -> None:
        rows = [{**asdict(p), "left_out": left_out.get(p.problem_id)} for p in problems]
        table = pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA)
        storage.write_table(self._writable(_PROBLEMS), table, self._problem_key)

    def write_identity(self) -> None:
        """Write run.json."""
        content = {"schema_version": SCHEMA_VERSION, "identity": self.identity, "about": self.about}
        self.keep_json("run.json", {**content, "sha256": storage.digest_of(content)})

    def problems(self) -> list[Problem]:
        """The problems of the run, in order."""
        return [Problem(**{k: v for k, v in row.items() if k != "left_out"}) for row in self._problem_rows()]

    def problems_of(self, shard: Shard) -> list[Problem]:
        """The problems of a shard, in order."""
        return self.problems()[shard.start : shard.stop]

    def left_out(self) -> dict[str, str]:
        """The problems that have no rollouts, and why."""
        return {row["problem_id"]: row["left_out"] for row in self._problem_rows() if row["left_out"]}

    def _problem_rows(self) -> list[dict[str, Any]]:
        file = self.file(_PROBLEMS)
        return storage.read_table(file, self._problem_key, PROBLEM_SCHEMA).to_pylist() if file.exists() else []

    @property
    def _problem_key(self) -> dict[str, Any]:
        golds = self.identity.get("problems", {}).get("golds")
        return {"layer": "problems", "identity": self._identity_digest, "golds": golds}

    def keep_tokenizer(self, save: Callable[[Path], Any]) -> None:
        """Have `save` write the tokenizer's files, unless they are there and as they were written."""
        if self.file("tokenizer").exists():
            try:
                storage.check_folder(self.file("tokenizer"))
                return
            except Damaged:
                self._set_aside("tokenizer")
        storage.write_folder(self._writable("tokenizer"), save)

    @property
    def tokenizer_folder(self) -> Path:
        """Where the tokenizer's files lie. Raises BadInput where they do not, Damaged where they were changed."""
        folder = self.file("tokenizer")
        if not folder.is_dir():
            raise BadInput(f"{folder} is not there: the run can be neither graded nor shown without its tokenizer")
        storage.check_folder(folder)
        return folder

    # ---- shards ------------------------------------------------------------------------------------------------------

    def missing(
        self, layer: str, arm: str, block: int, share: Share = ALL, among: int | None = None, draws: int = 1
    ) -> list[Shard]:
        """The shards of a layer that are still to be made: what no whole shard covers, cut at multiples of `block`.

        Of the first `among` problems, or of all that the run holds: a smaller --limit must not make shards of problems
        that it did not ask for. One draw after the other, 0..draws-1; all draws of a problem belong to one share. A
        shard that is damaged is named, moved aside and counted as missing.
        """
        self._set_broken_aside(layer, arm)
        total, there = len(self.problems()) if among is None else among, self.shards(layer, arm)
        blocks = [start for number, start in enumerate(range(0, total, block)) if share.has(number)]
        wanted = [Shard(arm, start, min(start + block, total), draw) for draw in range(draws) for start in blocks]
        return [gap for shard in wanted for gap in gaps(shard, there)]

    def lacking(self, layer: str, of: str, arm: str, source: "Run | None" = None) -> list[Shard]:
        """The shards of an arm in layer `of` (of `source`, else of this run) that `layer` has no whole one for."""
        self._set_broken_aside(layer, arm)
        return sorted(set((source or self).shards(of, arm)) - set(self.shards(layer, arm)))

    def shards(self, layer: str, arm: str) -> list[Shard]:
        """The shards of a layer that exist, in order of their problems and, within that, of their draws."""
        files = self.file(f"{layer}/{_safe(arm)}").glob("*-*.parquet")
        return sorted(shard for file in files if (shard := Shard.named(arm, file.name)))

    def write_shard(self, layer: str, shard: Shard, table: pa.Table) -> None:
        """Write one shard, whole or not at all."""
        schema = _whole_schema(layer, {*table.column_names})
        table = (table if schema is None else table.cast(schema)).combine_chunks()
        made_on = () if layer.startswith("grades/") else self.made_on  # no model says what is right
        storage.write_table(self._writable(self._name(layer, shard)), table, self._key(layer, shard), made_on)

    def read_shard(self, layer: str, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """One shard, all its columns or some. Raises Damaged if it is not what was written."""
        file, key = self.file(self._name(layer, shard)), self._key(layer, shard)
        return storage.read_table(file, key, _schema(layer), columns, optional=(DONOR_IDS, *OUTSIDE))

    def check_shard(self, layer: str, shard: Shard) -> Path:
        """The file of a shard. Raises Damaged if it is not what was written."""
        file = self.file(self._name(layer, shard))
        storage.check_table(file, self._key(layer, shard), _schema(layer))
        return file

    def take_shard(self, layer: str, shard: Shard, of: "Run") -> None:
        """Copy a whole shard of a run of the same identity, byte for byte."""
        storage.copy_table(of.check_shard(layer, shard), self._writable(self._name(layer, shard)))

    def cards(self) -> list[str]:
        """What the run's shards were computed on, in words, where that was a GPU."""
        shards = [(layer, s) for layer in self.layers() for arm in self.arms(layer) for s in self.shards(layer, arm)]
        found = (storage.made_on(self.file(self._name(layer, shard))) for layer, shard in shards)
        return sorted({" and ".join(", ".join(card.values()) for card in cards) for cards in found if cards})

    def arms(self, layer: str) -> list[str]:
        """The arms that a layer has shards of."""
        folder = self.file(layer)
        folders = folder.iterdir() if folder.is_dir() else ()
        return sorted(unquote(arm.name) for arm in folders if any(arm.glob("*-*.parquet")))

    def layers(self) -> list[str]:
        """The layers that have shards, but not those of the runs inside this one."""
        inner = {INSIDE, *(file.parent.name for file in self.path.glob("*/run.json"))}
        found = {file.parent.parent.relative_to(self.path) for file in self.files("*/**/*-*.parquet")}
        return sorted(layer.as_posix() for layer in found if layer.parts[:1] and layer.parts[0] not in inner)

    def table(
        self,
        layer: str,
        columns: Sequence[str] | None = None,
        arms: Collection[str] | None = None,
        draws: int | None = None,
    ) -> pa.Table:
        """A layer, in order of arm, shard and draw: all its columns or some, of all arms or some, and of every draw or

        of 0..draws-1. What is not asked for is not read; an arm or a problem that the layer lacks has no row.
        """
        asked = [arm for arm in self.arms(layer) if arms is None or arm in arms]
        shards = [shard for arm in asked for shard in self.shards(layer, arm) if draws is None or shard.draw < draws]
        parts = [self.read_shard(layer, shard, columns) for shard in shards]
        if parts:
            return pa.concat_tables(parts, promote_options="default")  # null where a shard has no such column
        return (_schema(layer) or GRADE_SCHEMA).empty_table()

    def _name(self, layer: str, shard: Shard) -> str:
        return f"{layer}/{_safe(shard.arm)}/{shard.file_name}"

    def _key(self, layer: str, shard: Shard) -> dict[str, Any]:
        return {"layer": layer, **asdict(shard), "identity": self._identity_digest}

    @cached_property
    def _identity_digest(self) -> str:
        """Of all that responses and their numbers depend on: golds can be replaced, and shards are then as good."""
        problems = {name: it for name, it in self.identity.get("problems", {}).items() if name != "golds"}
        return storage.digest_of({**self.identity, "problems": problems})

    def _set_broken_aside(self, layer: str, arm: str) -> None:
        for shard in self.shards(layer, arm):
            try:
                self.check_shard(layer, shard)
            except Damaged:
                self._set_aside(self._name(layer, shard))

    def _set_aside(self, name: str) -> None:
        storage.move_aside(self._writable(name))
        self.broken.append(name)
        self.log("broken_shard", file=name)

    # ---- everything else ---------------------------------------------------------------------------------------------

    def file(self, name: str) -> Path:
        """A path in the run. Raises BadInput where a symbolic link leads out of it."""
        return storage.inside(self.path, name)

    def files(self, pattern: str) -> list[Path]:
        """The files of the run that a pattern finds, in order. Raises BadInput as `file`."""
        return [self.file(str(f.relative_to(self.path))) for f in sorted(self.path.glob(pattern)) if f.is_file()]

    def read_json(self, name: str, parse: Callable[[Any], Parsed]) -> Parsed:
        """What a JSON file of the run says to `parse`. Raises BadInput where it has another shape."""
        return storage.read_json(self.file(name), parse)

    def write_json(self, name: str, content: Any) -> Path:
        """A JSON file; a missing number is null, and nan is an error."""
        return self.write_text(name, _json(content))

    def keep_json(self, name: str, content: Any) -> None:
        """The same, unless the file is there and says just this."""
        self.keep_text(name, _json(content))

    def keep_text(self, name: str, text: str) -> None:
        """Write a text file, unless it is there and says just this."""
        file = self.file(name)
        if not file.is_file() or file.read_bytes() != text.encode("utf-8", "backslashreplace"):
            self.write_text(name, text)

    def write_text(self, name: str, text: str) -> Path:
        """A text file, whole or not at all; half a character, as a file name can have, is escaped as in JSON."""
        return self.write_with(name, lambda file: file.write_text(text, encoding="utf-8", errors="backslashreplace"))

    def write_bytes(self, name: str, content: bytes) -> Path:
        """A binary file, whole or not at all."""
        return self.write_with(name, lambda file: file.write_bytes(content))

    def write_with(self, name: str, write: Callable[[Path], Any]) -> Path:
        """A file that somebody else's function writes, whole or not at all."""
        file = self._writable(name)
        storage.write(file, write)
        return file

    def remove(self, name: str) -> None:
        """Delete a file or a folder, if it is there."""
        storage.delete(self._writable(name))

    def log(self, event: str, **details: Any) -> None:
        """Append one event to log.jsonl."""
        storage.append(self._writable("log.jsonl"), json.dumps({"event": event, **details}) + "\n")

    @property
    def is_writable(self) -> bool:
        """Whether something can be added to the run; what is in it can be read in any case."""
        return storage.is_writable(self.path)

    def _writable(self, name: str) -> Path:
        if not self.is_writable:
            raise RlprobeError(f"cannot write {self.path / name}: {self.path} is read-only; copy the run first")
        return self.file(name)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the run for writing. Raises BadInput if another process holds it."""
        return storage.held(self.path)


@contextmanager
def writing(path: Path, identity: dict[str, Any], about: dict[str, Any], overwrite: bool = False) -> Iterator[Run]:
    """A run as `create_or_resume` gives it, held for writing; one that is there is deleted first with `overwrite`.

    Raises BadInput if another process holds it, in which nothing is then changed.
    """
    refuse_foreign(path)
    if not path.exists():
        storage.make_folder(path)
    with storage.held(path):
        if overwrite:
            _delete(path)
        yield create_or_resume(path, identity, about)


def create_or_resume(path: Path, identity: dict[str, Any], about: dict[str, Any]) -> Run:
    """A new run, or one of the same identity, for a caller that holds it. Raises OtherRun at the first difference."""
    refuse_foreign(path)
    if (path / "run.json").exists():
        run = read(path)
        refuse_other(path, run.identity, identity)
    else:
        run = Run(path, *json.loads(json.dumps([identity, about])))
        storage.make_folder(path)
    run.write_identity()  # of a run that is gone on with the same bytes, whatever white space its file has lost
    return run


def read(path: Path) -> Run:
    """Open a run that exists. Raises OtherRun for one of another schema version, BadInput for what is none."""
    file = storage.inside(path, "run.json")
    if not file.is_file():
        raise BadInput(f"{path} is no run directory: it has no run.json")

    def parse(content: Any) -> Run:
        if content["schema_version"] != SCHEMA_VERSION:
            raise _other_version(path, content["schema_version"])
        if content.pop("sha256") != storage.digest_of(content):
            raise ValueError("its content is not what was written")
        return Run(path, content["identity"], content["about"])

    return storage.read_json(file, parse, cure="give another --out, or --overwrite to start anew")


def _other_version(path: Path, version: Any) -> OtherRun:
    reader = READ_BY.get(version) if isinstance(version, int) else None
    return OtherRun(
        f"{path} has schema version {version}, this rlprobe writes {SCHEMA_VERSION}; give another --out "
        f"({f'rlprobe {reader} reads it' if reader else 'another rlprobe made it'})"
    )


def refuse_foreign(path: Path) -> None:
    """Raise BadInput for what is there and neither a run nor what is left of one that was killed at its start."""
    if not path.exists() or (path / "run.json").exists():
        return
    if not path.is_dir() or not all(map(storage.left_by_a_kill, path.iterdir())):
        raise BadInput(f"{path} exists and is no run directory; give another --out")


def _delete(path: Path) -> None:
    """Empty a run that is held, its run.json last; the runs inside it have to be free as well."""
    with ExitStack() as inner:
        for folder, _, files in os.walk(path):  # which follows no symbolic links
            if "run.json" in files and Path(folder) != path:
                inner.enter_context(storage.held(Path(folder)))
        for entry in sorted(path.iterdir(), key=lambda entry: entry.name == "run.json"):
            if entry.name != storage.LOCK:
                storage.delete(entry)


def refuse_other(path: Path, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Raise OtherRun at the first setting in which two identities differ."""
    if found := first_difference(there, here):
        name, a, b = found
        cure = "--any-threads to go on all the same" if name == "threads" else "--overwrite to start anew"
        raise OtherRun(f"{path} holds another run: its {name} is {a}, this one's is {b}; give another --out, or {cure}")


def first_difference(there: dict[str, Any], here: dict[str, Any]) -> tuple[str, str, str] | None:
    """The first setting in which two identities (or parts of them) differ, with both values in short; else None."""
    a, b = flat(there), flat(json.loads(json.dumps(here)))
    names = (name for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name))
    return next(((name, _short(a.get(name)), _short(b.get(name))) for name in names), None)


def flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """An identity, or part of one, as its settings by their dotted names."""
    if not isinstance(tree, dict) or not tree:
        return {prefix: tree}
    return {k: v for name, part in tree.items() for k, v in flat(part, f"{prefix}.{name}" if prefix else name).items()}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def gaps(wanted: Shard, shards: Sequence[Shard]) -> list[Shard]:
    """The parts of a shard that no other of its draw covers."""
    start, found = wanted.start, []
    for shard in shards:
        if shard.draw == wanted.draw and start < shard.stop and shard.start < wanted.stop:
            if shard.start > start:
                found.append(replace(wanted, start=start, stop=shard.start))
            start = max(start, shard.stop)
    if start < wanted.stop:
        found.append(replace(wanted, start=start))
    return found


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _safe(arm: str) -> str:
    """An arm's name as a folder name; `unquote` is the way back."""
    return quote(arm, safe="-_.=,+() ")


def _schema(layer: str) -> pa.Schema | None:
    """The columns that a shard must have."""
    return SCHEMAS.get(layer.partition("/")[0])


def _whole_schema(layer: str, there: set[str]) -> pa.Schema | None:
    """The same with those that it may have."""
    if layer == "tokens":
        return token_schema({*OUTSIDE} <= there)
    return rollout_schema(DONOR_IDS in there) if layer == "rollouts" else _schema(layer)
