"""Time: the logit lens of both models, and the full grid of layers × sites, at 200 disagreements of a finished run.

Wall-clock seconds and seconds of processor time, from points to numbers; loading, reading the run and the bootstrap are
not counted. One minute is aimed at.

    python -m experiments.benchmarks.speed_internals
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import pandas as pd
import torch

from experiments.script import script
from rlprobe.commands.inside import Opened, chosen_points, open_run
from rlprobe.internals.lens import read_out, residual_streams
from rlprobe.internals.patching import Cell, donate, patched_residuals
from rlprobe.internals.points import Point
from rlprobe.measures.ranking import greedy
from rlprobe.settings import PairChoice, PointChoice, Reading

RUN = Path("runs") / "bundled-word-problems"
KEPT = Path(__file__).parents[2] / "figures" / "speed_internals.csv"


@script(help=__doc__)
@click.option("--run", type=click.Path(path_type=Path), default=RUN, show_default=True)
@click.option("--points", default=200, show_default=True)
def main(run: Path, points: int) -> None:
    """Measure and keep."""
    opened = open_run(run, PairChoice())
    chosen, found = chosen_points(opened.run, PointChoice(points=points), Reading())
    here = [point for point, group in zip(found, chosen["group"], strict=True) if group == "disagreement"]
    _lens(opened, here[:2])  # the first trace of a process is slow
    rows = [_timed(name, work, opened, here) for name, work in (("lens", _lens), ("grid", _grid))]
    table = pd.DataFrame(rows).assign(threads=torch.get_num_threads())
    table.to_csv(KEPT, index=False)
    click.echo(table.to_string(index=False))


def _timed(name: str, work: Callable[[Opened, list[Point]], int], opened: Opened, points: list[Point]) -> dict:
    wall, processor = time.perf_counter(), time.process_time()
    cells = work(opened, points)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"what": name, "points": len(points), "cells": cells, "seconds": wall, "processor_seconds": processor}


def _lens(opened: Opened, points: list[Point]) -> int:
    """Both models, every depth; returns the readings made."""
    for inside in opened.inside.values():
        streams = residual_streams(inside, points)
        for depth in range(streams.shape[1]):
            read_out(inside, streams[:, depth], points, opened.pair.vocabulary)
    return 2 * streams.shape[1] * len(points)


def _grid(opened: Opened, points: list[Point]) -> int:
    """RL's residual stream, attention and MLP of every layer in the base; returns the patches made."""
    host, donor, cells = opened.inside["base"], opened.inside["rl"], 0
    for point in points:
        n = len(point.ids)
        grid = [Cell(site, layer, n - 1, n) for site in ("residual", "attention", "mlp") for layer in range(host.depth)]
        greedy(host.logits(patched_residuals(host, point, grid, donate(donor, point, n - 1))))
        cells += len(grid)
    return cells


if __name__ == "__main__":
    main()
