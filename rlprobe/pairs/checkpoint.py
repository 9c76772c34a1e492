"""A model's weights where they lie on disk: tensors by name, read in slices, so that no model is ever loaded whole.

Knows safetensors files, in one piece or in shards, in a folder or in the Hub's cache; not what a tensor is for.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs.sources import SAFETENSORS, Source, find_file, loading_errors, weight_files

SAFETENSORS_SUFFIX = ".safetensors"
DTYPES = ("F64", "F32", "F16", "BF16")  # what a weight can be stored as, in the words of safetensors


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a checkpoint, on disk. Indexing reads that part of it, in the dtype it is stored in."""

    name: str
    file: Path
    shape: tuple[int, ...]
    dtype: str

    def __getitem__(self, index: Any) -> Tensor:
        from safetensors import safe_open

        # opened for every slice: the pages of a file that stays open would add up to the whole model
        with safe_open(self.file, framework="pt") as opened:
            return opened.get_slice(self.name)[index]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """One tensor of a model in memory, read like a `Stored`; `dtype` is in the words of safetensors."""

    name: str
    tensor: Tensor
    dtype: str

    @property
    def shape(self) -> tuple[int, ...]:
        """As it is in the network."""
        return tuple(self.tensor.shape)

    def __getitem__(self, index: Any) -> Tensor:
        return self.tensor[index]


def stored_tensors(source: Source) -> dict[str, Stored]:
    """Every tensor of a model by name, in the order of its files.

    Raises NotAvailable without safetensors files, and IncompatiblePair for quantised weights.
    """
    if source.name.startswith("live:"):
        raise NotAvailable(f"{source.name} is a model in memory, and files are read here: save it, and give the folder")
    found: dict[str, Stored] = {}
    with loading_errors(source.name):
        for file in _files(source):
            found |= _tensors(file)
    refuse_quantised(source, found.values())
    return found


def refuse_quantised(source: Source, tensors: Iterable[Stored]) -> None:
    """Raise IncompatiblePair for a weight that is stored as anything but a floating-point number."""
    for tensor in tensors:
        if tensor.dtype not in DTYPES:
            raise IncompatiblePair(
                f"{source.name}: {tensor.name} is stored as {tensor.dtype}; weights are read as they were trained, "
                "so give a checkpoint that is not quantised"
            )


def stored_parameters(source: Source, names: Collection[str]) -> list[Stored]:
    """The tensors of a model that are called like one of `names`; none where they lie in no safetensors files."""
    if not all(file.endswith(SAFETENSORS_SUFFIX) for file in weight_files(source.name, source.revision)):
        return []
    return [tensor for file in _files(source) for name, tensor in _tensors(file).items() if name in names]


def _files(source: Source) -> list[Path]:
    names = weight_files(source.name, source.revision) or [SAFETENSORS]
    files = [find_file(source.name, source.revision, name) for name in names if name.endswith(SAFETENSORS_SUFFIX)]
    if None in files or len(files) < len(names):
        missing = names[files.index(None)] if None in files else SAFETENSORS
        raise NotAvailable(
            f"{source.name} has no {missing}; weights are read from safetensors files: "
            "load the model with transformers and save_pretrained it"
        )
    return [file for file in files if file]


def _tensors(file: Path) -> dict[str, Stored]:
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - not a dictionary
        return {name: Stored(name, file, tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
