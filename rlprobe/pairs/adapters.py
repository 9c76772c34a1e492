"""Adapters (PEFT): whether one may share its base's weights, and that every number of it found its place.

A plain LoRA (rsLoRA and DoRA too) only adds to layers of the trunk, so one network serves both members and the adapter
is switched on and off. Everything else that PEFT can load changes more: the head or the embeddings, whole modules,
biases, or the base's own weights when it is initialised (PiSSA, OLoRA, CorDA and their like). There the two members
are loaded apart, and the adapter is merged into RL's weights.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from rlprobe.errors import IncompatiblePair, NotAvailable, UnsupportedArchitecture
from rlprobe.pairs.sources import ADAPTER_WEIGHTS, Source, find_file, loading_errors

_PLAIN_INITIALISATIONS = (True, False, "gaussian", "eva", "orthogonal")  # that leave the base's weights alone
_PLAIN_TENSORS = (".lora_A.", ".lora_B.", ".lora_magnitude_vector")
_PROBED = 64  # ids that a network reads before and after its adapter is merged
_ROUNDING = 1e-4  # of the largest logit: what merging may move any logit by in float32
_RANDOM_INITIALISATIONS = ("pissa_niter_", "corda", "lora_ga")  # that cannot be made again from the base alone


def shares_weights(base: Source, rl: Source) -> bool:
    """Whether RL is a plain adapter on the base's own weights, so that one network serves both."""
    if not rl.adapter or base.adapter or (rl.name, rl.revision, rl.device) != (base.name, base.revision, base.device):
        return False
    with loading_errors(rl.adapter):
        return _is_plain(_config(rl), _stored(rl).keys())


def _is_plain(config: Any, keys: Any) -> bool:
    if str(getattr(config.peft_type, "value", config.peft_type)) != "LORA":
        return False
    whole = config.modules_to_save or getattr(config, "trainable_token_indices", None)
    of_trunk = all(any(part in key for part in _PLAIN_TENSORS) and "lm_head." not in key for key in keys)
    return config.bias == "none" and not whole and of_trunk and config.init_lora_weights in _PLAIN_INITIALISATIONS


def put_on(network: Any, source: Source) -> Any:
    """The network with the source's adapter on it, as PEFT's model. Raises NotAvailable unless all of it fits."""
    from peft import PeftModel

    assert source.adapter
    with loading_errors(source.adapter), _quiet():
        config, stored = _config(source), _stored(source)
        _refuse_lost_initialisation(source, config)
        try:
            adapted = PeftModel.from_pretrained(network, source.adapter, revision=source.adapter_revision)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise NotAvailable(f"{source.adapter} does not fit on {_bases(source, config)} ({reason})") from error
        _check_loaded(source, config, adapted, stored)
    adapted.eval().requires_grad_(False)
    return adapted.to(source.device)


def merged(network: Any, source: Source) -> Any:
    """The network with the source's adapter merged into its weights."""
    with loading_errors(str(source.adapter)), _quiet():
        return put_on(network, source).merge_and_unload(safe_merge=True).eval().requires_grad_(False)


def check_mergeable(source: Source, dtype: str) -> None:
    """Raise UnsupportedArchitecture for an adapter whose weights, merged, would not be what it computes unmerged."""
    if not source.adapter:
        return
    if dtype != "float32":
        raise UnsupportedArchitecture(
            f"{source.full_name} is an adapter, and merging it in {dtype} rounds what it adds: make the run with "
            "--dtype float32, or merge it (PEFT's merge_and_unload, then save_pretrained) and compare the merged folder"
        )
    if getattr(source.config, "quantization_config", None):
        raise UnsupportedArchitecture(
            f"{source.full_name} is an adapter on a quantised base, in which it cannot be merged exactly: dequantise "
            "the base and save it (transformers' model.dequantize, then save_pretrained), and give that folder"
        )


@torch.no_grad()
def merged_exactly(network: Any, source: Source) -> Any:
    """As `merged`, with the logits of the merged network compared with the adapter's own, which rounding may move.

    Raises UnsupportedArchitecture where they are further apart.
    """
    ids = torch.arange(min(_PROBED, network.config.vocab_size), device=source.device)[None]
    with loading_errors(str(source.adapter)), _quiet():
        adapted = put_on(network, source)
        before = adapted(input_ids=ids).logits.float()
        whole = adapted.merge_and_unload(safe_merge=True).eval().requires_grad_(False)
        after = whole(input_ids=ids).logits.float()
    apart, bound = float((after - before).abs().max()), _ROUNDING * float(before.abs().max())
    if not apart <= bound:
        raise UnsupportedArchitecture(
            f"{source.full_name}: merged, its logits move by up to {apart:.2g}, more than rounding does ({bound:.2g}): "
            "it cannot be looked into; merge it yourself, and compare the merged folder from `rlprobe disagree` on"
        )
    return whole


def switches(adapted: Any) -> dict[str, Callable[[], AbstractContextManager[None]]]:
    """How a shared network is made to speak for each member: without the adapter, and with it."""

    @contextmanager
    def off() -> Iterator[None]:
        adapted.base_model.disable_adapter_layers()
        yield

    @contextmanager
    def on() -> Iterator[None]:
        adapted.base_model.enable_adapter_layers()
        with torch.no_grad():  # PEFT makes the adapter's weights trainable whenever it turns them on
            yield

    return {"base": off, "rl": on}


def other_base(source: Source) -> str | None:
    """In words, if the adapter says that it was trained on a model of another name than the one that it stands on."""
    if not source.adapter:
        return None
    with loading_errors(source.adapter):
        trained_on = _config(source).base_model_name_or_path
    if not trained_on or Path(trained_on).name == Path(source.name).name:
        return None
    return (
        f"the adapter {source.adapter} was trained on {trained_on} and stands on {source.name} here: is that the same?"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """PEFT warns of what is looked at here anyway, number by number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _check_loaded(source: Source, config: Any, adapted: Any, stored: dict[str, torch.Tensor]) -> None:
    """Compare what the model now holds with the file, name by name and number by number."""
    from peft import get_peft_model_state_dict

    holds = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    if missing := sorted(holds.keys() - stored.keys()):
        raise NotAvailable(
            f"{source.adapter} lacks {missing[0]} ({len(missing)} such tensors), which {_bases(source, config)} has a "
            "place for; they would be zeros or random numbers: save the adapter again with PEFT's save_pretrained"
        )
    whole = dict(adapted.base_model.model.named_parameters())
    for key, tensor in stored.items():
        mine = holds.get(key)
        mine = whole.get(key.removeprefix("base_model.model.")) if mine is None else mine
        if mine is None:
            others = sum(other not in holds for other in stored)
            raise NotAvailable(
                f"{source.adapter} holds {key} ({others} such tensors), for which {_bases(source, config)} has no "
                "place: save the adapter again with PEFT's save_pretrained, without a wrapper's prefix"
            )
        if mine.shape != tensor.shape or not torch.equal(mine.cpu().float(), tensor.to(mine.dtype).float()):
            raise NotAvailable(f"{source.adapter}: {key} is not on {_bases(source, config)} as it is in the file")


def _refuse_lost_initialisation(source: Source, config: Any) -> None:
    """An adapter that belongs to a base which a random, or data-driven, initialisation made and nobody kept."""
    how = getattr(config, "init_lora_weights", True)
    if isinstance(how, str) and how.startswith(_RANDOM_INITIALISATIONS):
        raise NotAvailable(
            f"{source.adapter} was initialised by {how}, which changed the base in a way that cannot be made again; "
            "save it with PEFT's save_pretrained(..., path_initial_model_for_weight_conversion=...), or merge it"
        )


def _bases(source: Source, config: Any) -> str:
    """The base that the adapter stands on, and the one that it names where that is another."""
    named = config.base_model_name_or_path
    return source.name + (f" (the adapter was trained on {named})" if named and named != source.name else "")


def _config(source: Source) -> Any:
    from peft import PeftConfig

    with _quiet():
        return PeftConfig.from_pretrained(str(source.adapter), revision=source.adapter_revision)


def _stored(source: Source) -> dict[str, torch.Tensor]:
    """What the adapter's file holds."""
    from safetensors.torch import load_file

    assert source.adapter
    files = (find_file(source.adapter, source.adapter_revision, name) for name in ADAPTER_WEIGHTS)
    file = next((file for file in files if file), None)
    if file is None:
        raise IncompatiblePair(f"{source.adapter} holds no weights")
    if file.suffix == ".safetensors":
        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
