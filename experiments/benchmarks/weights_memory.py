"""Claim: `rlprobe weights` compares a pair of Qwen2.5-1.5B's shape in at most 4 GB of memory.

Two models of random bfloat16 weights are written as shards into a temporary folder (6.2 GB), the second the first with
noise on it, and the command runs on them in a process of its own, whose peak resident memory and time are measured.
Writes figures/weights_memory.csv.

    python -m experiments.benchmarks.weights_memory
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen2Config

from experiments.kept import FIGURES
from experiments.script import script
from rlprobe.pairs.registry import BUNDLED
from rlprobe.records import MEMBERS

WIDTH, MLP, KEYS, VOCABULARY = 1536, 8960, 256, 151936
MOST_GB = 4.0
NOISE = 1e-3  # of the weights' own scale
MATRICES = {
    **{f"self_attn.{name}_proj": shape for name, shape in zip("qo", [(WIDTH, WIDTH)] * 2, strict=True)},
    **{f"self_attn.{name}_proj": shape for name, shape in zip("kv", [(KEYS, WIDTH)] * 2, strict=True)},
    **{f"mlp.{name}_proj": shape for name, shape in zip(("gate", "up"), [(MLP, WIDTH)] * 2, strict=True)},
    "mlp.down_proj": (WIDTH, MLP),
}
VECTORS = {
    **{f"self_attn.{name}_proj.bias": size for name, size in zip("qkv", (WIDTH, KEYS, KEYS), strict=True)},
    **{f"{name}_layernorm.weight": WIDTH for name in ("input", "post_attention")},
}


def shards(layers: int) -> Iterator[dict[str, tuple[int, ...]]]:
    """The shapes of each file: the embedding with the final norm, then two layers a file."""
    yield {"model.embed_tokens.weight": (VOCABULARY, WIDTH), "model.norm.weight": (WIDTH,)}
    one = {f"{name}.weight": shape for name, shape in MATRICES.items()} | {n: (size,) for n, size in VECTORS.items()}
    for first in range(0, layers, 2):
        here = range(first, min(first + 2, layers))
        yield {f"model.layers.{layer}.{name}": shape for layer in here for name, shape in one.items()}


def write_pair(folder: Path, layers: int) -> int:
    """Both models as folders; returns how many weights each has."""
    generator, total = torch.Generator().manual_seed(0), 0
    index: dict[str, str] = {}
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=MLP,
        num_hidden_layers=layers,
        num_attention_heads=12,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    for member in MEMBERS:
        config.save_pretrained(folder / member)
        for file in BUNDLED.glob(f"{member}/tokenizer*"):
            shutil.copy(file, folder / member / file.name)
    for number, shapes in enumerate(shards(layers)):
        name = f"model-{number:05d}.safetensors"
        base = {tensor: 0.02 * _noise(shape, generator) for tensor, shape in shapes.items()}
        save_file(base, folder / "base" / name)
        rl = {tensor: weight + 0.02 * NOISE * _noise(weight.shape, generator) for tensor, weight in base.items()}
        save_file(rl, folder / "rl" / name)
        index |= dict.fromkeys(base, name)
        total += sum(weight.numel() for weight in base.values())
    for member in MEMBERS:
        (folder / member / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return total


def _noise(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.bfloat16)


def measure(folder: Path) -> dict[str, float]:
    """Run the command on the pair; its peak resident memory, its seconds, and those of its processors."""
    command = [sys.executable, "-m", "rlprobe", "weights", *(f"--{member}={folder / member}" for member in MEMBERS)]
    start = time.perf_counter()
    subprocess.run([*command, "--device=cpu", f"--out={folder / 'run'}"], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "peak GB": round(used.ru_maxrss * 1024 / 1e9, 2),
        "seconds": round(time.perf_counter() - start),
        "CPU seconds": round(used.ru_utime + used.ru_stime),
    }


@script(help=__doc__)
@click.option("--layers", default=28, show_default=True, help="Of Qwen2.5-1.5B's 28.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the shards go.  [default: the system's]")
def main(layers: int, folder: Path | None) -> None:
    """Write, measure, keep the numbers."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        total = write_pair(Path(made), layers)
        files = sum(file.stat().st_size for file in Path(made).glob("*/*.safetensors"))
        found = measure(Path(made))
    about = {
        "layers": layers,
        "weights": total,
        "GB on disk": round(files / 1e9, 2),
        "threads": torch.get_num_threads(),
    }
    table = pd.DataFrame([about | found | {"at most GB": MOST_GB, "holds": found["peak GB"] <= MOST_GB}])
    FIGURES.mkdir(exist_ok=True)
    table.to_csv(FIGURES / "weights_memory.csv", index=False)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
