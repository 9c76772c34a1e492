"""Train the RL model from the base by GRPO on one reward: the right answer in the last box, and an end.

TRL's GRPOTrainer with rlprobe's own grader. No reward for style or steps and no KL term; the number of updates is fixed
in advance. The problems are of the training side, from a seed that pre-training did not use.

    python -m experiments.organism.grpo --seed 1
"""

import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import click
import torch
from datasets import Dataset
from transformers import AutoTokenizer, Qwen2ForCausalLM, TrainerCallback, TrainerControl, TrainerState
from transformers import TrainingArguments as Arguments
from trl import GRPOConfig, GRPOTrainer

from experiments.organism.logbook import Logbook, LogbookCallback
from experiments.organism.pretrain import WORK
from experiments.organism.word_problems import training_problems
from experiments.script import script
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import question_answer
from rlprobe.records import Status

PROMPTS, SAMPLES, ROWS = 16, 16, 64  # problems a round, responses to each, sequences in one backward pass
UPDATES_A_ROUND = 2
LONGEST = 360  # tokens of a response; a longer one is cut and earns nothing
RATE = 2e-4
OTHER_PROBLEMS = 1000  # added to the seed, so that RL meets problems that pre-training did not
KEPT = (4, 8, 16)  # updates after which the weights are kept; after the last, 48, they are the RL model's
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json")
LOGGED = (
    "loss",
    "grad_norm",
    "reward",
    "reward_std",
    "entropy",
    "completions/mean_length",
    "completions/clipped_ratio",
)


def reward_with(grader: Grader, stop_id: int) -> Callable[..., list[float | None]]:
    """The reward as TRL calls it: 1 for a right answer in the last box of a response that ended, otherwise 0."""

    def right_and_ended(
        completions: list[str], completion_ids: list[list[int]], gold: list[str], **_: object
    ) -> list[float | None]:
        verdicts = grader.grade_many(list(zip(completions, gold, strict=True)))
        return [
            float(graded.last.status is Status.CORRECT and ids[-1] == stop_id)
            for graded, ids in zip(verdicts, completion_ids, strict=True)
        ]

    return right_and_ended


def prompts(seed: int, rows: int) -> Dataset:
    """Prompts and golds of training problems."""
    problems = training_problems(seed + OTHER_PROBLEMS)
    chosen = [next(problems) for _ in range(rows)]
    return Dataset.from_list([{"prompt": question_answer(p.question, None), "gold": str(p.answer)} for p in chosen])


def settings(out: Path, seed: int, updates: int) -> GRPOConfig:
    """What GRPOTrainer is told: DAPO's loss and wide upper clip, temperature 1, no reference model."""
    generated = PROMPTS * SAMPLES
    return GRPOConfig(
        output_dir=str(out),
        max_steps=updates,
        num_generations=SAMPLES,
        per_device_train_batch_size=ROWS,
        gradient_accumulation_steps=generated // ROWS // UPDATES_A_ROUND,
        steps_per_generation=generated // ROWS,
        max_completion_length=LONGEST,
        temperature=1.0,
        loss_type="dapo",
        beta=0.0,
        epsilon=0.2,
        epsilon_high=0.28,
        learning_rate=RATE,
        lr_scheduler_type="constant",
        bf16=True,
        use_cpu=True,
        seed=seed,
        logging_steps=UPDATES_A_ROUND,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=False,
    )


class KeepWeights(TrainerCallback):
    """Keeps float16 copies of the model after a few numbers of updates, for later work on how RL proceeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_step_end(
        self,
        args: Arguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        model: Any = None,
        **_: object,
    ) -> None:
        """Write `step-<updates>/`."""
        if state.global_step in KEPT:
            save_as(model, self.folder / f"step-{state.global_step:03d}", torch.float16)


def save_as(model: Qwen2ForCausalLM, folder: Path, dtype: torch.dtype) -> None:
    """Write a copy of the model in `dtype`; the model itself is left as it is."""
    config = deepcopy(model.config)
    config.use_cache = True  # the trainer turned it off
    with torch.random.fork_rng():  # a new model draws weights: the trainer's noise must not depend on that
        copy = Qwen2ForCausalLM(config)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = model.generation_config
    copy.to(dtype=dtype)  # type: ignore[call-arg]
    copy.save_pretrained(folder)


def reinforce(seed: int, updates: int, base: Path, out: Path) -> None:
    """Train the RL model of one seed; `out/rl` holds it, `out/checkpoints` what was kept on the way."""
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = Qwen2ForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="sdpa")
    generation_config = model.generation_config
    logbook = Logbook("grpo", seed)
    logbook.write(updates=updates, prompts=PROMPTS, samples=SAMPLES, updates_a_round=UPDATES_A_ROUND)
    with Grader() as grader:
        trainer = GRPOTrainer(
            model,
            reward_funcs=reward_with(grader, tokenizer.eos_token_id),
            args=settings(out / "grpo", seed, updates),
            train_dataset=prompts(seed, PROMPTS * updates // UPDATES_A_ROUND),
            processing_class=tokenizer,
            callbacks=[LogbookCallback(logbook, LOGGED), KeepWeights(out / "checkpoints")],
        )
        trainer.train()
    model.generation_config = generation_config
    save_as(model, out / "rl", torch.float32)
    for name in TOKENIZER_FILES:
        shutil.copy(base / name, out / "rl" / name)
    logbook.write(done=True)


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--updates", default=48, show_default=True, help=f"Optimizer steps, {UPDATES_A_ROUND} a round.")
@click.option("--base", type=click.Path(path_type=Path), help="[default: work/seed<seed>/base]")
@click.option("--out", type=click.Path(path_type=Path), help="[default: work/seed<seed>]")
def main(seed: int, updates: int, base: Path | None, out: Path | None) -> None:
    """Train."""
    home = out or WORK / f"seed{seed}"
    reinforce(seed, updates, base or home / "base", home)


if __name__ == "__main__":
    main()
