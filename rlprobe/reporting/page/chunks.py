"""Payloads as compressed text: within the page while they fit, in script files beside it when they do not.

A page that was opened from disk may not fetch a file, but it may load a script: a chunk file is one call that hands its
chunks over. page.js decompresses a chunk when its problem is opened. Knows nothing of what a chunk holds.
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
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


@dataclass
class Chunks:
    """The chunks of a page, by name."""

    packed: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, payload: Any) -> None:
        """Compress and keep."""
        self.packed[name] = packed(payload)

    @property
    def size(self) -> int:
        """Bytes, the markup around each included."""
        return sum(len(chunk) + 80 for chunk in self.packed.values())

    def files(self) -> tuple[dict[str, str], dict[str, str]]:
        """(name of a file -> its content, name of a chunk -> name of its file), by order of the chunks."""
        groups = list(_groups(self.packed))
        names = [f"{FOLDER}/{number:04d}.js" for number, _ in zip(count(), groups, strict=False)]
        content = {name: _script(group) for name, group in zip(names, groups, strict=True)}
        return content, {chunk: name for name, group in zip(names, groups, strict=True) for chunk in group}


def _groups(chunks: Mapping[str, str]) -> Iterator[dict[str, str]]:
    group: dict[str, str] = {}
    for name, chunk in chunks.items():
        if group and sum(map(len, group.values())) + len(chunk) > FILE_LIMIT:
            yield group
            group = {}
        group[name] = chunk
    if group:
        yield group


def _script(group: Mapping[str, str]) -> str:
    return f"rlprobeChunks({json.dumps(group)});\n"
