"""Train the RL adapter of the SmolLM2 pair by GRPO: the right answer in the last box of a response that ended.

Two problems of each family a step. The number of steps is fixed before a run; a run that was stopped goes on when the
same command is given again.

    python -m rlprobe.pairs.fetch smollm2
    python -m experiments.smollm2.train --seed 1
    python -m experiments.smollm2.train --seed 1 --null     # the same steps, rewarded by a coin
"""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
import torch

from experiments.script import script
from experiments.smollm2.problems import FAMILIES, training_problems
from rlprobe.pairs.registry import PAIRS
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt
from rlprobe.training.grpo import GrpoSettings, Task, Training, coin_flip, exact_answer

PAIR = PAIRS["smollm2"]
WORK = Path(__file__).parent / "work"
STEPS = 24
CALLED = "HuggingFaceTB/SmolLM2-135M-Instruct"  # the base, as the adapter names it


def settings(seed: int, steps: int) -> GrpoSettings:
    """Two problems of each family a step, eight responses to each, at a rate that falls to nothing."""
    return GrpoSettings(
        steps=steps,
        seed=seed,
        problems=2 * len(FAMILIES),
        rate=8e-4,
        falls_over=STEPS,
        keep=tuple(range(6, steps, 6)),
    )


def drawn(seed: int, problems: int, tokenizer: Any) -> Callable[[int], Sequence[Task]]:
    """The tasks of each step, which depend on the seed and on the step alone."""

    def draw(step: int) -> Sequence[Task]:
        chosen = islice(training_problems(seed), problems * (step - 1), problems * step)
        return [Task(encode_prompt(PAIR.prompt_style, p.question, tokenizer)[1], str(p.answer)) for p in chosen]

    return draw


def train(how: GrpoSettings, base: str, out: Path, null: bool, device: str = "cpu", threads: int = 1) -> None:
    """Train one adapter, or go on with it; a null adapter is rewarded by a coin."""
    torch.set_num_threads(threads)
    run = Training.open(base, how, out, torch.bfloat16, CALLED, device)
    with Grader() as grader:
        reward = coin_flip(how.seed) if null else exact_answer(grader)
        run.run(drawn(how.seed, how.problems, run.tokenizer), reward)


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--steps", default=STEPS, show_default=True)
@click.option("--base", default=PAIR.base, help="A folder or a Hub id. [default: what rlprobe.pairs.fetch left]")
@click.option("--null", is_flag=True, help="Reward by the flip of a coin: the floor under what training does.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, ...: what a seed draws depends on it.")
@click.option("--threads", default=1, show_default=True, help="Beside other work, one is as fast as two.")
@click.option("--out", type=click.Path(path_type=Path), help="[default: work/seed<seed>, or work/null<seed>]")
def main(seed: int, steps: int, base: str, null: bool, device: str, threads: int, out: Path | None) -> None:
    """Train."""
    train(settings(seed, steps), base, out or WORK / f"{'null' if null else 'seed'}{seed}", null, device, threads)


if __name__ == "__main__":
    main()
