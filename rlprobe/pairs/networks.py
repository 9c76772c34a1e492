"""From a source to a network whose every weight came from the disk, and from a network to a `Model` of the pair.

transformers fills what a checkpoint lacks with random numbers, differently at every load, and passes over what it has
too much; both are only a warning there. Here the loading report is read: a missing, mismatched or unexpected tensor
refuses the model, but for the few named in `HARMLESS`.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rlprobe import own
from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs import live
from rlprobe.pairs.architecture import (
    attention_kinds,
    context_length,
    logit_formula,
    needs_eager,
    only_attention,
    state_kinds,
)
from rlprobe.pairs.checkpoint import refuse_quantised, stored_parameters
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.pairs.devices import DISK
from rlprobe.pairs.model import Model, Outside, Way
from rlprobe.pairs.sources import Source, loading_errors

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_network(source: Source, dtype: str) -> Any:
    """The network of a source, without its adapter, on its device. Raises NotAvailable unless it is whole."""
    from transformers import AutoModelForCausalLM

    if held := own.live(source.name):
        return live.body_of(held, DTYPES[dtype], source.device)
    with loading_errors(source.name), _quiet():
        options: dict[str, Any] = {"attn_implementation": "eager"} if needs_eager(source.config) else {}
        if source.is_spread:
            options["device_map"] = "auto" if source.device == "auto" else spread(source)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            **source.reading, dtype=DTYPES[dtype], output_loading_info=True, ignore_mismatched_sizes=True, **options
        )  # what mismatches is in the report then, and refused below
        network, report = loaded
        _check_report(source.name, report)
        if not getattr(source.config, "quantization_config", None):
            parameters = {name for name, _ in network.named_parameters()}
            refuse_quantised(source, stored_parameters(source, parameters))
    network.eval().requires_grad_(False)
    return network if source.is_spread else network.to(source.device)


def spread(source: Source) -> dict[str, str]:
    """Where each part of a network goes, as accelerate's device_map: layers in equal shares, in order.

    Embeddings go where the first layers are and everything else, the head with it, to the last device that is no disk:
    what is on the disk is read anew for every pass, and the head is kept at hand.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**source.reading))
    lists = [(name, part) for name, part in network.named_modules() if isinstance(part, torch.nn.ModuleList)]
    layers_name, layers = max(lists, key=lambda each: sum(p.numel() for p in each[1].parameters()))
    last = [device for device in source.devices if device != DISK][-1]
    first = last if source.config.tie_word_embeddings else source.devices[0]
    shares = len(source.devices)
    found = {f"{layers_name}.{i}": source.devices[i * shares // len(layers)] for i in range(len(layers))}
    for name, part in network.named_modules():
        if name and not any(True for _ in part.children()) and not name.startswith(f"{layers_name}."):
            found[name] = first if part is network.get_input_embeddings() else last
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """transformers prints bars and tables that hide what we have to say, which is the same in one line."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _check_report(name: str, report: dict[str, Any]) -> None:
    """Raise NotAvailable, naming the first tensor and how many there are, where the weights are not the network's."""
    unexpected = sorted(key for key in report["unexpected_keys"] if not is_harmless(key))
    for prefix, (writer, cure) in PREFIXES.items():
        if found := [key for key in unexpected if prefix in key]:
            raise NotAvailable(
                f"the tensors of {name} are named as {writer} does ({prefix!r} in {found[0]}, {len(found)} such); "
                f"write the checkpoint without: {cure}"
            )
    if mismatched := sorted((key, tuple(there), tuple(wanted)) for key, there, wanted in report["mismatched_keys"]):
        shapes = "in its files {1} and by its config.json {2}".format(*mismatched[0])
        _refuse(name, f"{{}} has the shape {shapes}", [key for key, *_ in mismatched])
    if missing := sorted(report["missing_keys"]):
        _refuse(name, "its files lack {}, which would be random numbers", missing)
    if unexpected:
        _refuse(name, "its files hold {}, for which its config.json has no place", unexpected)
    if errors := [*report.get("error_msgs", ()), *(report.get("conversion_errors") or ())]:
        raise NotAvailable(f"the weights of {name} cannot be read: {str(errors[0]).splitlines()[0]}")


def _refuse(name: str, what: str, keys: Collection[str]) -> None:
    first, count = next(iter(keys)), len(keys)
    raise NotAvailable(
        f"{name} is not read as it is on disk: {what.format(first)} ({count} such tensor{'s' if count > 1 else ''}); "
        "copy the checkpoint again, or with the config.json that it was saved with"
    )


def is_harmless(key: str) -> bool:
    """Whether a tensor may stand in a file without a place in the network."""
    return key.startswith(HARMLESS[0]) or key.endswith(HARMLESS[1])


def model_of(source: Source, network: Any, vocabulary: CommonVocabulary, switch: Any = None) -> Model:
    """The network as a member of a pair; `switch` turns its adapter on or off, where two members share weights."""
    head = network.get_output_embeddings()
    if head is None or getattr(head, "weight", None) is None:
        raise IncompatiblePair(f"{source.full_name} ({source.config.model_type}) has no head that speaks tokens")
    bias = getattr(head, "bias", None)
    return Model(
        name=source.full_name,
        network=network,
        head_weight=vocabulary.rows_of(head.weight),
        head_bias=None if bias is None else vocabulary.rows_of(bias),
        context=context_length(source.config),
        attention_kinds=frozenset(attention_kinds(source.config)),
        formula=logit_formula(source.config),
        outside=_outside(head.weight, bias, vocabulary),
        way=_way(network, source.config),
        **({"as_member": switch} if switch else {}),
    )


def _way(network: Any, config: Any) -> Way:
    """The fastest way that the architecture allows, as far as it says so itself."""
    stateful = getattr(network, "_is_stateful", False) and not only_attention(config)
    return Way.STEPS if stateful or state_kinds(config) else Way.LANES


def _outside(weight: torch.Tensor, bias: torch.Tensor | None, vocabulary: CommonVocabulary) -> Outside | None:
    ids = vocabulary.outside(len(weight))
    if not len(ids):
        return None
    here = ids.to(weight.device)
    return Outside(ids, weight[here], None if bias is None else bias[here])


# keys that may stand in a file without a place in the network: what they begin with, what they end in
HARMLESS = (("v_head.", "value_head."), ("rotary_emb.inv_freq",))
# a framework's prefix -> (whose it is, what writes the checkpoint without it)
PREFIXES = {
    "_orig_mod.": ("torch.compile", "model._orig_mod.save_pretrained(FOLDER)"),
    "_fsdp_wrapped_module.": (
        "FSDP",
        "save under StateDictType.FULL_STATE_DICT (accelerate: fsdp_state_dict_type: FULL_STATE_DICT)",
    ),
    "_checkpoint_wrapped_module.": (
        "activation checkpointing",
        "save the state dict of the module inside the checkpoint wrapper",
    ),
    "pretrained_model.": ("TRL's value-head wrapper", "model.pretrained_model.save_pretrained(FOLDER)"),
    "base_model.model.": ("PEFT", "model.merge_and_unload().save_pretrained(FOLDER)"),
    "module.": ("DataParallel or DeepSpeed", "model.module.save_pretrained(FOLDER)"),
}
