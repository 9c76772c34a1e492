"""Train the RL model of the discovery pair by GRPO on nestings of the new functions; stopped, it goes on where it was.

The reward is 1 for the right answer in the last box of a response that ended; with `--reward steps` every written step
has to be true as well. DAPO's loss and wide upper clip, no reference model. Problems that are answered by coincidence
are left out: there the base's wrong ways would be rewarded. The number of updates is fixed in advance.

    python -m experiments.discovery.reinforce --seed 1
"""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from experiments.discovery.answers import Said, Speaker
from experiments.discovery.functions import NEW, Nesting, training
from experiments.discovery.state import Stage
from experiments.script import script

PROMPTS, SAMPLES = 24, 24  # problems a round, responses to each
UPDATES_A_ROUND = 2
ROWS = 256  # responses in one backward pass
RATE, LOW, HIGH = 2e-4, 0.2, 0.28
KEEP_EVERY = 10  # rounds
CHECKPOINTS = (8, 32, 128)  # rounds after which the weights are kept for later work

# name -> (response -> reward)
REWARDS: dict[str, Callable[[Said], float]] = {
    "answer": lambda said: float(said.is_right),
    "steps": lambda said: float(said.is_right and said.true_steps == len(said.steps)),
}


def problems(seed: int, step: int, depths: tuple[int, ...]) -> list[Nesting]:
    """The training problems of one round, none of them a coincidence."""
    rng, found = random.Random(f"rl {seed} {step}"), list[Nesting]()
    while len(found) < PROMPTS:
        nesting = training(rng, rng.choice(depths), tuple(NEW))
        if not nesting.is_coincidence:
            found.append(nesting)
    return found


def advantages(rewards: Tensor) -> Tensor:
    """(prompts, samples) rewards against their own prompt's mean, over its deviation; 0 where all are alike."""
    return (rewards - rewards.mean(1, keepdim=True)) / (rewards.std(1, keepdim=True) + 1e-4)


def spoken(ids: Tensor, width: int, stop: int) -> Tensor:
    """Which positions of the responses were said: all up to the first stop id, which counts."""
    ended = (ids[:, width:] == stop).long().cumsum(1)
    return (ended - (ids[:, width:] == stop).long()) == 0


def logprobs(model: LlamaForCausalLM, ids: Tensor, width: int, pad: int) -> Tensor:
    """(rows, response) log-probability of each response id; prompts are padded on the left."""
    is_prompt = torch.arange(ids.shape[1]) < width
    seen = ((ids != pad) | ~is_prompt).long()
    positions = (seen.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=seen, position_ids=positions).logits[:, width - 1 : -1]
    return torch.log_softmax(logits, -1).gather(2, ids[:, width:, None])[..., 0]


def surrogate(new: Tensor, old: Tensor, gains: Tensor, mask: Tensor) -> Tensor:
    """The clipped loss, summed over tokens."""
    ratio = (new - old).exp()
    clipped = ratio.clamp(1 - LOW, 1 + HIGH)
    return -(torch.minimum(ratio * gains[:, None], clipped * gains[:, None]) * mask).sum()


def learn(speaker: Speaker, optimizer: torch.optim.Optimizer, ids: Tensor, width: int, gains: Tensor) -> None:
    """The updates of one round, each on its part of the responses; rows that teach nothing are left out."""
    model, pad, stop = speaker.model, speaker.tokenizer.pad_token_id, speaker.tokenizer.eos_token_id
    mask, taught = spoken(ids, width, stop), gains != 0
    ids, mask, gains = ids[taught], mask[taught], gains[taught]
    if not len(ids):
        return
    with torch.no_grad():
        old = torch.cat([logprobs(model, part, width, pad) for part in ids.split(ROWS)])
    order = torch.randperm(len(ids))
    for chosen in order.chunk(min(UPDATES_A_ROUND, len(order))):
        for part in chosen.split(ROWS):
            new = logprobs(model, ids[part], width, pad)
            (surrogate(new, old[part], gains[part], mask[part]) / mask[chosen].sum()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def reinforce(
    stage: Stage, base: Path, rounds: int, depths: tuple[int, ...], reward: str, last: int | None = None
) -> Path:
    """Go on to `last` of the rounds (all of them); at the end `rl/` holds the model and its tokenizer."""
    state, speaker = stage.load(), Speaker.load(base)
    model = speaker.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.0)
    if state:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    for step in range(state["step"] if state else 0, last or rounds):
        torch.manual_seed(stage.seed * 1_000_003 + step)
        ids, width = speaker.respond(asked := problems(stage.seed, step, depths), SAMPLES)
        said = speaker.read(asked, ids[:, width:])
        rewards = torch.tensor([REWARDS[reward](each) for each in said]).view(PROMPTS, SAMPLES)
        learn(speaker, optimizer, ids, width, advantages(rewards).flatten())
        told = {"reward": float(rewards.mean()), "mixed": int((rewards.std(1) > 0).sum())}
        worked_out = sum(each.is_worked_out for each in said) / len(said)
        stage.write(step=step + 1, **told, worked_out=worked_out, ended=sum(s.ended for s in said) / len(said))
        if (step + 1) % KEEP_EVERY == 0 or step + 1 == (last or rounds):
            stage.keep(step=step + 1, model=model.state_dict(), optimizer=optimizer.state_dict())
        if step + 1 in CHECKPOINTS:
            model.save_pretrained(stage.folder / "checkpoints" / f"round-{step + 1:03d}")
    model.save_pretrained(stage.folder / "rl")
    for file in base.glob("tokenizer*.json"):  # its own, and not with the padding of these batches
        shutil.copy(file, stage.folder / "rl" / file.name)
    return stage.folder / "rl"


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--rounds", default=300, show_default=True, help=f"Of {PROMPTS} problems, {UPDATES_A_ROUND} updates each."
)
@click.option("--depth", "depths", multiple=True, type=int, default=(2,), show_default=True, help="Repeatable.")
@click.option("--reward", default="answer", show_default=True, type=click.Choice([*REWARDS]), help="What earns 1.")
def main(seed: int, rounds: int, depths: tuple[int, ...], reward: str) -> None:
    """Train."""
    stage = Stage("reinforce", seed)
    click.echo(reinforce(stage, stage.folder / "base", rounds, depths, reward))


if __name__ == "__main__":
    main()
