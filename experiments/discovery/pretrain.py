"""Train the base of the discovery pair from scratch; stopped, the same command goes on where it was.

A four-layer Llama of about 0.27 M parameters: half a megabyte in float16. Muon moves the matrices of the layers, AdamW
the rest; the learning rate is constant and falls to zero over the last third.

    python -m experiments.discovery.pretrain --seed 1
"""

import random
from pathlib import Path

import click
import torch
from torch import Tensor
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from experiments.discovery.corpus import document
from experiments.discovery.state import Stage
from experiments.discovery.tokenizer import PAD, save, train
from experiments.organism.optimizers import MuonAndAdamW
from experiments.organism.pretrain import rate_shape
from experiments.script import script
from rlprobe.problems.prompts import question_answer

CONTEXT = 256
ROWS = 128  # documents a step
MATRIX_RATE, OTHER_RATE = 0.02, 4e-3
KEEP_EVERY = 200  # steps
IGNORED = -100  # the label that cross-entropy leaves out


def new_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> LlamaForCausalLM:
    """The untrained base: 4 layers, 96 wide, 6 query and 2 key/value heads, tied head."""
    torch.manual_seed(seed)
    ends = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        intermediate_size=128,
        num_hidden_layers=4,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        **ends,
    )
    model = LlamaForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=False, **ends)
    return model


def batches(tokenizer: PreTrainedTokenizerFast, seed: int, step: int) -> list[dict[str, Tensor]]:
    """The documents of one step, the shorter half and the longer one; only solutions and their stop ids count."""
    rng, found = random.Random(f"{seed} {step}"), list[tuple[list[int], list[int]]]()
    for _ in range(ROWS):
        nesting, said = document(rng)
        prompt = tokenizer(question_answer(nesting.question, None))["input_ids"]
        response = [*tokenizer(said)["input_ids"], tokenizer.eos_token_id]
        found.append((prompt + response, [IGNORED] * len(prompt) + response))
    found.sort(key=lambda ids: len(ids[0]))
    pad_id = tokenizer.get_vocab()[PAD]
    return [
        {
            "input_ids": padded([ids for ids, _ in half], pad_id),
            "labels": padded([labels for _, labels in half], IGNORED),
        }
        for half in (found[: ROWS // 2], found[ROWS // 2 :])
    ]


def padded(rows: list[list[int]], value: int) -> Tensor:
    """Right-padded (a causal model never looks there)."""
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def loss_of(model: LlamaForCausalLM, halves: list[dict[str, Tensor]]) -> float:
    """The mean loss over all tokens that count, whose gradient is added to the weights' own."""
    counted = sum(int((half["labels"] != IGNORED).sum()) for half in halves)
    total = 0.0
    for half in halves:
        loss = model(**half, num_items_in_batch=counted).loss
        loss.backward()
        total += loss.item()
    return total


def pretrain(stage: Stage, steps: int, last: int | None = None) -> Path:
    """Go on to `last` of `steps` steps (all of them); at the end `base/` holds the model and its tokenizer."""
    tokenizer, state = train(stage.seed), stage.load()
    model = new_model(tokenizer, stage.seed)
    optimizer = MuonAndAdamW(model, MATRIX_RATE, OTHER_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate_shape(steps))
    if state:
        model.load_state_dict(state["model"])
        for part, kept in zip(optimizer.parts, state["optimizers"], strict=True):
            part.load_state_dict(kept)
        schedule.load_state_dict(state["schedule"])
        for group, rate in zip(optimizer.param_groups, schedule.get_last_lr(), strict=True):
            group["lr"] = rate
    for step in range(state["step"] if state else 0, last or steps):
        loss = loss_of(model, batches(tokenizer, stage.seed, step))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        model.zero_grad()
        if (step + 1) % KEEP_EVERY == 0 or step + 1 == (last or steps):
            stage.write(step=step + 1, steps=steps, loss=loss, parameters=model.num_parameters())
            optimizers = [part.state_dict() for part in optimizer.parts]
            stage.keep(step=step + 1, model=model.state_dict(), optimizers=optimizers, schedule=schedule.state_dict())
    model.save_pretrained(stage.folder / "base")
    save(tokenizer, stage.folder / "base")
    return stage.folder / "base"


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--steps", default=2000, show_default=True, help=f"Of {ROWS} documents each.")
def main(seed: int, steps: int) -> None:
    """Train."""
    click.echo(pretrain(Stage("pretrain", seed), steps))


if __name__ == "__main__":
    main()
