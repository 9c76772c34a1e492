"""Columns of numbers longer than memory should hold: in memory while they are short, else in temporary files.

Rows are written once, wherever they belong, and read in stretches, as often as a statistic asks for them. What is read
is what was written: no statistic depends on where a column lies, or on how long the stretches are. The files (in
TMPDIR) have no name: they are gone with the process, however it ends. Knows no run, no table and no statistic.
"""

import os
from collections.abc import Iterator, Mapping
from tempfile import mkstemp

import numpy as np

HELD = 2**20  # rows: longer columns lie on disk
STRETCH = 2**18  # rows that are looked at at once


class Columns(Mapping[str, np.ndarray]):
    """Rows start..stop-1 of some columns; a column is read when it is asked for, and then kept with these rows."""

    def __init__(self, stored: "Stored", start: int, stop: int) -> None:
        self._stored, self._start, self._stop = stored, start, stop
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._read:
            self._read[name] = self._stored.read(name, self._start, self._stop)
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored.kinds)

    def __len__(self) -> int:
        return len(self._stored.kinds)

    def part(self, start: int, stop: int) -> "Columns":
        """Some of the rows, counted from the first of these."""
        return Columns(self._stored, self._start + start, self._start + stop)


class Stored:
    """Where the columns of a table lie. `kinds`: the type of each column; `rows`: how many there are to be."""

    def __init__(self, kinds: Mapping[str, np.dtype], rows: int) -> None:
        self.kinds, self.rows = dict(kinds), rows
        self._arrays = {name: np.empty(rows, kind) for name, kind in kinds.items()} if rows <= HELD else None
        self._files: dict[str, int] = {}

    @classmethod
    def held(cls, arrays: Mapping[str, np.ndarray]) -> "Stored":
        """Columns that are in memory already."""
        made = cls({}, 0)
        made.kinds, made._arrays = {name: array.dtype for name, array in arrays.items()}, dict(arrays)
        made.rows = len(next(iter(arrays.values()), ()))
        return made

    def whole(self) -> Columns:
        """All rows."""
        return Columns(self, 0, self.rows)

    def put(self, name: str, at: int, values: np.ndarray) -> None:
        """Write part of a column from row `at` on."""
        values = np.ascontiguousarray(values, self.kinds[name])
        if self._arrays is not None:
            self._arrays[name][at : at + len(values)] = values
        else:
            os.pwrite(self._file(name), values.tobytes(), at * values.itemsize)

    def read(self, name: str, start: int, stop: int) -> np.ndarray:
        """Rows start..stop-1 of a column."""
        if self._arrays is not None:
            return self._arrays[name][start:stop]
        kind = np.dtype(self.kinds[name])
        found = np.frombuffer(os.pread(self._file(name), (stop - start) * kind.itemsize, start * kind.itemsize), kind)
        if len(found) != stop - start:
            raise OSError(f"the temporary column {name} is {len(found)} rows long, not {stop - start}")
        return found

    def _file(self, name: str) -> int:
        if name not in self._files:
            self._files[name], path = mkstemp(prefix="rlprobe-")
            os.unlink(path)
        return self._files[name]

    def __del__(self) -> None:
        for file in self._files.values():
            os.close(file)
