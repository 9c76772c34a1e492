"""Do the intervals hold the truth as often as they say? On simulated problems, where the truth is known.

A rate of tokens: every problem has a rate of its own (beta-binomial), or a rare problem holds a burst of events, as a
loop of one answer does. A recovery: the verdicts of base, RL and an arm that takes RL's verdict on some problems and
the base's on the others. Beside the interval in use stand those that were not chosen. Needs no models and no run.

    python -m experiments.coverage
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from experiments.kept import Shelf
from experiments.script import script
from rlprobe.analysis.statistics import Interval, mean, mean_difference, rate, recovery
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.reporting.formats import FORMATS, Cell, table_of
from rlprobe.settings import Resampling

RESAMPLING = Resampling(resamples=400)
WORLDS = 600
PROBLEMS = (10, 20, 50, 100, 500)
TOKENS = (40, 360)  # of a response: from, and below

Columns = tuple[np.ndarray, ...]
Method = Callable[..., Interval]


@dataclass(frozen=True)
class World:
    """Problems that are drawn from a known truth: (generator, how many) -> one column of sums or verdicts each."""

    name: str
    truth: float
    draw: Callable[[np.random.Generator, int], Columns]


# ---- rates of tokens


def beta_binomial(share: float, alike: float) -> World:
    """Every problem has its own rate; `alike` is the correlation of two tokens of one problem."""
    a, b = (p * (1 / alike - 1) for p in (share, 1 - share))

    def draw(rng: np.random.Generator, n: int) -> Columns:
        tokens = rng.integers(*TOKENS, n)
        return rng.binomial(tokens, rng.beta(a, b, n)).astype(float), tokens.astype(float)

    return World(f"{100 * share:g} % of tokens, correlation {alike:g}", share, draw)


def bursts(problems: float, tokens: float) -> World:
    """A share of the problems has events at all, and then at a share of its tokens."""

    def draw(rng: np.random.Generator, n: int) -> Columns:
        lengths = rng.integers(*TOKENS, n)
        has = rng.random(n) < problems
        return has * rng.binomial(lengths, tokens).astype(float), lengths.astype(float)

    return World(f"{100 * problems:g} % of problems, {100 * tokens:g} % of their tokens", problems * tokens, draw)


def as_if_independent(events: np.ndarray, tokens: np.ndarray, resampling: Resampling) -> Interval:
    """Clopper and Pearson's interval of all tokens: what the design effect is for."""
    found = stats.binomtest(int(events.sum()), int(tokens.sum())).proportion_ci(resampling.confidence, method="exact")
    return Interval(0.0, float(found.low), float(found.high), len(tokens), int(tokens.sum()), None)


RATES = (
    beta_binomial(0.02, 0.02),
    beta_binomial(0.3, 0.1),
    beta_binomial(0.0001, 0.001),
    bursts(0.1, 0.1),
    bursts(0.02, 0.2),
)
RATE_METHODS: dict[str, Method] = {
    "Korn-Graubard": rate,
    "percentile bootstrap": mean,
    "as if independent": as_if_independent,
}


# ---- recoveries and differences of accuracies


def verdicts(base: float, gain: float, taken: float) -> World:
    """RL keeps what the base has right but for a tenth, and repairs some; the arm has RL's verdict with `taken`."""

    def draw(rng: np.random.Generator, n: int) -> Columns:
        right, kept = rng.random(n) < base, rng.random(n) < 0.9
        repaired = rng.random(n) < (gain + 0.1 * base) / (1 - base)
        rl = np.where(right, kept, repaired)
        arm = np.where(rng.random(n) < taken, rl, right)
        return arm.astype(float), right.astype(float), rl.astype(float)

    return World(f"gain of {100 * gain:g} points, recovery {taken:g}", taken, draw)


def percentile_recovery(arm: np.ndarray, base: np.ndarray, rl: np.ndarray, resampling: Resampling) -> Interval:
    """The percentile bootstrap of the ratio, where the gain's interval leaves 0 out."""
    gain = mean_difference(rl - base, resampling)
    if gain.low is None or gain.high is None or gain.low <= 0 <= gain.high:
        return Interval(None, None, None, len(arm), None, None)
    return mean(arm - base, rl - base, resampling)


def percentile_gain(_: np.ndarray, base: np.ndarray, rl: np.ndarray, resampling: Resampling) -> Interval:
    """rl - base, whose truth is the gain: an interval in use."""
    return mean_difference(rl - base, resampling)


RECOVERIES = tuple(verdicts(0.3, gain, taken) for gain in (0.1, 0.4) for taken in (0.0, 0.5, 0.9))
RECOVERY_METHODS: dict[str, Method] = {"Fieller": recovery, "percentile bootstrap": percentile_recovery}
GAINS = tuple(World(f"gain of {100 * g:g} points", g, verdicts(0.3, g, 0.0).draw) for g in (0.1, 0.4))
GAIN_METHODS: dict[str, Method] = {"percentile bootstrap": percentile_gain}


# ---- coverage


def covered(world: World, problems: int, methods: dict[str, Method], worlds: int) -> list[dict[str, object]]:
    """One row a method: how often it gave an interval, how often that held the truth, and its median width."""
    rng = np.random.default_rng(0)
    drawn = [world.draw(rng, problems) for _ in range(worlds)]
    return [_row(world, problems, name, [method(*d, RESAMPLING) for d in drawn]) for name, method in methods.items()]


def _row(world: World, problems: int, method: str, found: Sequence[Interval]) -> dict[str, object]:
    ends = [(f.low, f.high) for f in found if f.low is not None and f.high is not None]
    low = sum(world.truth < low for low, _ in ends)
    high = sum(world.truth > high for _, high in ends)
    among = len(ends) or None
    return {
        "world": world.name,
        "problems": problems,
        "interval": method,
        "given": Cell(len(ends) / len(found), unit="%"),
        "covered": Cell(among and 1 - (low + high) / among, unit="%"),
        "too low": Cell(among and high / among, unit="%"),
        "too high": Cell(among and low / among, unit="%"),
        "median width": Cell(float(np.median([high - low for low, high in ends])) if ends else None),
    }


def coverage(
    worlds: Sequence[World], methods: dict[str, Method], problems: Sequence[int] = PROBLEMS, times: int = WORLDS
) -> pd.DataFrame:
    """Every world at every number of problems, by every method; "too low": the whole interval lies below the truth."""
    rows = [row for world in worlds for n in problems for row in covered(world, n, methods, times)]
    return table_of(rows, list(rows[0]))


TABLES = {
    "coverage_rates": (RATES, RATE_METHODS),
    "coverage_recovery": (RECOVERIES, RECOVERY_METHODS),
    "coverage_gain": (GAINS, GAIN_METHODS),
}


@script(help=__doc__)
def main() -> None:
    """Write coverage_*.csv and .md under figures/."""
    shelf = Shelf.shown(DEFAULT_PAIR)
    for name, (worlds, methods) in TABLES.items():
        table = coverage(worlds, methods)
        for suffix in ("csv", "md"):
            shelf.file(f"{name}.{suffix}").write_text(FORMATS[suffix](table), encoding="utf-8")
        shelf.show(name)


if __name__ == "__main__":
    main()
