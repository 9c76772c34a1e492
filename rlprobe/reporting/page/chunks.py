"""Payloads as compressed text: within the page while they fit, in script files beside it when they do not.

A page that was opened from disk may not fetch a file, but it may load a script: a chunk file is one call that hands its
chunks over. page.js decompresses a chunk when its problem is opened. Knows nothing of what a chunk holds.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import Any

PAGE_LIMIT = 30_000_000  # bytes of a page
FILE_LIMIT = 4_000_000  # bytes of a chunk file: what one opened problem has to wait for
FOLDER = "report-tokens"


def packed(payload: Any) -> str:
    """JSON, deflated without a header, in base64."""
    content = json.dumps(payload, separators=(",", ":"), allow_nan=False).encode("ascii")
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return base64.b64encode(deflate.compress(content) + deflate.flush()).decode("ascii")


def unpacked(chunk: str) -> Any:
    """The inverse of `packed`."""
    return json.loads(zlib.decompress(base64.b64decode(chunk), -zlib.MAX_WBITS))


def digest(files: Mapping[str, bytes]) -> str:
    """Of chunk files, by name: the page holds it, so that one that is missing or of another page is noticed."""
    found = hashlib.sha256()
    for name in sorted(files):
        found.update(f"{name} {hashlib.sha256(files[name]).hexdigest()}\n".encode())
    return found.hexdigest()


class Packed(Mapping[str, str]):
    """Compressed texts by name, in the order in which they came: in memory while a page holds as much, then on disk."""

    def __init__(self) -> None:
        self.sizes: dict[str, int] = {}
        self._starts: dict[str, int] = {}
        self._file = SpooledTemporaryFile(max_size=PAGE_LIMIT)  # noqa: SIM115 - open as long as there is this
        self._end = 0

    def add(self, name: str, text: str) -> None:
        """Keep a text of ASCII."""
        self._file.seek(self._end)
        self._file.write(text.encode("ascii"))
        self._starts[name], self.sizes[name] = self._end, len(text)
        self._end += len(text)

    def __getitem__(self, name: str) -> str:
        self._file.seek(self._starts[name])
        return self._file.read(self.sizes[name]).decode("ascii")

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def __del__(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class OnDemand(Mapping[str, Any]):
    """Things by name, each made when it is asked for."""

    names: Sequence[str]
    make: Callable[[str], Any]

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        return self.make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass
class Chunks:
    """The chunks of a page, by name."""

    packed: Packed = field(default_factory=Packed)

    def add(self, name: str, payload: Any) -> None:
        """Compress and keep."""
        self.packed.add(name, packed(payload))

    @property
    def size(self) -> int:
        """Bytes, the markup around each included."""
        return sum(size + 80 for size in self.packed.sizes.values())

    def files(self) -> tuple[Mapping[str, str], dict[str, str]]:
        """(name of a file -> its content, name of a chunk -> name of its file), by order of the chunks."""
        groups = {f"{FOLDER}/{number:04d}.js": group for number, group in enumerate(_groups(self.packed.sizes))}
        content = OnDemand(list(groups), lambda name: _script({chunk: self.packed[chunk] for chunk in groups[name]}))
        return content, {chunk: name for name, group in groups.items() for chunk in group}


def _groups(sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """The chunks of each file, by what they take."""
    group: list[str] = []
    for name, size in sizes.items():
        if group and sum(sizes[other] for other in group) + size > FILE_LIMIT:
            yield group
            group = []
        group.append(name)
    if group:
        yield group


def _script(group: Mapping[str, str]) -> str:
    return f"rlprobeChunks({json.dumps(group)});\n"
