"""Put a finished discovery pair into a folder, in float16: `base/`, `rl/` and the held-out problems.

python -m experiments.discovery.ship --seed 1 --out rlprobe/pairs/bundled/discovery
"""

import shutil
from pathlib import Path

import click
import torch
from transformers import LlamaForCausalLM

from experiments.discovery.functions import HELD_OUT_FILE
from experiments.discovery.state import Stage

LARGEST = 600_000  # bytes of one model's weights


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


@click.command(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="[default: work/seed<seed>/shipped]")
def main(seed: int, out: Path | None) -> None:
    """Copy."""
    stage = Stage("ship", seed)
    target = out or stage.folder / "shipped"
    for member in ("base", "rl"):
        copy_model(stage.folder / member, target / member)
    shutil.copy(HELD_OUT_FILE, target / HELD_OUT_FILE.name)
    click.echo(f"shipped seed {seed}: {target}")


if __name__ == "__main__":
    main()
