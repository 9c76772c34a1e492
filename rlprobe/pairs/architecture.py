"""What a config says of how a model is read: its kinds of attention, how far it reads, what it does to its logits.

Reads configs, no weights. What is said here is tried when a model is loaded (decoding/check.py): an architecture that
does something else is refused there, with the difference in nats.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

REWINDABLE = {"full_attention", "sliding_attention", "chunked_attention"}  # what lanes have masks for
UNBOUNDED = 2**31  # positions that a model can read whose config sets no limit


@dataclass(frozen=True, slots=True)
class LogitFormula:
    """What follows the last matrix product: logits are multiplied by `scale`, then capped to cap * tanh(x / cap)."""

    scale: float = 1.0
    cap: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether logits are the product itself."""
        return self.scale == 1.0 and self.cap is None


def logit_formula(config: Any) -> LogitFormula:
    """The formula of a model with this config."""
    scale = 1.0
    for name, way in SCALES.items():
        value = getattr(config, name, None)
        way = EXCEPTIONS.get((config.model_type, name), way)
        if isinstance(value, int | float) and way != "unused":
            scale = scale * value if way == "times" else scale / value
    caps = (getattr(config, name, None) for name in CAPS)
    return LogitFormula(scale, next((float(cap) for cap in caps if cap), None))


def layer_kinds(config: Any) -> set[str]:
    """The kinds of layer in a model, in transformers' words: "full_attention", "sliding_attention", ..."""
    layer_types = getattr(config, "layer_types", None)
    if layer_types is not None:
        return set(layer_types)
    if getattr(config, "num_key_value_heads", None) or getattr(config, "num_attention_heads", None):
        return {"sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"}
    return {f"no attention ({config.model_type})"}


def state_kinds(config: Any) -> set[str]:
    """The kinds of layer whose state cannot be rewound token by token (recurrent, linear, indexed attention, ...)."""
    return layer_kinds(config) - REWINDABLE


def attention_kinds(config: Any) -> set[str]:
    """The kinds of attention layer that lanes have masks for; none where a layer is of another kind."""
    return set() if state_kinds(config) else layer_kinds(config)


def only_attention(config: Any) -> bool:
    """Whether every layer is named as one of attention, also in a family whose other models keep a state."""
    return getattr(config, "layer_types", None) is not None and not state_kinds(config)


def sliding_window(config: Any) -> int | None:
    """How many positions back a sliding layer sees; None where there is none."""
    return getattr(config, "sliding_window", None) if "sliding_attention" in layer_kinds(config) else None


def needs_eager(config: Any) -> bool:
    """Whether attention does what torch's own kernel does not, so that its weights have to be computed."""
    return bool(getattr(config, "attn_logit_softcapping", None))


def context_length(config: Any) -> int:
    """Positions that a model reads alike, whatever shares a pass with them; UNBOUNDED where its config has no limit.

    Where rotary factors depend on the length of the text (`rope_border`), that is where they begin to change.
    """
    limits = (getattr(config, name, None) for name in ("max_position_embeddings", "n_positions", "max_seq_len"))
    longest = next((limit for limit in limits if limit), None)
    return min(longest or UNBOUNDED, rope_border(config) or UNBOUNDED)


def rope_border(config: Any) -> int | None:
    """The length from which on rotary factors depend on the longest text in the pass; None where they never do.

    transformers chooses the factors of longrope and of dynamic scaling by the largest position in a pass, for all of
    its positions (modeling_rope_utils.dynamic_rope_update). Beyond the border a token's distribution would depend on
    its company, and on how much of its own text is read at once; so a text ends there.
    """
    borders = [
        rope.get("original_max_position_embeddings")
        or getattr(config, "original_max_position_embeddings", None)
        or getattr(config, "max_position_embeddings", None)
        for rope in _ropes(config)
        if rope.get("rope_type", rope.get("type")) in ("longrope", "dynamic")
    ]
    return min((int(border) for border in borders if border), default=None)


def _ropes(config: Any) -> Iterator[Mapping[str, Any]]:
    """The rotary settings of a model, one for all layers or one for each kind of layer."""
    ropes = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    if ropes and all(isinstance(value, Mapping) for value in ropes.values()):
        yield from ropes.values()
    else:
        yield ropes


# settings that scale logits (or the hidden states that the head reads, which is the same), and how
SCALES = {
    "logit_scale": "times",  # Cohere
    "lm_head_multiplier": "times",  # Falcon-H1
    "output_multiplier": "times",  # Muse
    "logits_scaling": "divided by",  # Granite, MiniCPM 3
    "logits_mup_width_multiplier": "divided by",  # Inkling
}
# (model type, setting) -> what that family does instead
EXCEPTIONS = {
    ("hyperclovax", "logits_scaling"): "times",
    ("mpt", "logit_scale"): "unused",  # named in its config, not in its code
}
CAPS = ("final_logit_softcapping", "logits_soft_cap", "output_logit_soft_cap")  # Gemma, nanochat; RecurrentGemma; xLSTM
