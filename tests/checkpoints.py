"""Checkpoints as people have them: the tiny pair with one thing changed in its files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from rlprobe.pairs.loading import LocatedPair, locate
from rlprobe.settings import PairChoice

Weights = dict[str, Tensor]
WEIGHTS = "model.safetensors"


def copied(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))


def with_weights(folder: Path, change: Callable[[Weights], Weights], file: str = WEIGHTS) -> Path:
    """The folder, its weights changed in place."""
    changed = {name: tensor.contiguous() for name, tensor in change(load_file(folder / file)).items()}
    save_file(changed, folder / file, metadata={"format": "pt"})
    return folder


def with_json(folder: Path, file: str = "config.json", **change: object) -> Path:
    """The folder, settings of a JSON file changed in place."""
    path = folder / file
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | change))
    return folder


def located(base: Path | str, rl: Path | str, **choice: object) -> LocatedPair:
    return locate(PairChoice(base=str(base), rl=str(rl), device="cpu", **choice))  # type: ignore[arg-type]


@torch.no_grad()
def logprobs(network: torch.nn.Module, ids: Tensor, vocab: int) -> Tensor:
    """What a plain forward pass says, double precision over the first `vocab` ids."""
    return network(input_ids=ids[None], use_cache=False).logits[0, :, :vocab].double().log_softmax(-1)
