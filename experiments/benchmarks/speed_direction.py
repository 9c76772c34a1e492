"""What `rlprobe direction` costs on a token table of a million rows: seconds and peak memory, aimed at 20 s and 2 GB.

CPU seconds stand beside the seconds of the clock, which on a shared machine say how busy it was.

The table is made of the bundled pair's own: each problem of a finished run is repeated under new names until both texts
together have enough rows. The command runs in a process of its own; what is measured is all of it, imports too.

    python -m experiments.benchmarks.speed_direction
"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pandas as pd
import pyarrow as pa

from experiments.kept import FIGURES
from experiments.request import Request
from experiments.script import script
from rlprobe import runs
from rlprobe.runs import Run, Shard


def repeated(source: Run, target: Path, rows: int) -> Run:
    """A run directory with at least so many rows: shard by shard, every copy of a problem under a name of its own."""
    target.mkdir(parents=True)
    shutil.copy(source.path / "run.json", target)
    run = runs.read(target)
    shards = [shard for arm in ("base", "rl") for shard in source.shards("tokens", arm)]
    tables = {shard: source.read_shard("tokens", shard) for shard in shards}
    problems, copies = len(source.problems()), -(-rows // sum(map(len, tables.values())))
    for shard, table in tables.items():
        for copy in range(copies):
            place = Shard(shard.arm, shard.start + copy * problems, shard.stop + copy * problems)
            run.write_shard("tokens", place, _renamed(table, copy))
    return run


def _renamed(table: pa.Table, copy: int) -> pa.Table:
    names = pa.array([f"{name}-{copy}" for name in table["problem_id"].to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("problem_id"), "problem_id", names)


def _cpu_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@script(help=__doc__)
@click.option("--rows", default=1_000_000, show_default=True, type=click.IntRange(min=1))
@click.option("--repeats", default=3, show_default=True, type=click.IntRange(min=1))
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
def main(rows: int, repeats: int, pair: str, dataset: str) -> None:
    """Write figures/speed_direction.csv."""
    out = Request(pair, dataset).path()
    found = []
    with tempfile.TemporaryDirectory() as folder:
        run = repeated(runs.read(out), Path(folder) / "run", rows)
        size = sum(
            len(run.read_shard("tokens", shard)) for arm in run.arms("tokens") for shard in run.shards("tokens", arm)
        )
        for repeat in range(repeats):
            start, before = time.perf_counter(), _cpu_seconds()
            subprocess.run(
                [sys.executable, "-m", "rlprobe", "direction", str(run.path), "--json"], check=True, stdout=-3
            )
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # the largest child so far
            row = {"rows": size, "repeat": repeat, "seconds": seconds, "CPU seconds": _cpu_seconds() - before}
            found.append({**row, "peak GB": peak})
    table = pd.DataFrame(found).round(2)
    table.to_csv(FIGURES / "speed_direction.csv", index=False)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
