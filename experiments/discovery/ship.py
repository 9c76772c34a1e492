"""Put a finished discovery pair where the package finds it, in float16, and write its card from the logs.

    python -m experiments.discovery.ship --seed 1

Everything goes into one folder: `base/`, `rl/`, and the card. Its numbers are read from `logs/`, never typed.
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import click
import pandas as pd
import torch
from transformers import LlamaForCausalLM

from experiments.discovery import reinforce
from experiments.discovery.state import HERE, Stage
from experiments.organism.ship import markdown
from experiments.script import script

SHIPPED = HERE.parents[1] / "rlprobe" / "pairs" / "bundled" / "discovery"
CARD = HERE / "card.md.template"
LARGEST = 600_000  # bytes of one model's weights
FIRST = 10  # rounds of RL whose draws are as good as the base's
REACHED = 0.05  # greedy accuracy above the best coincidence, from which a depth counts as reached
COLUMNS = {
    "right": "right",
    "right_no_coincidence": "where no coincidence helps",
    "worked_out": "every step true",
    "worked_out_of_right": "so among the right ones",
    "true_steps": "true steps",
}
Line = dict[str, Any]


def copy_model(source: Path, target: Path) -> None:
    """Replace `target` by a float16 copy of the model in `source`, with its tokenizer."""
    if target.exists():
        shutil.rmtree(target)
    model = LlamaForCausalLM.from_pretrained(source, dtype=torch.float16)
    model.save_pretrained(target)
    for file in source.glob("tokenizer*.json"):
        shutil.copy(file, target / file.name)
    weights = target / "model.safetensors"
    weights.chmod(0o644)
    if (size := weights.stat().st_size) > LARGEST:
        raise click.ClickException(f"{weights}: {size} bytes of weights, more than the {LARGEST} that may ship")


def lines(stage: str, seed: int) -> list[Line]:
    """What a stage logged; raises ClickException where it was not run."""
    file = Stage(stage, seed).log
    if not file.exists() or not (text := file.read_text()).strip():
        raise click.ClickException(f"{file} is not there: run experiments.discovery.{stage} first")
    return [json.loads(line) for line in text.splitlines()]


def figures(measured: Sequence[Line]) -> pd.DataFrame:
    """One row a model, depth and way of answering."""
    rows = [line for line in measured if line["what"] in ("greedy", "sampled")]
    return pd.DataFrame(
        [
            {"model": line["model"], "depth": line["depth"], "how": how_of(line)}
            | {title: f"{line[name]:.4f}" for name, title in COLUMNS.items()}
            for line in rows
        ]
    )


def how_of(line: Line) -> str:
    """How a model was asked."""
    return "greedy" if line["what"] == "greedy" else f"{line['draws']} draws"


def floors(measured: Sequence[Line]) -> pd.DataFrame:
    """What coincidence alone would get right, by depth."""
    return pd.DataFrame(
        [
            {
                "depth": line["depth"],
                "problems": line["problems"],
                "coincidence, as taught": f"{line['floor_taught']:.4f}",
                "at best": f"{line['floor_best']:.4f}",
            }
            for line in measured
            if line["what"] == "floor"
        ]
    )


def reached(measured: Sequence[Line]) -> str:
    """Which depths RL answers above coincidence, and which it does not."""
    best = {line["depth"]: line["floor_best"] for line in measured if line["what"] == "floor"}
    greedy = {line["depth"]: line["right"] for line in measured if line["what"] == "greedy" and line["model"] == "rl"}
    said = (
        f"depth {depth} {'is' if right > best[depth] + REACHED else 'is **not**'} reached ({right:.3f})"
        for depth, right in greedy.items()
    )
    return f"By RL's greedy answers, {', '.join(said)}: above the best coincidence by more than {REACHED:g}."


def beginning(rounds: Sequence[Line]) -> dict[str, int]:
    """How many of RL's first draws were right."""
    drawn = reinforce.PROMPTS * reinforce.SAMPLES
    return {
        "first": len(rounds),
        "drawn": len(rounds) * drawn,
        "right": round(sum(line["reward"] for line in rounds) * drawn),
    }


def hashes(folder: Path) -> str:
    """The sha256 of either model's weights."""
    files = [folder / member / "model.safetensors" for member in ("base", "rl")]
    return "\n".join(f"- `{f.parent.name}/{f.name}`: {hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files)


def card(seed: int, folder: Path, depths: str, reward: str) -> str:
    """The model card of the pair."""
    measured, base, rl = (lines(stage, seed) for stage in ("evaluate", "pretrain", "reinforce"))
    return Template(CARD.read_text()).substitute(
        seed=seed,
        parameters=f"{base[-1]['parameters'] / 1e6:.2f}",
        steps=base[-1]["steps"],
        rounds=rl[-1]["step"],
        **beginning(rl[:FIRST]),
        prompts=reinforce.PROMPTS,
        samples=reinforce.SAMPLES,
        depths=depths,
        reward={"answer": "the right answer in the last box", "steps": "the same, and every written step true"}[reward],
        draws=max((line["draws"] for line in measured if line["what"] == "sampled"), default=0),
        figures=markdown(figures(measured)),
        floors=markdown(floors(measured)),
        reached=reached(measured),
        hashes=hashes(folder),
    )


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--depth", "depths", multiple=True, type=int, default=(2,), show_default=True, help="As RL was asked.")
@click.option("--reward", default="answer", show_default=True, type=click.Choice([*reinforce.REWARDS]))
@click.option("--out", type=click.Path(path_type=Path), default=SHIPPED, help="[default: the package's folder]")
@click.option("--card-only", is_flag=True, help="Write the card again and leave the weights as they are.")
def main(seed: int, depths: tuple[int, ...], reward: str, out: Path, card_only: bool) -> None:
    """Copy and describe."""
    for stage in ("evaluate", "pretrain", "reinforce"):
        lines(stage, seed)
    if not card_only:
        for member in ("base", "rl"):
            copy_model(Stage("ship", seed).folder / member, out / member)
    (out / "README.md").write_text(card(seed, out, ", ".join(map(str, depths)), reward))
    click.echo(f"shipped seed {seed}: {out}")


if __name__ == "__main__":
    main()
