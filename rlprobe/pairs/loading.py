"""From two names to a pair: first what can be known without weights (`locate`), then the weights (`load`).

When RL is a plain adapter on the pair's own base (`base+ADAPTER`, or the base's name), both members share one set of
weights and the adapter is switched on and off (adapters.py).
Everything a run needs to know about its pair to be resumed, read or refused comes from `locate`.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch

from rlprobe import own
from rlprobe.errors import BadInput
from rlprobe.pairs import adapters, live
from rlprobe.pairs.architecture import context_length, rope_border, state_kinds
from rlprobe.pairs.compatibility import (
    CommonVocabulary,
    common_vocabulary,
    config_differences,
    stop_ids,
    tokenizer_differences,
)
from rlprobe.pairs.devices import DISK, device_of, member_devices_of
from rlprobe.pairs.fetched import check_fetched, fetched_as
from rlprobe.pairs.kinds import kinds_of
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.pairs.networks import DTYPES, load_network, model_of
from rlprobe.pairs.registry import registered_pair
from rlprobe.pairs.sources import Source, find_source
from rlprobe.records import MEMBERS
from rlprobe.settings import PairChoice

# how a pair is read one of whose members cannot be rewound
SLOWLY = "both models are read by plain passes and decode in lock-step, as exact and slower"


@dataclass(frozen=True, eq=False)
class LocatedPair:
    """All that is known of a pair without its weights."""

    base: Source
    rl: Source
    dtype: str
    vocabulary: CommonVocabulary
    stop_ids: tuple[int, ...]
    differences: dict[str, tuple[Any, Any]]
    template_of: str = "base"

    @property
    def tokenizer(self) -> Any:
        """The base's; over the common vocabulary the two have the same tokens."""
        return self.base.tokenizer

    @property
    def prompt_tokenizer(self) -> Any:
        """The one that puts prompts into ids: its chat template, what it begins a text with, its merges."""
        return {"base": self.base, "rl": self.rl}[self.template_of].tokenizer

    @property
    def head_rows(self) -> dict[str, int]:
        """How many ids each member's head speaks of, by its config."""
        return {"base": self.base.config.vocab_size, "rl": self.rl.config.vocab_size}

    @property
    def devices(self) -> list[str]:
        """Those that compute with either member, each once."""
        both = (self.base, self.rl)
        return [name for name in dict.fromkeys(name for source in both for name in source.devices) if name != DISK]

    @property
    def context(self) -> int:
        """Positions that both models can read."""
        return min(context_length(self.base.config), context_length(self.rl.config))

    @cached_property
    def token_kinds(self) -> list[int]:
        """The kind of each token of the common vocabulary, as a number in the order of kinds.KINDS."""
        return kinds_of(self.tokenizer, self.vocabulary.ids.tolist(), self.stop_ids)

    @property
    def not_rewound(self) -> list[str]:
        """The members whose configs say that their state cannot be rewound, a line each."""
        return [
            f"{member} ({source.config.model_type}) has layers of kind {', '.join(sorted(kinds))}, whose state cannot "
            "be rewound"
            for member, source in zip(MEMBERS, (self.base, self.rl), strict=True)
            if (kinds := state_kinds(source.config))
        ]

    @cached_property
    def notices(self) -> list[str]:
        """What a user should know of the two before believing a number, a line each."""
        other = "base" if self.template_of == "rl" else "rl"
        lines = [f"the configs differ in {name}: {a!r} / {b!r}" for name, (a, b) in self.differences.items()]
        lines += [f"{line}: {SLOWLY}" for line in self.not_rewound]
        lines += [
            f"the tokenizers differ in {what}: prompts are made by that of {self.template_of} (--template-of {other} "
            "takes the other)"
            for what in tokenizer_differences(self.base.tokenizer, self.rl.tokenizer)
        ]
        for member, source in zip(MEMBERS, (self.base, self.rl), strict=True):
            stored = getattr(source.config, "dtype", None)
            if (
                isinstance(stored, torch.dtype)
                and torch.promote_types(stored, DTYPES[self.dtype]) != DTYPES[self.dtype]
            ):
                lines.append(
                    f"{member} is stored in {str(stored)[6:]} and read in {self.dtype}: its weights are rounded"
                )
            border, longest = rope_border(source.config), getattr(source.config, "max_position_embeddings", None)
            if border and border < (longest or border + 1):
                lines.append(
                    f"the rotary factors of {member} change at {border} positions ({source.config.model_type}): texts "
                    f"end there, though it reads {longest}"
                )
            if said := adapters.other_base(source):
                lines.append(said)
        return lines

    def identity(self) -> dict[str, Any]:
        """What makes this pair this pair: contents and revisions, not the names or folders it was found under."""
        ids = self.vocabulary.ids
        return {
            "base": {"files": self.base.files, "revision": self.base.revision},
            "rl": {"files": self.rl.files, "revision": self.rl.revision},
            "vocabulary": {"size": len(ids), "sha256": hashlib.sha256(ids.numpy().tobytes()).hexdigest()},
            "stop_ids": list(self.stop_ids),
            "dtype": self.dtype,
            "device": {"base": self.base.first_device.type, "rl": self.rl.first_device.type},
        }


def _resolved(choice: PairChoice) -> PairChoice:
    """The same choice with the registry's names, revisions and this machine's device filled in."""
    device = device_of(choice.device)
    if choice.pair is None:
        return replace(choice, device=device)
    entry = registered_pair(choice.pair)
    return replace(
        choice,
        base=entry.base,
        rl=entry.rl,
        base_revision=choice.base_revision or entry.base_revision,
        rl_revision=choice.rl_revision or entry.rl_revision,
        device=device,
    )


def locate(choice: PairChoice) -> LocatedPair:
    """Find both members, compare their tokenizers and configs, and refuse a pair that cannot be compared."""
    choice = _resolved(choice)
    if not choice.base or not choice.rl:
        raise BadInput("give both --base and --rl, or a --pair")
    fetched = fetched_as(choice.base)
    if fetched:
        check_fetched(fetched)
    own_devices = (choice.base_device, choice.rl_device)
    base_device, rl_device = (member_devices_of(each) if each else choice.device for each in own_devices)
    base = _source(choice.base, choice.base_revision, base_device, choice)
    rl = _source(choice.rl, choice.rl_revision, rl_device, choice, like=base)
    if fetched:
        check_fetched(fetched, base.files)
    for source in (base, rl):
        if source.adapter and source.is_spread:
            raise BadInput(
                f"{source.full_name} has an adapter and cannot lie on {source.device}: merge it, or name one"
            )
    rows = (base.config.vocab_size, rl.config.vocab_size)
    ids = base.tokenizer.get_vocab()
    return LocatedPair(
        base=base,
        rl=rl,
        dtype=_dtype(choice, base),
        vocabulary=common_vocabulary(ids, rl.tokenizer.get_vocab(), rows),
        stop_ids=tuple(stop_ids((x for s in (base, rl) for x in (s.config, s.generation, s.tokenizer)), ids)),
        differences=config_differences(base.config.to_dict(), rl.config.to_dict()),
        template_of=choice.template_of,
    )


def _source(name: str, revision: str | None, device: str, choice: PairChoice, like: Source | None = None) -> Source:
    """One member: a model in memory, or one that is found by its name."""
    if held := own.live(name):
        if revision:
            raise BadInput(f"{name} is a model in memory, which has no revision")
        return live.source_of(held, name, device, like)
    return find_source(name, revision, device, like=like, trust_remote_code=choice.trust_remote_code)


def load(located: LocatedPair, apart: bool = False) -> ModelPair:
    """Load the weights of a located pair; RL shares them where it is a plain adapter on the base.

    `apart`: each member has weights of its own, and adapters are merged into them. Raises UnsupportedArchitecture where
    an adapter cannot be merged exactly.
    """
    base, rl, vocabulary = located.base, located.rl, located.vocabulary
    if apart:
        networks, switches = {m: whole_exactly(s, located.dtype) for m, s in zip(MEMBERS, (base, rl), strict=True)}, {}
    elif adapters.shares_weights(base, rl):
        adapted = adapters.put_on(load_network(base, located.dtype), rl)
        networks, switches = dict.fromkeys(MEMBERS, adapted.base_model.model), adapters.switches(adapted)
    else:
        networks, switches = {m: whole(s, located.dtype) for m, s in zip(MEMBERS, (base, rl), strict=True)}, {}
    members = {
        name: model_of(source, networks[name], vocabulary, switches.get(name))
        for name, source in zip(MEMBERS, (base, rl), strict=True)
    }
    return ModelPair(
        **members, vocabulary=vocabulary, stop_ids=frozenset(located.stop_ids), tokenizer=located.tokenizer
    )


def load_member(located: LocatedPair, name: str) -> Model:
    """One member alone, as `load` loads it where the two share no weights."""
    source = {"base": located.base, "rl": located.rl}[name]
    return model_of(source, whole(source, located.dtype), located.vocabulary)


def whole_exactly(source: Source, dtype: str) -> Any:
    """The network of one member; an adapter is merged into it, and found to say the same merged."""
    adapters.check_mergeable(source, dtype)
    network = load_network(source, dtype)
    return adapters.merged_exactly(network, source) if source.adapter else network


def whole(source: Source, dtype: str) -> Any:
    """The network of one member that shares its weights with nobody; an adapter is merged into them."""
    network = load_network(source, dtype)
    return adapters.merged(network, source) if source.adapter else network


def _dtype(choice: PairChoice, base: Source) -> str:
    if choice.dtype != "auto":
        return choice.dtype
    if base.first_device.type == "cpu":
        return "float32"
    own = getattr(base.config, "dtype", None) or torch.float32
    return str(own).removeprefix("torch.")
