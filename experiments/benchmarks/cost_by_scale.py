"""What an arm costs on a GPU, on paper: calls and bytes per emitted token, and for all of MATH-500.

The model: a pass moves the weights of one model once, whatever the number of rows, and each row's keys and values;
every token read costs two operations a parameter. A token that took r lane reads in lanes of R rows therefore moves
r (W / R + C K) bytes: W those of the weights, C the positions held, K those of keys and values a position. Lock-step
has r = 2; ours has the lane reads measured on the bundled pair (figures/speed_intervene_a.csv), which a larger pair
need not share. Two numbers of seconds: "at least" is the larger of bytes over bandwidth and operations over peak;
"with launches" lets no pass take less than it took on one H200, where passes over few positions cost as much a layer
for 0.5B as for 1.5B parameters (figures/on_gpu.md). No 7B or 32B pair was timed decoding.

    python -m experiments.benchmarks.cost_by_scale
"""

import re
from dataclasses import dataclass
from pathlib import Path

import click
import pandas as pd

from experiments.script import script

FIGURES = Path(__file__).parents[2] / "figures"
BANDWIDTH, PEAK = 2.0e12, 3.1e14  # bytes and bfloat16 operations a second: an 80 GB A100
TOKENS = 500 * 600  # MATH-500 at 600 tokens a response
READS = ["lane reads a token", "tokens read a token"]
HELD = 500  # positions held on average: half a response and its prompt


A_PASS = {"0.5B": 24, "1.5B": 28}  # layers of what was timed on a card


def launches() -> float:
    """Seconds a layer that a pass takes at least, as measured on a card: the mean of the shapes that were timed."""
    table = (FIGURES / "on_gpu.md").read_text(encoding="utf-8")
    found = re.findall(r"\| a pass, (\S+) \| 32 positions \| ([\d.]+) ms", table)
    return sum(float(ms) / 1000 / A_PASS[name] for name, ms in found) / len(found)


@dataclass(frozen=True)
class Shape:
    """A Qwen2.5 model in bfloat16: bytes of weights, of keys and values a position, and rows that fit beside a pair."""

    name: str
    weights: float
    cache: int
    rows: int
    cards: int
    layers: int = 0


SHAPES = (
    Shape("1.5B", 3.1e9, 2 * 28 * 2 * 128 * 2, 256, 1, 28),
    Shape("7B", 15.2e9, 2 * 28 * 4 * 128 * 2, 128, 1, 28),
    Shape("32B", 65.5e9, 2 * 64 * 8 * 128 * 2, 32, 2, 64),
)


def moved(shape: Shape, lane_reads: float) -> float:
    """Bytes a token."""
    return lane_reads * (shape.weights / shape.rows + HELD * shape.cache)


def seconds(shape: Shape, lane_reads: float, tokens_read: float) -> float:
    """For all of MATH-500, at least; a token read costs 2 operations a parameter, which is 2 bytes."""
    return max(moved(shape, lane_reads) / BANDWIDTH, tokens_read * shape.weights / PEAK) * TOKENS


def seconds_with_launches(shape: Shape, lane_reads: float, tokens_read: float) -> float:
    """For all of MATH-500, where no pass takes less than its launches."""
    calls = lane_reads / shape.rows * TOKENS
    return max(seconds(shape, lane_reads, tokens_read), calls * shape.layers * launches())


def cost(shape: Shape, name: str, lane_reads: float, tokens_read: float) -> dict[str, object]:
    """One row of the table."""
    return {
        "pair": shape.name,
        "80 GB cards": shape.cards,
        "rows": shape.rows,
        "arm": name,
        "lane reads a token": round(lane_reads, 3),
        "calls a token": round(lane_reads / shape.rows, 5),
        "MB a token": round(moved(shape, lane_reads) / 1e6, 1),
        "MATH-500, calls": round(lane_reads / shape.rows * TOKENS),
        "MATH-500, seconds at least": round(seconds(shape, lane_reads, tokens_read)),
        "with launches": round(seconds_with_launches(shape, lane_reads, tokens_read)),
    }


@script(help=__doc__)
def main() -> None:
    """Write figures/cost_by_scale.csv."""
    measured = pd.read_csv(FIGURES / "speed_intervene_a.csv").set_index("arm")
    arms = {name: tuple(measured.loc[name, READS]) for name in ("entropy", "random")}
    arms = {"lock-step": (2.0, 2.0), **arms}
    table = pd.DataFrame([cost(shape, name, *reads) for shape in SHAPES for name, reads in arms.items()])
    table.to_csv(FIGURES / "cost_by_scale.csv", index=False)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
