"""What is made of a shard, as a piece of work that knows no run: this process can do it, and so can another.

A piece says what it needs of a run, is handed that, and makes tables of it: here, one shard after the other, or by
workers (commands/crew.py), from which the tables come back. Whoever made them, the command writes: a run has one
writer, and what it holds does not depend on who made what.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa

from rlprobe.commands.progress import Meter, Reporter
from rlprobe.commands.rollouts import Shelf
from rlprobe.decoding.engine import Watch
from rlprobe.records import Problem
from rlprobe.runs import Run, Shard


@dataclass(frozen=True)
class Need:
    """The rows of an arm in a layer for the problems of a shard: of one draw or of all, all columns or some."""

    layer: str
    arm: str
    draw: int | None = None
    columns: tuple[str, ...] | None = None

    def shards(self, run: Shelf, of: Shard) -> list[Shard]:
        """The shards that hold them."""
        there = run.shards(self.layer, self.arm)
        return [s for s in there if s.start < of.stop and of.start < s.stop and self.draw in (None, s.draw)]


@dataclass(frozen=True)
class Handed:
    """The part of a run that a piece of work needs, in memory."""

    problems: list[Problem]
    tables: dict[tuple[str, Shard], pa.Table]

    @classmethod
    def of(cls, run: Shelf, piece: "Piece", shard: Shard) -> "Handed":
        """What a piece needs for a shard."""
        needs = [(need, each) for need in piece.needs(shard) for each in need.shards(run, shard)]
        tables = {(need.layer, each): run.read_shard(need.layer, each, need.columns) for need, each in needs}
        return cls(run.problems_of(shard), tables)

    def shards(self, layer: str, arm: str) -> list[Shard]:
        """As of a run."""
        return sorted(shard for of, shard in self.tables if of == layer and shard.arm == arm)

    def read_shard(self, layer: str, shard: Shard, columns: Sequence[str] | None = None) -> pa.Table:
        """As of a run."""
        table = self.tables[layer, shard]
        return table if columns is None else table.select([name for name in columns if name in table.column_names])

    def problems_of(self, shard: Shard) -> list[Problem]:  # noqa: ARG002 - it was handed those of one shard
        """As of a run."""
        return self.problems


@dataclass
class Tools:
    """What is held open from shard to shard, such as graders: made when it is first asked for, closed at the end."""

    _held: ExitStack = field(default_factory=ExitStack)
    _made: dict[Any, Any] = field(default_factory=dict)

    def get(self, make: Callable[[Any], AbstractContextManager[Any]], settings: Any) -> Any:
        """The one that `make` makes of these settings."""
        if (make, settings) not in self._made:
            self._made[make, settings] = self._held.enter_context(make(settings))
        return self._made[make, settings]

    def close(self) -> None:
        """Let go of all."""
        self._made.clear()
        self._held.close()


@dataclass(frozen=True)
class Bench:
    """What a piece of work is done with: what it may read, who hears of it, tools, and models and prompts.

    `prepared` is what was settled before computing (prepare.py); grading needs nothing of it and has none.
    """

    run: Shelf
    watch: Watch
    tools: Tools
    prepared: Any = None

    def here(self, shard: Shard) -> list[str]:
        """The problems of a shard that can be asked."""
        prompts = self.prepared.prompts
        return [problem.problem_id for problem in self.run.problems_of(shard) if problem.problem_id in prompts]


@dataclass(frozen=True)
class Made:
    """The tables of a shard, by layer, and what else is told of it."""

    tables: Mapping[str, pa.Table]
    also: Any = None


@runtime_checkable
class Piece(Protocol):
    """A kind of work on shards."""

    def needs(self, shard: Shard) -> list[Need]:
        """What of the run it reads."""

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Do it for a shard."""


@runtime_checkable
class Makers(Protocol):
    """Workers (crew.py)."""

    def make(self, site: "Site", piece: Piece, shards: Sequence[Shard], watch: Watch) -> Iterator[tuple[Shard, Made]]:
        """What a piece makes of shards, in the order in which it is there."""


Heed = Callable[[Made], None]


def ignore(made: Made) -> None:
    """Nobody wants to hear of it."""


@dataclass(frozen=True)
class Site:
    """Where work is done: the run that it is for, who is told, the workers if there are any, and what was settled."""

    run: Run
    reporter: Reporter
    crew: "Makers | None" = None
    prepared: Any = None

    def fill(
        self,
        piece: Piece,
        shards: Sequence[Shard],
        title: str,
        unit: str = "problems",
        heed: Heed = ignore,
    ) -> None:
        """Make shards and write them; `heed` hears of each before it is written.

        Raises ProblemsLeftOut, when all others are there, for shards of which workers died.
        """

        def size(shard: Shard) -> int:
            return 1 if unit in ("shards", "passes") else shard.stop - shard.start

        with self.reporter.task(title, sum(map(size, shards)), unit) as meter:
            watch = self.watch(meter, title)
            if self.crew and shards:
                made = self.crew.make(self, piece, shards, watch)
            else:
                made = self._alone(piece, shards, watch)
            for shard, each in made:
                heed(each)
                for layer, table in each.tables.items():
                    self.run.write_shard(layer, shard, table)
                meter.advance(size(shard))

    def ask(self, piece: Piece, over: Shard, title: str) -> Any:
        """What a piece that makes no table tells of the problems of `over`."""
        told: list[Any] = []
        self.fill(piece, [over], title, "passes", lambda made: told.append(made.also))
        return told[0]

    def _alone(self, piece: Piece, shards: Sequence[Shard], watch: Watch) -> Iterator[tuple[Shard, Made]]:
        tools = Tools()
        try:
            for shard in shards:
                handed = Handed.of(self.run, piece, shard)  # what a worker would know, and no more
                yield shard, piece.make(Bench(handed, watch, tools, self.prepared), shard)
        finally:
            tools.close()

    def watch(self, meter: Meter, title: str) -> Watch:
        """Count tokens, and say and log where memory ran out and decoding goes on with fewer rows."""

        def halved(rows: int) -> None:
            self.run.log("out_of_memory", work=title, rows=rows)
            self.reporter.note(f"{title}: out of memory, going on with {rows} rows")

        return Watch(meter.emitted, halved)
