"""Where the parts of a transformer are: layers, attention, MLP, final norm, heads. The one importer of nnsight.

What is looked for is the shape that Llama, Mistral, Qwen and their kin share in transformers:

    trunk.layers[l].self_attn.o_proj   the heads' outputs, side by side, go in; what attention adds comes out
    trunk.layers[l].mlp                what the MLP adds comes out
    trunk.layers[l]                    the residual stream after layer l comes out
    trunk.norm                         its last value, normalised, goes to the head

Every other shape is refused by name. Layers and heads count from 0, as in transformers. Knows no ids and no logits.
"""

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.errors import BadInput, UnsupportedArchitecture
from rlprobe.measures.head import Head
from rlprobe.pairs.model import Model, ModelPair

_IN_TRUNK = ("layers", "norm")
_IN_LAYER = ("self_attn", "self_attn.o_proj", "mlp")
_QUIET = Path(__file__).with_name("nnsight.yaml")


@dataclass(frozen=True)
class Inside:
    """One model opened up; make it with `open_model`."""

    model: Model
    heads: int
    head_width: int

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.model.name

    @property
    def trunk(self) -> Any:
        """The transformers module that has the layers."""
        return self.model.network.base_model

    @cached_property
    def traced(self) -> Any:
        """The trunk as nnsight sees it: `trace` it, and read or write its modules on the way."""
        return nnsight().NNsight(self.trunk)

    @property
    def depth(self) -> int:
        """How many layers there are."""
        return len(self.trunk.layers)

    @cached_property
    def head(self) -> Head:
        """The last linear layer, over the common vocabulary."""
        return Head.of(self.model)

    @torch.no_grad()
    def logits(self, residual: Float[Tensor, "n width"]) -> Float[Tensor, "n vocab"]:
        """What this model's own final norm and head make of a residual stream, of either model; float32."""
        norm = self.trunk.norm
        weight = next(norm.parameters(), residual)
        return self.head(norm(residual.to(weight.device, weight.dtype)).to(self.head.weight.device))

    def check_layers(self, layers: tuple[int, ...]) -> None:
        """Raise BadInput for a layer that is not there."""
        for layer in layers:
            if not 0 <= layer < self.depth:
                raise BadInput(f"{self.name} has no layer {layer}: its layers are 0 to {self.depth - 1}")


def open_pair(pair: ModelPair) -> dict[str, Inside]:
    """Both members, opened up. Raises UnsupportedArchitecture where that cannot be, or they are not built alike."""
    base, rl = open_model(pair.base), open_model(pair.rl)
    if pair.base.network is pair.rl.network:
        raise UnsupportedArchitecture(_merge(pair.rl.name))
    shapes = [(i.depth, i.heads, i.head_width, i.model.head_weight.shape[1]) for i in (base, rl)]
    if shapes[0] != shapes[1]:
        raise UnsupportedArchitecture(
            f"{base.name} and {rl.name} have {shapes[0]} and {shapes[1]} (layers, heads, head width, width): "
            "activations can only be moved between models of one shape"
        )
    return {"base": base, "rl": rl}


def open_model(model: Model) -> Inside:
    """The model opened up. Raises UnsupportedArchitecture, with the reason, where that cannot be done."""
    network = model.network
    if getattr(network, "_hf_peft_config_loaded", False) or hasattr(network, "peft_config"):
        raise UnsupportedArchitecture(_merge(model.name))
    if len(set(getattr(network, "hf_device_map", {}).values())) > 1:
        raise UnsupportedArchitecture(f"{model.name} is spread over several devices; rlprobe looks inside those on one")
    trunk = network.base_model
    missing = [name for name in _IN_TRUNK if not _has(trunk, name)]
    if not missing:
        missing = [f"layers.{i}.{n}" for i, layer in enumerate(trunk.layers) for n in _IN_LAYER if not _has(layer, n)]
    if missing:
        kind = getattr(network.config, "model_type", type(network).__name__)
        raise UnsupportedArchitecture(
            f"{model.name} ({kind}) has no {missing[0]} in its trunk; rlprobe looks inside models that are built like "
            "Llama, Mistral and Qwen (layers of self_attn with o_proj, and mlp; a final norm)"
        )
    _check_last_layer(model)
    return Inside(model, *_heads(trunk, network.config))


@torch.no_grad()
def _check_last_layer(model: Model) -> None:
    """Refuse a trunk where the final norm of what the last layer leaves is not what the head reads."""
    trunk, left = model.network.base_model, []
    hook = trunk.layers[-1].register_forward_hook(lambda _module, _inputs, output: left.append(output))
    try:
        hidden = model.trunk(torch.arange(1, 9, device=model.device)[None])
    finally:
        hook.remove()
    alike = isinstance(left[0], Tensor) and left[0].shape == hidden.shape
    if not alike or not torch.allclose(trunk.norm(left[0]).to(hidden.device), hidden, atol=1e-4, rtol=1e-2):
        raise UnsupportedArchitecture(
            f"{model.name} ({model.network.config.model_type}): its head does not read the final norm of what the last "
            "layer leaves, so rlprobe cannot look inside it"
        )


def nnsight() -> ModuleType:
    """The module nnsight, imported when first needed, and quietly unless somebody has set it up."""
    if "nnsight" in sys.modules or "NNSIGHT_CONFIG" in os.environ:
        import nnsight
    else:
        os.environ["NNSIGHT_CONFIG"] = str(_QUIET)
        try:
            import nnsight
        finally:
            del os.environ["NNSIGHT_CONFIG"]
    return nnsight


def _heads(trunk: Any, config: Any) -> tuple[int, int]:
    """(heads, head width): the output projection reads the heads as blocks, side by side."""
    heads = config.get_text_config().num_attention_heads
    return heads, trunk.layers[0].self_attn.o_proj.in_features // heads


def _has(module: Any, path: str) -> bool:
    for name in path.split("."):
        module = getattr(module, name, None)
    return module is not None


def _merge(name: str) -> str:
    return (
        f"{name} carries an adapter that is not merged: what it adds is computed beside the layers that are looked at; "
        "merge it (PEFT's merge_and_unload, then save_pretrained) and compare the merged folder"
    )
