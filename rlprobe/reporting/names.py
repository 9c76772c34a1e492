"""What the two models, their texts and the arms are called in print."""

from typing import Any

NAMES = {"base": "base", "rl": "RL"}
TEXTS = {"base": "the base's text", "rl": "RL's text", "responses": "the given text"}


def name_of(title: str) -> str:
    """What an arm is called."""
    return NAMES.get(title, title)


def text_of(arm: Any) -> str:
    """Whose text a trajectory is."""
    return TEXTS.get(arm, str(arm))


# -- of `rlprobe direction`

DELTA_OF = {"token": "the token present", "argmax_base": "base's choice", "argmax_rl": "RL's choice"}
SIGNALS = {
    "delta": "Δ log p of the token",
    "abs_delta": "|Δ log p| of the token",
    "minus_delta_argmax_base": "−Δ log p of base's choice",
    "kl_rl_base": "KL(RL ‖ base)",
    "js": "JS",
    "entropy_base": "entropy of the base",
    "entropy_rl": "entropy of RL",
    "minus_margin_base": "−margin of the base",
}
AMONG = {
    "all": "all",
    "apart": "from the first divergence on",
    "apart_moved": "… where |Δ log p| ≥ 0.3",
    "apart_moved_unchanged": "… where |Δ log p| ≥ 0.3 and both agree",
    "apart_unchanged": "… where both agree",
    "apart_disagreements": "… where they disagree",
}


def tail_title(tail: str) -> str:
    """ "-0.3" and "+1" as inequalities."""
    return f"≤ −{tail[1:]}" if tail.startswith("-") else f"≥ {tail[1:]}"


# -- of `rlprobe signals`

CHANCE = {"base": "RL's edits, thinned", "rl": "the base's edits, thinned"}  # by host


def signal_name(signal: str, host: str = "base") -> str:
    """What a signal is called: a gate that fires by chance is no signal, it lets through some of the donor's edits."""
    return CHANCE[host] if signal == "random" else signal
