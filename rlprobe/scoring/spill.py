"""Hidden states that wait on the disk for the other model's: one file a pass, removed when both have read.

In its own folder, whose name holds the digest of the run: what a killed run left there, its next one removes. Knows no
models.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from rlprobe import storage
from rlprobe.errors import RlprobeError
from rlprobe.runs import Run, Shard

_MARK = "spill.json"  # in the run: where the spill is


@dataclass(frozen=True)
class Spill:
    """A folder of hidden states, by shard and number of the pass."""

    folder: Path

    def put(self, shard: Shard, number: int, hidden: Tensor) -> None:
        """Keep the hidden states of a pass."""
        states = {"hidden": hidden.contiguous().cpu()}
        storage.write(self._file(shard, number), lambda file: save_file(states, file))

    def get(self, shard: Shard, number: int) -> Tensor:
        """Those of a pass, on the CPU."""
        return load_file(self._file(shard, number))["hidden"]

    def _file(self, shard: Shard, number: int) -> Path:
        arm = storage.digest_of(shard.arm)[:16]
        return self.folder / f"{arm}-{shard.start}-{shard.stop}-{shard.draw}.{number}.safetensors"


@contextmanager
def spilling(run: Run, where: Path | None) -> Iterator[Spill]:
    """A spill in `where`, else in the run, which is gone afterwards, however it ends but by a kill."""
    remove_spill(run)
    folder = (where or run.path).resolve() / _name(run)
    run.write_json(_MARK, {"folder": str(folder)})
    try:
        storage.make_folder(folder)
        yield Spill(folder)
    finally:
        remove_spill(run)


def remove_spill(run: Run) -> None:
    """Remove what a killed run left of its spill: files of hidden states alone, in a folder so named.

    Raises RlprobeError where the run names another folder.
    """
    if not run.file(_MARK).is_file():
        return
    folder = run.read_json(_MARK, lambda said: Path(said["folder"]))
    if folder.name != _name(run):
        raise RlprobeError(f"{run.file(_MARK)} names {folder}, which is no spill of this run: remove the file")
    if folder.is_dir() and not folder.is_symlink():
        for file in [*folder.glob("*.safetensors"), *folder.glob(".*.safetensors.part.safetensors")]:
            file.unlink()
        folder.rmdir()
    run.remove(_MARK)


def _name(run: Run) -> str:
    return f"spill-{storage.digest_of([run.identity, str(run.path.resolve())])[:16]}"
