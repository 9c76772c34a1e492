"""What the experiments take on MATH-500 for each published pair, on paper: the command, the memory and the GPU hours.

The model is that of cost_by_scale.py (one 80 GB A100 or two; seconds are the larger of bytes over bandwidth and
operations over peak; 600 tokens a response), with the reads an arm took on the bundled pair and one pass a text for
reading it. Prompts, grading, launches, drafts and whatever a real kernel loses are left out, and a search for a
threshold is counted as one decode: every number is a lower bound, and nothing here was timed. Rows are chosen as
`--batch-size auto` does. Writes figures/cost_by_pair.csv and the part of experiments/README.md between its marks.

    python -m experiments.benchmarks.cost_by_pair
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from experiments import backward, interventions, signals
from experiments.benchmarks.cost_by_scale import FIGURES, READS, Shape, seconds
from experiments.kept import rewrite
from experiments.script import script
from rlprobe.commands.intervene import FromRun, chosen
from rlprobe.commands.signal_arms import SignalArms
from rlprobe.pairs.registry import PAIRS
from rlprobe.settings import ArmChoice, SignalSettings, made

README = Path(__file__).parents[1] / "README.md"
CARD, USED = 80e9, 0.9  # bytes of one card, and the share of it that may be planned with
LONGEST = 300 + 1024  # tokens of a prompt and of the longest response the scripts let a model write
MOST_ROWS = 256
THINKING, LONG = ("dapo-32b", "unireason-14b", "prorl-1.5b"), " --max-new-tokens 16384"
SEEDS, DRAWS = 2, 16  # the defaults of the scripts
ALONE, READ = (1.0, 1.0), (0.0, 1.0)  # (lane reads, tokens read) a token: a model decoding; a model reading


@dataclass(frozen=True)
class Size:
    """What a model's config.json says, for bfloat16: parameters, layers, key/value heads and their width."""

    parameters: float
    layers: int
    heads: int
    width: int = 128

    def shape(self, name: str) -> Shape:
        """Both models on one card where weights and a few rows fit, else one card each."""
        weights, cache = 2 * self.parameters, 2 * self.layers * self.heads * self.width * 2
        cards = 1 if 2 * weights < USED * CARD else 2
        free = USED * CARD - 2 * weights / cards
        return Shape(name, weights, cache, min(MOST_ROWS, int(0.5 * free / (LONGEST * cache))), cards)


SIZES = {
    "Qwen/Qwen2.5-0.5B": Size(0.494e9, 24, 2, 64),
    "Qwen/Qwen2.5-1.5B": Size(1.54e9, 28, 2),
    "Qwen/Qwen2.5-7B": Size(7.62e9, 28, 4),
    "Qwen/Qwen2.5-Math-7B": Size(7.62e9, 28, 4),
    "Qwen/Qwen2.5-14B": Size(14.8e9, 48, 8),
    "Qwen/Qwen2.5-32B": Size(32.8e9, 64, 8),
    "Qwen/Qwen3-4B-Base": Size(4.02e9, 36, 8),
    "Qwen/Qwen3-14B-Base": Size(14.8e9, 40, 8),
    "mistralai/Mistral-7B-v0.1": Size(7.24e9, 32, 8),
    "meta-llama/Llama-3.1-8B": Size(8.03e9, 32, 8),
    "allenai/Llama-3.1-Tulu-3-8B-DPO": Size(8.03e9, 32, 8),
    "deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B": Size(1.78e9, 28, 2),
}

Reads = tuple[float, float]
Passes = list[tuple[float, Reads]]  # how many times over the data set, and what a token takes


def passes(arms: dict[str, Reads]) -> dict[str, Passes]:
    """Script -> what it decodes and reads; `arms` has the reads of "entropy" and "random", which stand for all."""
    searched = [each for asked in signals.COMPARISONS.values() for each in _signals(asked, arms)]
    return {
        "disagreement": [(2, ALONE), (4, READ)],  # both models write, and both read both texts
        "interventions": _named(ArmChoice(modes=interventions.MODES, seeds=SEEDS), arms),
        "backward": _named(ArmChoice(modes=backward.MODES, host="rl", seeds=SEEDS), arms),
        "signals": searched,
        "sampling": [(2 * DRAWS, ALONE)],
    }


def _named(choice: ArmChoice, arms: dict[str, Reads]) -> Passes:
    return [(1, arms["random" if arm.random else "entropy"]) for arm, _ in chosen(choice, FromRun())]


def _signals(asked: dict[str, Any], arms: dict[str, Reads]) -> Passes:
    """Half of the problems to calibrate on, half to measure on; a preset measures on all of them."""
    choice = SignalArms.of(made(SignalSettings, asked | {"draws": signals.DRAWS}).choice)
    draws = choice.draws if choice.how else 1
    ends: Passes = [(2 * draws, ALONE)] if choice.how else []
    if choice.preset:
        return [*ends, *((draws, arms["entropy"]) for _ in choice.points())]
    arm = {signal: arms.get(signal, arms["entropy"]) for signal in choice.signals}
    seeds = {signal: choice.draws if signal == "random" and not choice.how else draws for signal in choice.signals}
    return [*ends, *((0.5 + 0.5 * seeds[s], arm[s]) for s in choice.signals for _ in choice.doses)]


def row(pair: str, arms: dict[str, Reads]) -> dict[str, object]:
    """One row of the table."""
    shape = SIZES[PAIRS[pair].base].shape(pair)
    hours = {
        script: sum(times * seconds(shape, *reads) for times, reads in work) * shape.cards / 3600
        for script, work in passes(arms).items()
    }
    memory = 2 * shape.weights + 2 * shape.rows * LONGEST * shape.cache
    return {
        "pair": pair,
        "80 GB cards": shape.cards,
        "GB in all": round(memory / 1e9),
        "rows": shape.rows,
        **{script: f"{found:.2g}" for script, found in hours.items()},
        "GPU hours in all, at least": f"{sum(hours.values()):.2g}",
    }


def commands(pairs: list[str], scripts: list[str]) -> list[str]:
    """What to run, in order; the later scripts read what the first has made."""
    return [
        "reproduce() {",
        f"  for script in {' '.join([scripts[0], 'direction', 'divergence', *scripts[1:]])}; do",
        '    python -m experiments.$script --dataset math-500 --pair "$@" || return',
        "  done",
        '  python -m experiments.claims --dataset math-500 --pair "$1"',
        "}",
        *(f"reproduce {pair}{LONG if pair in THINKING else ''}" for pair in pairs),
    ]


def written(table: pd.DataFrame, scripts: list[str]) -> str:
    """The table and the commands, in Markdown."""
    rows = [list(table.columns), *table.to_numpy(object).tolist()]
    lines = ["| " + " | ".join(map(str, entries)) + " |" for entries in rows]
    lines.insert(1, "| --- |" + " ---: |" * (len(table.columns) - 1))
    return "\n".join([*lines, "", "```bash", *commands(list(table["pair"]), scripts), "```", ""])


@script(help=__doc__)
def main() -> None:
    """Write the table, and the README's part."""
    measured = pd.read_csv(FIGURES / "speed_intervene_a.csv").set_index("arm")
    arms: dict[str, Reads] = {name: tuple(measured.loc[name, READS]) for name in ("entropy", "random")}
    table = pd.DataFrame([row(name, arms) for name, pair in PAIRS.items() if pair.published])
    table.to_csv(FIGURES / "cost_by_pair.csv", index=False)
    rewrite(README, "costs", written(table, list(passes(arms))))
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
