"""A model that is in memory already: its source, and a body of its own on the same numbers.

The user's object is never changed: the body has its modules copied, frozen and put in eval mode, while its tensors are
those of the object unless dtype or device are others. What weights do not tell (hooks, a replaced forward, quantised or
merged layers) is refused, since the identity of a run is made of them. Knows no names: own.py does.
"""

import copy
from typing import Any

import torch

from rlprobe.errors import BadInput, NotAvailable, UnsupportedArchitecture
from rlprobe.own import Live
from rlprobe.pairs.architecture import needs_eager
from rlprobe.pairs.sources import Source


def source_of(live: Live, name: str, device: str, like: Source | None) -> Source:
    """The source of a model in memory; without a tokenizer it has that of `like`."""
    model = without_peft(live.model)
    tokenizer = live.tokenizer if live.tokenizer is not None else like.tokenizer if like else None
    if tokenizer is None:
        raise BadInput(f"{name} is a model in memory without its tokenizer: give tokenizer=")
    _refuse_unseen(model, name)
    config = copy.deepcopy(model.config.get_text_config())
    config.dtype = next(model.parameters()).dtype
    return Source(
        name=name,
        adapter=None,
        revision=None,
        device=device,
        config=config,
        generation=getattr(model, "generation_config", None),
        tokenizer=tokenizer,
        files={"weights": name.partition(":")[2]},
        weight_bytes=sum(p.numel() * p.element_size() for p in model.parameters()),
    )


def body_of(live: Live, dtype: torch.dtype, device: str) -> Any:
    """The network of a model in memory, for reading only."""
    model = without_peft(live.model)
    memo: dict[int, Any] = {id(p): torch.nn.Parameter(p.detach(), requires_grad=False) for p in model.parameters()}
    memo |= {id(b): b.detach() for b in model.buffers()}
    body = copy.deepcopy(model, memo)
    if live.bare:
        for layer in tuned(body):
            layer.enable_adapters(False)
    if next(model.parameters()).dtype != dtype:  # else as they are: rotary factors and adapters may be wider
        for weight in body.parameters():
            weight.data = weight.data.to(dtype)
    body.set_attn_implementation("eager" if needs_eager(model.config.get_text_config()) else "sdpa")
    return body.eval().to(device)


def without_peft(model: Any) -> Any:
    """The transformers model inside the wrappers of torch.compile and PEFT, on whose layers an adapter lies."""
    model = getattr(model, "_orig_mod", model)
    return model.base_model.model if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


def tuned(model: Any) -> list[Any]:
    """The layers of a network that carry an adapter of PEFT's."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [module for module in model.modules() if isinstance(module, BaseTunerLayer)]


def is_under(base: Any, rl: Any) -> bool:
    """Whether a base is meant without the adapter on it: RL is that adapter, on the same layers.

    Raises BadInput for a base that carries an adapter of somebody else's: it would speak with it.
    """
    if not tuned(base):
        return False
    if hasattr(rl, "modules") and without_peft(base) is without_peft(rl):
        return True
    raise BadInput(
        "the base carries an adapter of PEFT's and would speak with it: give the same model as rl too, which compares "
        "it without and with the adapter, or merge it first (merge_and_unload)"
    )


def _refuse_unseen(model: Any, name: str) -> None:
    """What a model does beside its weights, in one line."""
    if not hasattr(model, "get_output_embeddings") or not hasattr(model, "base_model"):
        raise UnsupportedArchitecture(f"{name} is a {type(model).__name__}, no causal language model of transformers")
    if getattr(model.config, "quantization_config", None):
        raise NotAvailable(f"{name} is quantised: save it (save_pretrained) and give the folder")
    for where, module in model.named_modules():
        hooks = [kind for kind in ("_forward_hooks", "_forward_pre_hooks") if getattr(module, kind)]
        if hooks or "forward" in vars(module) or hasattr(module, "_hf_hook"):
            raise BadInput(
                f"{name} carries a hook at {where or 'its top'}, so that its weights do not tell what it says: remove "
                "it, or save the model and give the folder"
            )
    if any(getattr(layer, "merged", False) for layer in tuned(model)):
        raise BadInput(f"{name} has its adapter merged for the moment: call unmerge_adapter() first")
    if any("modules_to_save" in key for key, _ in model.named_parameters()):
        raise BadInput(f"{name} has an adapter that replaces whole modules: save it and give base+ADAPTER")
