"""Files that outlive a kill and tell of damage: whole or absent, and read as they were written. Knows no runs.

A file is written under a temporary name, synced and renamed, and its folder is synced. Of a Parquet table

    NAME.parquet           the pages carry checksums, the metadata the key: what the table is, and whose
    _NAME.parquet.sha256   the digest of the whole file, newest first where a file was replaced; written before the
                           rename, so that a kill leaves no file without one

and every reader checks the checksums; digest, key and columns it checks the first time it reads the file. A folder
(a tokenizer's) appears in one rename as well; the digests of its files lie in it.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from rlprobe.errors import BadInput, Damaged, RlprobeError

Parsed = TypeVar("Parsed")

LOCK = ".lock"
SUMS = "SHA256SUMS"  # of a folder
_KEY = b"rlprobe"  # where in the metadata of a table its key stands
_MADE_ON = b"rlprobe-made-on"
_checked: set[tuple] = set()  # what this process has read whole already


# ---- whole or not at all ---------------------------------------------------------------------------------------------


def write(file: Path, content: Callable[[Path], Any]) -> None:
    """The one writer: `content` writes under a temporary name. A full disk ends the command, not the run."""
    temporary = file.with_name(f".{file.name}.part{file.suffix}")
    with _told(file):
        make_folder(file.parent)
        try:
            content(temporary)
            _sync(temporary)
            os.replace(temporary, file)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _sync(file.parent)


def write_table(file: Path, table: pa.Table, key: Mapping[str, Any], made_on: Sequence[Mapping[str, str]] = ()) -> None:
    """A table with its key, and what it was `made_on`, inside, and its digest beside it.

    Its bytes are a function of these and of its rows.
    """
    metadata = {_KEY: _canonical(key)} | ({_MADE_ON: _canonical(made_on)} if made_on else {})
    keyed = table.replace_schema_metadata(metadata)

    def content(path: Path) -> None:
        pq.write_table(keyed, path, compression="zstd", write_page_checksum=True)
        lines = dict.fromkeys([f"{sha256(path)}  {file.name}\n", *(_digests(file) if file.exists() else [])])
        write(digest_file(file), lambda beside: beside.write_text("".join(lines), encoding="utf-8"))

    write(file, content)


def append(file: Path, text: str) -> None:
    """Add to a file that nothing is computed from: a kill may cut the last line short."""
    with _told(file), file.open("a", encoding="utf-8") as stream:
        stream.write(text)


def copy_table(source: Path, file: Path) -> None:
    """A table and its digest, byte for byte."""
    write(digest_file(file), lambda path: shutil.copyfile(digest_file(source), path))
    write(file, lambda path: shutil.copyfile(source, path))


def write_folder(folder: Path, content: Callable[[Path], Any]) -> None:
    """A folder of files that `content` writes, with their digests; what lies there already must be away."""
    temporary = folder.with_name(f".{folder.name}.part")
    with _told(folder):
        make_folder(folder.parent)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        content(temporary)
        (temporary / SUMS).write_text(_sums(temporary), encoding="utf-8")
        for path in (*temporary.rglob("*"), temporary):
            _sync(path)
        os.replace(temporary, folder)
        _sync(folder.parent)


def make_folder(folder: Path) -> None:
    """A folder and those above it, each of them synced into the one that holds it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        with _told(folder):
            folder.mkdir(exist_ok=True)
            _sync(folder.parent)


def move_aside(path: Path) -> None:
    """Out of the way of what replaces it, under the name NAME.broken."""
    with _told(path):
        aside = path.with_suffix(".broken")
        if aside.is_dir():
            shutil.rmtree(aside)
        os.replace(path, aside)
        _sync(path.parent)


def delete(path: Path) -> None:
    """A file, a symbolic link or a folder with all that is in it."""
    with _told(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def left_by_a_kill(path: Path) -> bool:
    """Whether it is a lock, or what a process that was killed had not yet renamed."""
    return path.name == LOCK or re.fullmatch(r"\..+\.part(\.\w+)?", path.name) is not None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the disk refuses, in one line."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        cure = "free some space" if full else "make it writable"
        raise RlprobeError(
            f"cannot write {path} ({os.strerror(error.errno or 0)}); {cure} and run the same command again: "
            "everything finished before is kept"
        ) from error


# ---- as it was written -----------------------------------------------------------------------------------------------


def read_table(
    file: Path,
    key: Mapping[str, Any],
    schema: pa.Schema | None,
    columns: Sequence[str] | None = None,
    optional: Collection[str] = (),
) -> pa.Table:
    """A table, all columns or some, as `check_table` demands it; `optional` ones it may lack. Raises Damaged."""
    check_table(file, key, schema)
    with _damage(file):
        if columns is not None:
            lacks = {*optional} - {*pq.read_schema(file).names} if {*optional} & {*columns} else set()
            columns = [name for name in columns if name not in lacks]
        table = pq.read_table(file, columns=columns, partitioning=None, page_checksum_verification=True)
    return table.replace_schema_metadata(None)


def made_on(file: Path) -> list[dict[str, str]]:
    """What the table was made on, as it was given to `write_table`."""
    with _damage(file):
        return json.loads((pq.read_schema(file).metadata or {}).get(_MADE_ON, b"[]"))


def check_table(file: Path, key: Mapping[str, Any], schema: pa.Schema | None) -> None:
    """Raise Damaged unless the whole file has its digest, this key, and the columns of `schema` (None: any)."""
    with _damage(file):
        state = file.stat()
        seen = (os.path.realpath(file), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if seen in _checked:
        return
    with _damage(file):
        if f"{sha256(file)}  {file.name}\n" not in _digests(file):
            raise ValueError(f"its digest is not the one in {digest_file(file).name}")
        there = pq.read_schema(file)
        found = (there.metadata or {}).get(_KEY, b"").decode()
        if found != _canonical(key):
            raise ValueError(f"it is {found or 'of no run'}, where {_canonical(key)} should be")
        if lacking := set(schema.names if schema else ()) - set(there.names):
            raise ValueError(f"it lacks the column {min(lacking)}")
    _checked.add(seen)


def check_folder(folder: Path) -> None:
    """Raise Damaged unless the files that were written are there, no others, with their digests."""
    with _damage(folder):
        there, written = _sums(folder), (folder / SUMS).read_text(encoding="utf-8")
        if there != written:
            odd = {line.partition("  ")[2] for line in {*there.splitlines()} ^ {*written.splitlines()}}
            raise ValueError(f"{min(odd, default=SUMS)} was changed, added or taken away")


def read_json(file: Path, parse: Callable[[Any], Parsed], cure: str = "move it away") -> Parsed:
    """What a JSON file says to `parse`. Raises BadInput where it is none, or `parse` misses what it looks for."""
    try:
        return parse(json.loads(file.read_text(encoding="utf-8")))
    except PermissionError as error:
        raise _unreadable(file, error) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadInput(f"{file} is not what rlprobe writes ({said}); {cure}") from error


def sha256(file: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(content: Any) -> str:
    """The digest of what JSON can say, whatever the order of its keys."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def digest_file(file: Path) -> Path:
    """Where the digest of a table stands: readers of whole folders pass over a name that begins so."""
    return file.with_name(f"_{file.name}.sha256")


def _sums(folder: Path) -> str:
    """A line for each file in a folder and below it, as sha256sum writes them; hidden files do not count."""
    files = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    names = sorted(name for name in files if not Path(name).name.startswith(".") and name != SUMS)
    return "".join(f"{sha256(inside(folder, name))}  {name}\n" for name in names)


def _digests(file: Path) -> list[str]:
    """What stands beside a table: a line for it and for each that it replaced; none where any was changed."""
    beside = digest_file(file)
    text = beside.read_text(encoding="utf-8") if beside.exists() else ""
    lines = text.splitlines(keepends=True)
    return lines if all(re.fullmatch(rf"[0-9a-f]{{64}}  {re.escape(file.name)}\n", line) for line in lines) else []


def _canonical(content: Any) -> str:
    return json.dumps(content, sort_keys=True)


@contextmanager
def _damage(file: Path) -> Iterator[None]:
    """Whatever reading stumbles over is damage, told in one line."""
    try:
        yield
    except PermissionError as error:
        raise _unreadable(file, error) from error
    except (pa.ArrowException, ValueError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        cure = "run the command that made it again to replace it"
        raise Damaged(f"{file} is damaged ({reason}); {cure}") from error


def _unreadable(file: Path, error: OSError) -> RlprobeError:
    return RlprobeError(f"cannot read {file} ({os.strerror(error.errno or 0)}); make it readable")


# ---- one process at a time, and nothing outside ----------------------------------------------------------------------


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder for writing. Raises BadInput if another process holds it.

    A folder that cannot be written needs no holding: nobody's command changes it, and reading it takes no rights.
    """
    from filelock import FileLock, Timeout

    if not is_writable(folder):
        yield
        return
    lock = FileLock(folder / LOCK, timeout=0)
    with _told(folder / LOCK):
        try:
            lock.acquire()
        except Timeout:
            raise BadInput(f"{folder} is being written by another process; wait for it or use another --out") from None
    try:
        yield
    finally:
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether another process holds a folder for writing now."""
    if not (folder / LOCK).exists():
        return False
    try:
        with held(folder):
            return False
    except BadInput:
        return True


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder."""
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)


def inside(folder: Path, name: str) -> Path:
    """A path in a folder. Raises BadInput where a symbolic link leads out of it."""
    path = folder / name
    try:
        target = path.resolve()
    except (OSError, RuntimeError) as error:
        raise BadInput(f"{path} leads nowhere ({error}); remove it") from error
    if not target.is_relative_to(folder.resolve()):
        raise BadInput(f"{path} leads out of {folder}, to {target}: such a symbolic link is not followed; remove it")
    return path
