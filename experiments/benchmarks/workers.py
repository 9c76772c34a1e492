"""Claim: four Ray workers are at work at least nine tenths of the time, where work comes in shards of unequal length.

The tasks sleep, so that nothing but handing them out is measured: whatever else the machine does, and however few
processors it has. Lengths are drawn log-normally around four seconds, known beforehand like those of responses that
are already there. The share of the time at work is Σ seconds of tasks / (workers × seconds from the first task handed
out to the last table written), with all workers ready; how long they take to be so, one after the other, stands beside
it. Writes figures/workers.{csv,md}.

    python -m experiments.benchmarks.workers [--workers 4] [--shards 48]
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow as pa

from experiments.kept import FIGURES
from experiments.script import script
from rlprobe import runs
from rlprobe.commands.crew import Crew, connection, fitting
from rlprobe.commands.progress import Reporter
from rlprobe.commands.work import Bench, Made, Need, Site
from rlprobe.records import Problem
from rlprobe.runs import Run, Shard
from rlprobe.settings import WorkerChoice, Workers

SECONDS, SPREAD = 4.0, 0.5  # of a task: the median, and the standard deviation of its logarithm
LEAST = 0.9
ROWS = 2000  # of what a task needs and of what it returns, about as many as a shard of small responses has tokens


@dataclass(frozen=True)
class Sleep:
    """A piece of work that takes as many hundredths of a second as there are tokens in what it needs."""

    def needs(self, shard: Shard) -> list[Need]:
        """The made-up responses, whose length is that of the task."""
        return [Need("rollouts", shard.arm)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Sleep."""
        table = bench.run.read_shard("rollouts", bench.run.shards("rollouts", shard.arm)[0])
        seconds = len(table["response_ids"][0]) / 100
        time.sleep(seconds)
        return Made({"slept": pa.table({"n": np.arange(ROWS)})}, seconds)


def made(path: Path, shards: int) -> Run:
    """A run of responses whose lengths are those of the tasks."""
    run = runs.create_or_resume(path, {"problems": {}}, {})
    run.extend([Problem(f"p{i}", "?", "1", "made") for i in range(shards)], {})
    lengths = SECONDS * np.exp(np.random.default_rng(0).normal(0, SPREAD, shards))
    for i, n in enumerate((100 * lengths).astype(int)):
        row = {"arm": "base", "problem_id": f"p{i}", "draw": 0, "prompt_ids": [1], "response_ids": [1] * n}
        row |= {"host_ids": [1] * n, "gated": [False] * n, "logprobs": [0.0] * n, "stop": "eos", "made": "engine"}
        run.write_shard("rollouts", Shard("base", i, i + 1), pa.Table.from_pylist([row]))
    return run


def measured(path: Path, workers: int, shards: int) -> dict[str, object]:
    """One row: how long the workers took to be ready, and how much of the time behind that they were at work."""
    run, reporter, choice = made(path, shards), Reporter(quiet=True), WorkerChoice(Workers(workers))
    slept: list[float] = []
    with connection(choice) as nodes:
        crew = Crew(fitting(nodes, choice, 1), {})
        asked = time.perf_counter()
        crew.begin(None, reporter, workers)
        ready = time.perf_counter()
        work = [Shard("base", i, i + 1) for i in range(shards)]
        Site(run, reporter, crew).fill(Sleep(), work, "sleeping", heed=lambda made: slept.append(made.also))
        done = time.perf_counter()
        crew.close()
    return {
        "workers": workers,
        "shards": shards,
        "seconds until all are ready": round(ready - asked, 1),
        "seconds of work": round(sum(slept), 1),
        "seconds it took": round(done - ready, 1),
        "at work": round(sum(slept) / (workers * (done - ready)), 3),
    }


@script(help=__doc__)
@click.option("--workers", default=4, show_default=True)
@click.option("--shards", default=48, show_default=True)
def main(workers: int, shards: int) -> None:
    """Measure, keep, and judge."""
    with tempfile.TemporaryDirectory() as folder:
        row = measured(Path(folder) / "run", workers, shards)
    table = pd.DataFrame([row])
    table.to_csv(FIGURES / "workers.csv", index=False)
    lines = ["| " + " | ".join(map(str, entries)) + " |" for entries in (row.keys(), row.values())]
    (FIGURES / "workers.md").write_text("\n".join([lines[0], "|" + " ---: |" * len(row), lines[1], ""]))
    share = float(table["at work"].iloc[0])
    click.echo(table.to_string(index=False))
    click.echo(f"at work {share:.3f} of the time: {'holds' if share >= LEAST else 'does not hold'} (at least {LEAST})")


if __name__ == "__main__":
    main()
