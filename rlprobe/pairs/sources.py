"""One member of a pair before its weights: where it lies, its config, its tokenizer, and the files that decide it.

A name is a Hub id, a folder, a GGUF file (dequantised when it is loaded), or `MODEL+ADAPTER` (PEFT). Which weights
count is said once, here, as transformers loads them: the GGUF file that was named; else model.safetensors; else the
shards that its index lists; else the same two of pytorch_model.bin. What lies beside them is neither read nor hashed.
"""

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rlprobe.errors import BadInput, NotAvailable
from rlprobe.pairs.devices import parts_of

_log = logging.getLogger(__name__)
_TOKENIZER_PROBE = "Ann's 12,345 eggs:  x²=√2\n\n\tdon't \\boxed{60%}. 你好"
SAFETENSORS, PICKLE = "model.safetensors", "pytorch_model.bin"
ADAPTER_WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
_BESIDE_WEIGHTS = (  # the other files that decide what a model says, or what it is told
    *("config.json", "generation_config.json", "adapter_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("tokenizer.model", "vocab.json", "merges.txt", "chat_template.jinja"),
)
_BLOB = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")  # what the Hub's cache calls a file: the hash of its content
_CLASSIFIERS = ("ForSequenceClassification", "ForTokenClassification", "ForRewardModel", "ForQuestionAnswering")


@dataclass(frozen=True)
class Source:
    """One member before its weights: where it is, and its config and tokenizer."""

    name: str
    adapter: str | None
    revision: str | None
    device: str
    config: Any
    generation: Any
    tokenizer: Any
    files: dict[str, str]  # file name -> sha256 (local folders) or Hub blob name
    weight_bytes: int
    adapter_revision: str | None = None
    trust_remote_code: bool = False

    @property
    def devices(self) -> list[str]:
        """Where its weights lie: on one device, or spread over several."""
        return parts_of(self.device)

    @property
    def first_device(self) -> torch.device:
        """Where ids go in."""
        return torch.device(self.devices[0])

    @property
    def is_spread(self) -> bool:
        """Whether accelerate places it."""
        return self.device == "auto" or len(self.devices) > 1

    @property
    def full_name(self) -> str:
        """As it is called on the command line."""
        return self.name + (f"+{self.adapter}" if self.adapter else "")

    @property
    def reading(self) -> dict[str, Any]:
        """Where transformers finds the model: its positional argument's name and everything beside it."""
        return reading_of(self.name, self.revision, self.trust_remote_code)


def reading_of(name: str, revision: str | None, trust_remote_code: bool = False) -> dict[str, Any]:
    """The arguments with which transformers finds a model, a config or a tokenizer of that name."""
    folder, gguf = place_of(name)
    found: dict[str, Any] = {
        "pretrained_model_name_or_path": folder,
        "revision": revision,
        "trust_remote_code": trust_remote_code,
    }
    return found | ({"gguf_file": gguf} if gguf else {})


def place_of(name: str) -> tuple[str, str | None]:
    """(folder or Hub id, the GGUF file in it or None)."""
    if not name.endswith(".gguf"):
        return name, None
    folder, _, file = name.rpartition("/")
    return folder or ".", file


def find_source(
    spec: str,
    revision: str | None,
    device: str,
    like: Source | None = None,
    trust_remote_code: bool = False,
) -> Source:
    """One member, without its weights; a folder without a tokenizer, as a trainer leaves it, has that of `like`.

    With an adapter, `revision` is the adapter's, and the model under it is read at the revision of `like` where it is
    the same model. Raises BadInput, or NotAvailable for what cannot be found or read.
    """
    from transformers import AutoConfig

    name, adapter = _split(spec, like)
    if adapter:
        own = like.revision if like and like.name == name else None
        revision, adapter_revision = own, revision
    else:
        adapter_revision = None
    _refuse_gguf(name)
    reading = reading_of(name, revision, trust_remote_code)
    with loading_errors(name):
        config = AutoConfig.from_pretrained(**reading)
        lacks = like is not None and _lacks_tokenizer(Path(name))
        tokenizer = like.tokenizer if like and lacks else load_tokenizer(name, revision, trust_remote_code)
        generation = _generation_config(name, revision)
        files = _files(name, revision, weight_files(name, revision))
    if adapter:
        with loading_errors(adapter):
            files |= {f"adapter/{file}": it for file, it in _adapter_files(adapter, adapter_revision).items()}
    _refuse_classifier(name, config)
    return Source(
        name=name,
        adapter=adapter,
        revision=_commit(name, revision),
        device=device,
        config=config.get_text_config(),
        generation=generation,
        tokenizer=tokenizer,
        files={file: content for file, (content, _) in files.items()},
        weight_bytes=sum(size for _, size in files.values()),
        adapter_revision=adapter_revision,
        trust_remote_code=trust_remote_code,
    )


def _split(spec: str, like: Source | None) -> tuple[str, str | None]:
    """(model, adapter or None) of a name; `base+ADAPTER` stands on the pair's own base."""
    if like and spec.startswith("base+"):
        if like.adapter:
            raise BadInput(
                f"the base is {like.full_name}, which carries an adapter itself: two adapters cannot be stacked; "
                "merge the base's (PEFT's merge_and_unload, then save_pretrained) and give the merged folder"
            )
        return like.name, spec.removeprefix("base+")
    if "+" not in spec or Path(spec).exists():
        return spec, None
    name, adapter = spec.rsplit("+", 1)
    return name, adapter


def _lacks_tokenizer(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.glob("tokenizer*")) and not any(folder.glob("vocab*"))


def _generation_config(name: str, revision: str | None) -> Any:
    """The generation config, None where there is no such file (most local checkpoints have none)."""
    from transformers import GenerationConfig

    folder, gguf = place_of(name)
    if gguf or find_file(folder, revision, "generation_config.json") is None:
        return None
    return GenerationConfig.from_pretrained(folder, revision=revision or "main")


def _refuse_gguf(name: str) -> None:
    """A GGUF file that cannot be read here, and a folder that holds nothing else, in one line each."""
    import importlib.util

    folder, gguf = place_of(name)
    if gguf and importlib.util.find_spec("gguf") is None:
        raise NotAvailable(
            f"{name} is a GGUF file, and the package that reads them is missing: pip install 'rlprobe[gguf]'"
        )
    if gguf and Path(folder).is_dir() and not Path(name).is_file():
        raise NotAvailable(f"there is no file {name}; check the name")
    found = sorted(Path(name).glob("*.gguf")) if not gguf and Path(name).is_dir() else []
    if found and not (Path(name) / "config.json").exists():
        raise NotAvailable(f"{name} holds only a GGUF file; give the file itself: {found[0]}")


def _refuse_classifier(name: str, config: Any) -> None:
    """A critic or a reward model speaks no tokens, however well its trunk fits."""
    for architecture in getattr(config, "architectures", None) or ():
        if architecture.endswith(_CLASSIFIERS):
            raise NotAvailable(
                f"{name} is a {architecture} (a critic, a reward model or another classifier), which says no tokens; "
                "give the policy's checkpoint"
            )


# ---- tokenizers ------------------------------------------------------------------------------------------------------


def load_tokenizer(name: str, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The tokenizer as its own tokenizer.json has it.

    AutoTokenizer rebuilds some model types with a pre-tokenizer of their own, whatever the file says; ids then change
    silently while decoding still round-trips. So the two are compared and the file wins.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder, gguf = place_of(name)
    tokenizer = AutoTokenizer.from_pretrained(**reading_of(name, revision, trust_remote_code))
    if gguf or find_file(folder, revision, "tokenizer.json") is None:
        return tokenizer
    exact = PreTrainedTokenizerFast.from_pretrained(name, revision=revision or "main")
    encoded = [t.encode(_TOKENIZER_PROBE, add_special_tokens=False) for t in (tokenizer, exact)]
    if encoded[0] == encoded[1]:
        return tokenizer
    _log.warning("%s: AutoTokenizer does not encode as its tokenizer.json does; the file is used", name)
    return exact


# ---- files -----------------------------------------------------------------------------------------------------------


def find_file(name: str, revision: str | None, file: str) -> Path | None:
    """A file of a model's, in its folder or (downloaded if need be) in the Hub's cache; None where it has none."""
    from transformers.utils import cached_file

    found = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return Path(found) if found else None


def _commit(name: str, revision: str | None) -> str | None:
    """The commit of a model on the Hub, as its cache calls the folder of its config; None for what lies elsewhere."""
    folder, gguf = place_of(name)
    file = None if gguf or Path(folder).is_dir() else find_file(folder, revision, "config.json")
    return file.parent.name if file and file.parent.parent.name == "snapshots" else None


def weight_files(name: str, revision: str | None) -> list[str]:
    """The names of the files that hold a model's weights, in the order in which they are read; none where none are."""
    folder, gguf = place_of(name)
    if gguf:
        return [gguf]
    for single in (SAFETENSORS, PICKLE):
        if has_file(folder, revision, single):
            return [single]
        if index := find_file(folder, revision, f"{single}.index.json"):
            return _listed(index)
    return []


def _listed(index: Path) -> list[str]:
    """The shards that an index names; anything else in its place is damage."""
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotAvailable(f"{index} is damaged: it lists no shards of weights; copy or download it again") from None


def has_file(name: str, revision: str | None, file: str) -> bool:
    """Whether a model has a file, which is not downloaded to find out."""
    if Path(name).is_dir():
        return (Path(name) / file).is_file()
    return _on_hub(name, revision, file) is not None


def _files(name: str, revision: str | None, weights: list[str]) -> dict[str, tuple[str, int]]:
    """What decides what a model says: file -> (hash of its content, its bytes where it holds weights, else 0)."""
    folder, _ = place_of(name)
    found = {}
    for file in sorted({*_BESIDE_WEIGHTS, *weights}):
        if (content := _content(folder, revision, file)) is not None:
            found[file] = content if file in weights else (content[0], 0)
    return found


def _adapter_files(adapter: str, revision: str | None) -> dict[str, tuple[str, int]]:
    weights = next((file for file in ADAPTER_WEIGHTS if has_file(adapter, revision, file)), None)
    if weights is None or not has_file(adapter, revision, "adapter_config.json"):
        raise NotAvailable(
            f"{adapter} is no adapter: it has no {'adapter_config.json' if weights else ADAPTER_WEIGHTS[0]}; "
            "give the folder that PEFT's save_pretrained wrote"
        )
    return _files(adapter, revision, [weights])


def _content(folder: str, revision: str | None, file: str) -> tuple[str, int] | None:
    """(hash, bytes) of a file; of one on the Hub what its cache calls it, which is known before it is downloaded."""
    if not Path(folder).is_dir():
        return _on_hub(folder, revision, file)
    path = Path(folder) / file
    if not path.is_file():
        return None
    blob = path.resolve()
    if path.is_symlink() and blob.parent.name == "blobs" and _BLOB.fullmatch(blob.name):
        return blob.name, blob.stat().st_size
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), path.stat().st_size


def _on_hub(name: str, revision: str | None, file: str) -> tuple[str, int] | None:
    """The same of a file on the Hub: as it lies in the cache, else as the Hub describes it; None where it has none."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, OfflineModeIsEnabled

    cached = try_to_load_from_cache(name, file, revision=revision)
    if isinstance(cached, str):
        blob = Path(cached).resolve()
        return blob.name, blob.stat().st_size
    if cached is not None:  # the cache knows that there is none
        return None
    try:
        about = get_hf_file_metadata(hf_hub_url(name, file, revision=revision))
    except (EntryNotFoundError, OfflineModeIsEnabled):
        return None
    except HfHubHTTPError:
        raise
    except Exception:  # no network: what the cache holds of the model is all there is
        configs = (try_to_load_from_cache(name, f"{kind}config.json", revision=revision) for kind in ("", "adapter_"))
        if any(isinstance(config, str) for config in configs):
            return None
        raise
    return str(about.etag), about.size or 0


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Everything that transformers, PEFT, torch, safetensors and the Hub client say of a model, in one line."""
    from safetensors import SafetensorError

    from rlprobe.errors import RlprobeError

    try:
        yield
    except RlprobeError:
        raise
    except SafetensorError as error:
        raise NotAvailable(f"the weights of {name} are damaged ({error}); download or copy them again") from error
    except Exception as error:  # any class of any of those libraries: a checkpoint can be broken in any way
        raise NotAvailable(f"{name} cannot be loaded ({_first_line(error)}); {_cure(name, error)}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _cure(name: str, error: Exception) -> str:
    words = str(error)
    if "trust_remote_code" in words:
        return "it brings code of its own: read that code, and give --trust-remote-code if you trust it"
    if "weights_only" in words or "pickle" in type(error).__name__.lower():
        return (
            "pickled weights are read as plain tensors only: where you trust the file, load it with "
            "torch.load(..., weights_only=False) and save it with safetensors.torch.save_file"
        )
    if isinstance(error, ImportError):
        return "install what is missing, or give a checkpoint that is not quantised"
    if Path(place_of(name)[0]).exists():
        return "check the folder"
    return "check the name; offline, give a local folder or fill the Hub cache first"
