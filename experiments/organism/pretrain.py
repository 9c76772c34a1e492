"""Train the base from scratch on the solutions of all authors.

A four-layer Qwen2 of 1.66 M parameters. Muon moves the matrices of the layers, AdamW the embeddings, norms and biases;
the learning rate is constant and falls to zero over the last third.

    python -m experiments.organism.pretrain --seed 1
"""

from collections.abc import Callable
from pathlib import Path

import click
import torch
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    PreTrainedTokenizerBase,
    Qwen2Config,
    Qwen2ForCausalLM,
    Trainer,
    TrainingArguments,
)

from experiments.organism.documents import TOKENS, Batches
from experiments.organism.logbook import Logbook, LogbookCallback
from experiments.organism.optimizers import MuonAndAdamW
from experiments.organism.tokenizer import save, train
from experiments.script import script

WORK = Path(__file__).parent / "work"
CONTEXT = 512
MATRIX_RATE, OTHER_RATE = 0.02, 4e-3
WARM_UP, FALLING = 40, 0.35  # steps; share of all steps
SAVE_EVERY = 400


def new_model(tokenizer: PreTrainedTokenizerBase, seed: int) -> Qwen2ForCausalLM:
    """The untrained base: 4 layers, 192 wide, 6 query and 2 key/value heads, tied head."""
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        attn_implementation="eager",  # type: ignore[call-arg]  # measured: faster than sdpa at this size on a CPU
    )
    model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    return model


def rate_shape(steps: int) -> Callable[[int], float]:
    """Learning rate over its highest value: up, level, then down to zero."""
    falling = FALLING * steps

    def factor(step: int) -> float:
        return max(0.0, min((step + 1) / WARM_UP, 1.0, (steps - step) / falling))

    return factor


def first(batches: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """A collator for a data set whose items are batches already."""
    return batches[0]


def settings(out: Path, seed: int, steps: int) -> TrainingArguments:
    """What transformers' Trainer is told: one ready batch a step, bfloat16 products, weights saved now and then."""
    return TrainingArguments(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=1,
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=True,
        seed=seed,
        logging_steps=20,
        save_steps=SAVE_EVERY,
        save_only_model=True,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
    )


def pretrain(seed: int, steps: int, out: Path) -> None:
    """Train the tokenizer and the base of one seed; `out/base` holds both."""
    save(train(seed), out / "base", CONTEXT)
    tokenizer = AutoTokenizer.from_pretrained(out / "base", config=Qwen2Config())
    model = new_model(tokenizer, seed)
    logbook = Logbook("pretrain", seed)
    logbook.write(steps=steps, tokens_a_step=TOKENS, parameters=model.num_parameters())
    optimizer = MuonAndAdamW(model, MATRIX_RATE, OTHER_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_shape(steps))
    model.compile(dynamic=False)  # one program a width: three times as fast
    trainer = Trainer(
        model,
        settings(out / "steps", seed, steps),
        data_collator=first,
        train_dataset=Batches(tokenizer, seed),
        optimizers=(optimizer, schedule),
        callbacks=[LogbookCallback(logbook)],
    )
    trainer.train()
    model.config.use_cache = True  # the trainer turned it off
    model.save_pretrained(out / "base")
    logbook.write(done=True)


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--steps", default=2200, show_default=True, help=f"Batches of about {TOKENS} tokens.")
@click.option("--out", type=click.Path(path_type=Path), help="[default: work/seed<seed>]")
def main(seed: int, steps: int, out: Path | None) -> None:
    """Train."""
    pretrain(seed, steps, out or WORK / f"seed{seed}")


if __name__ == "__main__":
    main()
