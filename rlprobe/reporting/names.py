"""What the two models, their texts and the arms are called in print."""

from typing import Any

from rlprobe.signal import SIGNALS

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


def signal_name(signal: str, host: str = "base") -> str:
    """What a signal is called in a table: a gate that fires by chance is no signal, and its name would not say so."""
    return SIGNALS[signal].called(host) if SIGNALS[signal].side is None else signal
