"""What more workers bring: the time and the GPU hours of thirty arms over a data set, by simulation, to 64 workers.

The unit of work is the shard. Measured are the processor seconds that each shard of the bundled pair took
(`--measure`, figures/throughput_shards.csv): what is used of them is how unequal they are. How long a shard takes on a
card is that of the model on paper (cost_by_scale.py), with the fixed price of a pass that one H200 was measured to have
(figures/on_gpu.md); a 7B or 32B pair itself was not timed decoding. The longest shards go first; workers of a node
start one after the other; an arm begins when the one before is whole; a worker is lost now and then, which is noticed
late, and its shard is asked for again of whoever is free, while it starts anew. Writes
figures/throughput.{csv,md,png}.

    python -m experiments.benchmarks.throughput [--measure]
"""

import heapq
import tempfile
import time
from bisect import insort
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.benchmarks.cost_by_scale import FIGURES, READS, SHAPES, TOKENS, Shape, seconds_with_launches
from experiments.script import script
from rlprobe.commands.intervene import intervene
from rlprobe.commands.progress import Meter, Reporter
from rlprobe.reporting.drawing import Drawing, encode, render
from rlprobe.settings import ArmChoice, ComputeChoice, InterveneSettings, OutputChoice, ProblemChoice

PROBLEMS, PER_SHARD = 500, 8  # of MATH-500, and of a shard: enough shards for 64 workers
A_NODE = 8  # workers that start one after the other
LOADING = 2e9  # bytes of weights a second, from disk to a card
NOTICED = 2.2  # seconds until a lost worker is known to be lost, as tried with Ray on one machine
EVERY = {"none lost": np.inf, "one in 4 GPU hours": 4 * 3600.0, "one in 20 GPU minutes": 1200.0}  # seconds of work
DRAWN = {"1.5B": ("#56B4E9", 3.0), "7B": ("#009E73", 1.0), "32B": ("#D55E00", 1.0)}  # colour and width of the line
LINES = dict(zip(EVERY, ("-", "--", ":"), strict=True))
WORKERS, TRIALS = (1, 2, 4, 8, 16, 32, 64), 10
ASKED = 30  # arms of one call, one after the other
ARMS = ("lock-step", "entropy")


@dataclass(frozen=True)
class Cluster:
    """Workers, the seconds each takes to start, and the mean seconds of work after which one is lost."""

    workers: int
    start: float
    every: float

    def run(self, arms: Sequence[Sequence[float]], rng: np.random.Generator) -> tuple[float, float, int]:
        """(seconds until everything is there, seconds of useful work, workers lost) for arms, each of shards that take
        so many seconds; an arm begins when all shards of the one before are there."""
        free = [(self.start * (1 + worker % A_NODE), worker) for worker in range(self.workers)]
        heapq.heapify(free)
        begun, lost = 0.0, 0
        for shards in arms:
            begun, more = self._arm(begun, shards, free, rng)
            lost += more
        return begun, float(sum(map(sum, arms))), lost

    def _arm(
        self, begun: float, shards: Sequence[float], free: list[tuple[float, int]], rng: np.random.Generator
    ) -> tuple[float, int]:
        """(when the last shard is there, workers lost); `free` are the workers and when each is free, which changes."""
        waiting = sorted(shards)
        again: list[tuple[float, float]] = []  # when a shard of a lost worker is asked for again, and its seconds
        ended, lost = begun, 0
        while waiting or again:
            now, worker = heapq.heappop(free)
            now = max(now, begun)
            while again and (again[0][0] <= now or not waiting):
                now = max(now, again[0][0])
                insort(waiting, heapq.heappop(again)[1])
            seconds = waiting.pop()
            until_lost = rng.exponential(self.every) if np.isfinite(self.every) else np.inf
            if until_lost < seconds:
                lost += 1
                known = now + until_lost + NOTICED
                heapq.heappush(again, (known, seconds))
                heapq.heappush(free, (known + self.start, worker))
            else:
                ended = max(ended, now + seconds)
                heapq.heappush(free, (now + seconds, worker))
        return ended, lost


def simulated(shape: Shape, arm: str, reads: tuple[float, float], spread: np.ndarray) -> Iterator[dict[str, object]]:
    """One row a number of workers and a rate of losses; `spread` are measured seconds, of which the ratios are used."""
    whole, rng = seconds_with_launches(shape, *reads), np.random.default_rng(0)
    for words, every in EVERY.items():
        for workers in WORKERS:
            found = []
            for _ in range(TRIALS):
                drawn = rng.choice(spread, (ASKED, PROBLEMS // PER_SHARD))
                cluster = Cluster(workers, shape.cards * shape.weights / LOADING, every)
                found.append(cluster.run((drawn / drawn.sum(axis=1, keepdims=True) * whole).tolist(), rng))
            ended, work, lost = np.array(found).T
            yield {
                "pair": shape.name,
                "arm": arm,
                "workers": workers,
                "cards": workers * shape.cards,
                "lost": words,
                "minutes": round(float(np.median(ended)) / 60, 2),
                "tokens/s": round(ASKED * TOKENS / float(np.median(ended))),
                "busy": round(float(np.median(work / (ended * workers))), 3),
                "GPU hours": round(float(np.median(ended)) * workers * shape.cards / 3600, 3),
                "workers lost": round(float(lost.mean()), 2),
            }


class Watched(Reporter):
    """Keeps how long each shard took, by what was being done."""

    def __init__(self) -> None:
        super().__init__(quiet=True)
        self.rows: list[dict[str, object]] = []

    @contextmanager
    def task(self, name: str, total: int, unit: str) -> Iterator[Meter]:
        """As it is, with the processor seconds of this process between two advances."""
        with super().task(name, total, unit) as meter:
            at, advance = time.process_time(), meter.advance

            def advanced(units: int = 1) -> None:
                nonlocal at
                now = time.process_time()
                self.rows.append({"work": name.partition(" (")[0], "problems": units, "seconds": round(now - at, 4)})
                at = now
                advance(units)

            meter.advance = advanced  # type: ignore[method-assign]
            yield meter


def measured(limit: int) -> pd.DataFrame:
    """The seconds of each shard of the bundled pair's own answers and of an arm."""
    watched = Watched()
    with tempfile.TemporaryDirectory() as made:
        intervene(
            InterveneSettings(
                output=OutputChoice(out=Path(made) / "run"),
                compute=ComputeChoice(block=PER_SHARD, batch_size=PER_SHARD),
                arms=ArmChoice(modes=("entropy:1.2",)),
                problems=ProblemChoice(limit=limit),
            ),
            watched,
        )
    return pd.DataFrame([row for row in watched.rows if row["problems"] == PER_SHARD])


def draw(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Tokens a second, and the share of the time that workers are busy, by their number, pair and rate of losses.

    A pair is drawn in its colour and width, the widest below: where two are busy alike, both are seen.
    """
    data = data[data["arm"] == "entropy"]
    for (pair, words), line in data.groupby(["pair", "lost"], sort=False):
        colour, width = DRAWN[str(pair)]
        for ax, column in zip(axes, ("tokens/s", "busy"), strict=True):
            ax.plot(
                line["workers"], line[column], LINES[str(words)], color=colour, lw=width, marker="o", ms=2 * width + 1
            )
    axes[0].set(xscale="log", yscale="log", xlabel="workers", ylabel="tokens a second", title="Throughput")
    axes[1].set(
        xscale="log", ylim=(0, 1.02), xlabel="workers", ylabel="share of the time at work", title="Workers at work"
    )
    for ax in axes:
        ax.set_xticks(WORKERS, [str(n) for n in WORKERS])
        ax.minorticks_off()
    pairs = [Line2D([], [], color=c, lw=w, marker="o", ms=2 * w + 1, label=pair) for pair, (c, w) in DRAWN.items()]
    lost = [Line2D([], [], color="0.35", ls=style, lw=1, label=words) for words, style in LINES.items()]
    axes[1].legend(handles=[*pairs, *lost], fontsize=6, loc="lower left")


def keep(table: pd.DataFrame) -> None:
    """The table and the figure."""
    drawing = Drawing(lambda: table, draw, panels=2, size=lambda _: (7.4, 3.0), intervals=False)
    figure, _ = render(
        drawing, corner=f"simulated  ·  {ASKED} arms on MATH-500, 600 tokens a response  ·  entropy gate"
    )
    (FIGURES / "throughput.png").write_bytes(encode(figure, "png"))
    table.to_csv(FIGURES / "throughput.csv", index=False)
    shown = table[(table["arm"] == "entropy") & table["workers"].isin((1, 8, 64))]
    rows = [list(shown.columns), *shown.astype(object).to_numpy().tolist()]
    lines = ["| " + " | ".join(map(str, entries)) + " |" for entries in rows]
    (FIGURES / "throughput.md").write_text("\n".join([lines[0], "|" + " --- |" * len(shown.columns), *lines[1:], ""]))


@script(help=__doc__)
@click.option("--measure", is_flag=True, help="Time the shards of the bundled pair anew.")
@click.option("--limit", default=256, show_default=True, help="Problems that are timed.")
def main(measure: bool, limit: int) -> None:
    """Measure, where asked to; simulate, and keep."""
    file = FIGURES / "throughput_shards.csv"
    if measure or not file.exists():
        measured(limit).to_csv(file, index=False)
    shards = pd.read_csv(file)
    spread = shards.loc[shards["work"].str.startswith("entropy"), "seconds"].to_numpy()
    reads = pd.read_csv(FIGURES / "speed_intervene_a.csv").set_index("arm")
    of_arm = {"lock-step": (2.0, 2.0), "entropy": tuple(reads.loc["entropy", READS])}
    table = pd.DataFrame([row for s in SHAPES for arm in ARMS for row in simulated(s, arm, of_arm[arm], spread)])
    keep(table)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
