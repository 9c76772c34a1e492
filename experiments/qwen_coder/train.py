"""Train the RL adapter of the pair qwen-coder-0.5b by GRPO on GSM8K's training problems.

Reward: the right answer in the last box of a response that ended. The number of steps is fixed before a run; a run that
was stopped goes on when the same command is given again. Hours on two cores, minutes on a GPU.

    python -m rlprobe.pairs.fetch qwen-coder-0.5b
    python -m experiments.qwen_coder.train                                # the Hub's GSM8K
    python -m experiments.qwen_coder.train --dataset gsm8k_train.jsonl    # a file of it
"""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from experiments.script import script
from rlprobe.pairs.devices import device_of
from rlprobe.pairs.fetched import FETCHED
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt
from rlprobe.records import Problem
from rlprobe.training.grpo import GrpoSettings, Task, Training, coin_flip, exact_answer

BASE = FETCHED["qwen-coder-0.5b"]
STYLE = "qwen_boxed"  # as SimpleRL-Zoo asks Qwen2.5-7B and larger
LONGEST = 320  # tokens of a response when it is measured
WORK = Path(__file__).parent / "work"
STEPS = 12


def settings(seed: int, steps: int) -> GrpoSettings:
    """Thirty-two problems a step, eight responses to each, at a rate that falls to nothing."""
    return GrpoSettings(
        steps=steps,
        seed=seed,
        problems=32,
        samples=8,
        rows=32,
        longest=256,
        rate=8e-4,
        falls_over=STEPS,
        rank=8,
        alpha=16,
    )


def drawn(problems: Sequence[Problem], seed: int, a_step: int, tokenizer: Any) -> Callable[[int], Sequence[Task]]:
    """The tasks of each step: every problem once, in an order that the seed decides, and so again."""
    order = list(problems)
    random.Random(seed).shuffle(order)

    def draw(step: int) -> Sequence[Task]:
        chosen = [order[at % len(order)] for at in range(a_step * (step - 1), a_step * step)]
        return [Task(encode_prompt(STYLE, p.question, tokenizer)[1], p.answer) for p in chosen]

    return draw


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--steps", default=STEPS, show_default=True)
@click.option("--dataset", default="gsm8k-train", show_default=True, help="A registered data set, or a file.")
@click.option("--base", default=str(BASE.folder), help="A folder or a Hub id. [default: what rlprobe.pairs.fetch left]")
@click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ...")
@click.option("--null", is_flag=True, help="Reward by the flip of a coin: the floor under what training does.")
@click.option("--out", type=click.Path(path_type=Path), help="[default: work/seed<seed>, or work/null<seed>]")
def main(seed: int, steps: int, dataset: str, base: str, device: str, null: bool, out: Path | None) -> None:
    """Train."""
    how = settings(seed, steps)
    problems = load_problems(dataset).problems
    folder = out or WORK / f"{'null' if null else 'seed'}{seed}"
    run = Training.open(base, how, folder, torch.bfloat16, BASE.hub_id, device_of(device))
    with Grader() as grader:
        reward = coin_flip(seed) if null else exact_answer(grader)
        run.run(drawn(problems, seed, how.problems, run.tokenizer), reward)


if __name__ == "__main__":
    main()
