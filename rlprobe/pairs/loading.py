"""From two names to a pair: first what can be known without weights (`locate`), then the weights (`load`).

A name is a Hub id, a folder, or `MODEL+ADAPTER` (PEFT). When the adapter stands on the pair's own base (`base+ADAPTER`,
or the base's name), both members share one set of weights and the adapter is switched on and off.
Everything a run needs to know about its pair to be resumed, read or refused comes from `locate`.
"""

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from rlprobe.errors import BadInput, IncompatiblePair, NotAvailable
from rlprobe.pairs.compatibility import (
    CommonVocabulary,
    attention_kinds,
    common_vocabulary,
    config_differences,
    stop_ids,
)
from rlprobe.pairs.devices import device_of
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.pairs.registry import PAIRS

_log = logging.getLogger(__name__)
_TOKENIZER_PROBE = "Ann's 12,345 eggs:  x²=√2\n\n\tdon't \\boxed{60%}. 你好"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class PairChoice:
    """Which pair, and on what: either `pair` (a registered name) or both `base` and `rl`.

    dtype "auto" is float32 on a CPU and the checkpoint's own elsewhere; a device of one member overrides `device`.
    """

    pair: str | None = None
    base: str | None = None
    rl: str | None = None
    base_revision: str | None = None
    rl_revision: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    base_device: str | None = None
    rl_device: str | None = None

    def resolved(self) -> "PairChoice":
        """The same choice with the registry's names, revisions and this machine's device filled in."""
        device = device_of(self.device)
        if self.pair is None:
            return replace(self, device=device)
        if self.pair not in PAIRS:
            raise BadInput(f"no pair is called {self.pair!r}; known: {', '.join(PAIRS)} (or give --base and --rl)")
        entry = PAIRS[self.pair]
        return replace(
            self,
            base=entry.base,
            rl=entry.rl,
            base_revision=self.base_revision or entry.base_revision,
            rl_revision=self.rl_revision or entry.rl_revision,
            device=device,
        )


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


@dataclass(frozen=True)
class LocatedPair:
    """All that is known of a pair without its weights."""

    base: Source
    rl: Source
    dtype: str
    vocabulary: CommonVocabulary
    stop_ids: tuple[int, ...]
    differences: dict[str, tuple[Any, Any]]

    @property
    def tokenizer(self) -> Any:
        """The base's; over the common vocabulary the two are the same."""
        return self.base.tokenizer

    @property
    def context(self) -> int:
        """Positions that both models can read."""
        return min(context_length(self.base.config), context_length(self.rl.config))

    @cached_property
    def loaded(self) -> ModelPair:
        """The pair with its weights, loaded the first time that somebody asks."""
        return load(self)

    def identity(self) -> dict[str, Any]:
        """What makes this pair this pair: contents and revisions, not the names or folders it was found under."""
        ids = self.vocabulary.ids
        return {
            "base": {"files": self.base.files, "revision": self.base.revision},
            "rl": {"files": self.rl.files, "revision": self.rl.revision},
            "vocabulary": {"size": len(ids), "sha256": hashlib.sha256(ids.numpy().tobytes()).hexdigest()},
            "stop_ids": list(self.stop_ids),
            "dtype": self.dtype,
            "device": {"base": torch.device(self.base.device).type, "rl": torch.device(self.rl.device).type},
        }


def locate(choice: PairChoice) -> LocatedPair:
    """Find both members, compare their tokenizers and configs, and refuse a pair that cannot be compared."""
    choice = choice.resolved()
    if not choice.base or not choice.rl:
        raise BadInput("give both --base and --rl, or a --pair")
    if choice.dtype not in ("auto", *DTYPES):
        raise BadInput(f"dtype {choice.dtype!r} is none of auto, {', '.join(DTYPES)}")
    base_device, rl_device = (device_of(own or choice.device) for own in (choice.base_device, choice.rl_device))
    base = _source(choice.base, choice.base_revision, base_device)
    rl_name = base.name + choice.rl[len("base") :] if choice.rl.startswith("base+") else choice.rl
    rl = _source(rl_name, choice.rl_revision, rl_device, like=base)
    for source in (base, rl):
        attention_kinds(source.config)
    rows = (base.config.vocab_size, rl.config.vocab_size)
    return LocatedPair(
        base=base,
        rl=rl,
        dtype=_dtype(choice, base),
        vocabulary=common_vocabulary(base.tokenizer.get_vocab(), rl.tokenizer.get_vocab(), rows),
        stop_ids=tuple(stop_ids(x for s in (base, rl) for x in (s.config, s.generation, s.tokenizer))),
        differences=config_differences(base.config.to_dict(), rl.config.to_dict()),
    )


def load(located: LocatedPair) -> ModelPair:
    """Load the weights of a located pair. Members on the same base weights share them."""
    base, rl = located.base, located.rl
    base_network = _network(base, located.dtype)
    shared = rl.adapter and (rl.name, rl.device, base.adapter) == (base.name, base.device, None)
    rl_network = base_network if shared else _network(rl, located.dtype)
    if rl.adapter:
        _add_adapter(rl_network, rl.adapter)
    switches = {"base": _adapter_off(base_network), "rl": _adapter_on(rl_network)} if shared else {}
    members = {
        name: _model(source, network, located.vocabulary, switches.get(name))
        for name, source, network in (("base", base, base_network), ("rl", rl, rl_network))
    }
    return ModelPair(
        **members, vocabulary=located.vocabulary, stop_ids=frozenset(located.stop_ids), tokenizer=located.tokenizer
    )


def context_length(config: Any) -> int:
    """Positions that a model can read; 2**31 where its config sets no limit."""
    return getattr(config, "max_position_embeddings", None) or 2**31


def _dtype(choice: PairChoice, base: Source) -> str:
    if choice.dtype != "auto":
        return choice.dtype
    if torch.device(base.device).type == "cpu":
        return "float32"
    own = getattr(base.config, "dtype", None) or torch.float32
    return str(own).removeprefix("torch.")


def _source(spec: str, revision: str | None, device: str, like: Source | None = None) -> Source:
    """One member; a folder without a tokenizer, as a training run leaves its checkpoints, has that of `like`."""
    name, adapter = (spec, None) if "+" not in spec or Path(spec).is_dir() else spec.rsplit("+", 1)
    from transformers import AutoConfig, GenerationConfig

    with loading_errors(name):
        config = AutoConfig.from_pretrained(name, revision=revision)
        tokenizer = like.tokenizer if like and _lacks_tokenizer(Path(name)) else load_tokenizer(name, revision)
        try:
            generation = GenerationConfig.from_pretrained(name, revision=revision or "main")
        except OSError:  # most local checkpoints have none
            generation = None
    files = _files(name, revision)
    hashes = {file.name: _content(file) for file in files}
    hashes |= {f"adapter/{file.name}": _content(file) for file in (_files(adapter, None) if adapter else [])}
    return Source(
        name=name,
        adapter=adapter,
        revision=getattr(config, "_commit_hash", None),
        device=device,
        config=config.get_text_config(),
        generation=generation,
        tokenizer=tokenizer,
        files=hashes,
        weight_bytes=sum(file.stat().st_size for file in files),
    )


def _lacks_tokenizer(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.glob("tokenizer*")) and not any(folder.glob("vocab*"))


def load_tokenizer(name: str, revision: str | None = None) -> Any:
    """The tokenizer as its own tokenizer.json has it.

    AutoTokenizer rebuilds some model types with a pre-tokenizer of their own, whatever the file says; ids then change
    silently while decoding still round-trips. So the two are compared and the file wins.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    file = find_file(name, revision, "tokenizer.json")
    if file is None:
        return tokenizer
    exact = PreTrainedTokenizerFast.from_pretrained(name, revision=revision or "main")
    encoded = [t.encode(_TOKENIZER_PROBE, add_special_tokens=False) for t in (tokenizer, exact)]
    if encoded[0] == encoded[1]:
        return tokenizer
    _log.warning("%s: AutoTokenizer does not encode as its tokenizer.json does; the file is used", name)
    return exact


def find_file(name: str, revision: str | None, file: str) -> Path | None:
    """A file of a model's, in its folder or (downloaded if need be) in the Hub's cache; None where it has none."""
    from transformers.utils import cached_file

    found = cached_file(name, file, revision=revision, _raise_exceptions_for_missing_entries=False)
    return Path(found) if found else None


def _files(name: str, revision: str | None) -> list[Path]:
    """The files that decide what a model says."""
    folder = Path(name)
    if not folder.is_dir():
        config = find_file(name, revision, "config.json")
        if config is None:
            return []
        folder = config.parent
    wanted = ("*.safetensors", "*.bin", "*config.json", "tokenizer.json")
    return sorted({file for pattern in wanted for file in folder.glob(pattern)})


def _content(file: Path) -> str:
    """The hash of a file's content; a Hub snapshot's links already name it."""
    if file.is_symlink():
        return file.resolve().name
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def loading_errors(name: str) -> Iterator[None]:
    """Everything that transformers, safetensors and the Hub client say about a model that is not there, in one line."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        raise NotAvailable(f"the weights of {name} are damaged ({error}); download or copy them again") from error
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        cure = (
            "check the folder"
            if Path(name).exists()
            else "check the name; offline, give a local folder or fill the Hub cache first"
        )
        raise NotAvailable(f"{name} cannot be loaded ({reason}); {cure}") from error


def _network(source: Source, dtype: str) -> Any:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # one bar a shard of weights hides what we have to say
    attention = "eager" if getattr(source.config, "attn_logit_softcapping", None) else "sdpa"
    with loading_errors(source.name):
        network: Any = AutoModelForCausalLM.from_pretrained(
            source.name,
            revision=source.revision,
            dtype=DTYPES[dtype],
            attn_implementation=attention,
        )
    if getattr(network, "_is_stateful", False):
        raise IncompatiblePair(f"{source.name} ({source.config.model_type}) keeps a state that cannot be rewound")
    network.eval().requires_grad_(False)
    return network.to(source.device)


def _add_adapter(network: Any, adapter: str) -> None:
    with loading_errors(adapter):
        network.load_adapter(adapter)
    network.eval().requires_grad_(False)


def _adapter_off(network: Any) -> Any:
    @contextmanager
    def switch() -> Iterator[None]:
        network.disable_adapters()
        yield

    return switch


def _adapter_on(network: Any) -> Any:
    @contextmanager
    def switch() -> Iterator[None]:
        network.enable_adapters()
        yield

    return switch


def _model(source: Source, network: Any, vocabulary: CommonVocabulary, switch: Any) -> Model:
    head = network.get_output_embeddings()
    bias = getattr(head, "bias", None)
    extra = {"as_member": switch} if switch else {}
    model = Model(
        name=source.name + (f"+{source.adapter}" if source.adapter else ""),
        network=network,
        head_weight=vocabulary.rows_of(head.weight),
        head_bias=None if bias is None else vocabulary.rows_of(bias),
        context=context_length(source.config),
        attention_kinds=frozenset(attention_kinds(source.config)),
        **extra,
    )
    _check_head(model, vocabulary)
    return model


@torch.no_grad()
def _check_head(model: Model, vocabulary: CommonVocabulary) -> None:
    """Refuse an architecture whose logits are more than head x trunk (soft-capped, scaled)."""
    ids = vocabulary.ids[:8].to(model.device)[None]
    with model.as_member():
        full = model.network(input_ids=ids).logits[0].float()  # (8, head rows)
    full = full[:, vocabulary.ids.to(full.device)]
    weight = model.head_weight.float()
    ours = torch.nn.functional.linear(model.trunk(ids)[0].float().to(weight.device), weight)
    if model.head_bias is not None:
        ours = ours + model.head_bias.float()
    scale = float(full.abs().max()) + 1e-6
    if float((ours.to(full.device) - full).abs().max()) > 0.05 * scale:
        raise IncompatiblePair(
            f"{model.name}: the logits of this architecture are not its head times its trunk "
            "(soft-capping or scaling); rlprobe cannot read them"
        )
