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
