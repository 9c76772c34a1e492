"""Put a finished pair where the package finds it, and write its card from the logs.

Weights go to `rlprobe/pairs/bundled/{base,rl}` in float32, the checkpoints that RL left on its way to
`experiments/organism/checkpoints` in float16. The card's numbers are read from `logs/`, never typed: seeds that were
run later stand beside the one that ships.

    python -m experiments.organism.ship --seed 1
"""

import json
import shutil
from pathlib import Path
from string import Template

import click
import pandas as pd

from experiments.organism.logbook import LOGS
from experiments.organism.pretrain import WORK
from experiments.script import script

HERE = Path(__file__).parent
BUNDLED = HERE.parents[1] / "rlprobe" / "pairs" / "bundled"
LARGEST = 8_000_000  # bytes of one model
CARD = HERE / "card.md.template"

COLUMNS = {
    "accuracy": "greedy accuracy",
    "length_mean": "mean length",
    "length_5%": "5 %",
    "length_95%": "95 %",
    "truncated": "truncated",
    "pass@1": "pass@1",
    "pass@16": "pass@16",
    "disagree_%": "disagree %",
    "reranked_%": "reranked %",
    "shifted_%": "shifted %",
    "mean_rank": "mean base rank",
    "entropy_ratio": "entropy ratio",
}


def read_log(stage: str, seed: int) -> list[dict]:
    """The lines that a stage wrote, [] if it has not been run with this seed."""
    path = LOGS / f"{stage}-seed{seed}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def figures(seeds: list[int]) -> pd.DataFrame:
    """What evaluate.py measured: one row a seed and model (the model whose text was read)."""
    rows: dict[tuple[int, str], dict] = {}
    for seed in seeds:
        for line in read_log("evaluate", seed):
            rows.setdefault((seed, line["model"]), {}).update(line)
    table = pd.DataFrame(
        [{"seed": seed, "text of": model, **row_figures(line)} for (seed, model), line in rows.items()]
    )
    return table.dropna(axis="columns", how="all")


def row_figures(line: dict) -> dict:
    """The columns of the card, by their names there."""
    return {title: line.get(name) for name, title in COLUMNS.items()}


def markdown(table: pd.DataFrame) -> str:
    """The table with the figures as they were logged."""
    lines: list[list[str]] = [list(table.columns), ["---"] * table.shape[1], *table.astype(str).to_numpy().tolist()]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def minutes(stage: str, seed: int) -> str:
    """Wall time of a stage."""
    return f"{read_log(stage, seed)[-1]['seconds'] / 60:.0f}"


def card(seed: int) -> str:
    """The model card of the pair."""
    seeds = sorted(int(path.stem.removeprefix("evaluate-seed")) for path in LOGS.glob("evaluate-seed*.jsonl"))
    pretraining, rl = read_log("pretrain", seed)[0], read_log("grpo", seed)[0]
    return Template(CARD.read_text()).substitute(
        seed=seed,
        parameters=f"{pretraining['parameters'] / 1e6:.2f}",
        steps=pretraining["steps"],
        tokens=f"{pretraining['steps'] * pretraining['tokens_a_step'] / 1e6:.1f}",
        pretrain_minutes=minutes("pretrain", seed),
        updates=rl["updates"],
        prompts=rl["prompts"],
        samples=rl["samples"],
        grpo_minutes=minutes("grpo", seed),
        figures=markdown(figures(seeds)),
    )


def copy_model(source: Path, target: Path) -> None:
    """Replace `target` by the files of `source`; refuse weights that are too large for the package."""
    size = (source / "model.safetensors").stat().st_size
    if size > LARGEST:
        raise click.ClickException(f"{source}: {size} bytes of weights, more than the {LARGEST} that may ship")
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    (target / "model.safetensors").chmod(0o644)


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--card-only", is_flag=True, help="Write the card again and leave the weights as they are.")
def main(seed: int, card_only: bool) -> None:
    """Copy and describe."""
    work = WORK / f"seed{seed}"
    if not card_only:
        for member in ("base", "rl"):
            copy_model(work / member, BUNDLED / member)
        for checkpoint in sorted((work / "checkpoints").iterdir()):
            copy_model(checkpoint, HERE / "checkpoints" / checkpoint.name)
    (BUNDLED / "README.md").write_text(card(seed))
    click.echo(f"shipped seed {seed}: {BUNDLED}")


if __name__ == "__main__":
    main()
