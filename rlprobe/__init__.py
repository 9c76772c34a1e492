"""Compare a base language model with the RL model trained from it, token by token.

What the commands do, in Python (rlprobe/python.py; nothing is imported before it is asked for):

    import rlprobe as rp

    found = rp.disagree(pair="bundled", limit=20)
    found.tokens
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlprobe.python import (
        Results,
        direction,
        disagree,
        flips,
        intervene,
        lens,
        pairs,
        patch,
        read,
        report,
        sample,
        signals,
        steer,
        weights,
    )

__version__ = "0.1.0"
__all__ = [
    "Results",
    "direction",
    "disagree",
    "flips",
    "intervene",
    "lens",
    "pairs",
    "patch",
    "read",
    "report",
    "sample",
    "signals",
    "steer",
    "weights",
]


def __getattr__(name: str) -> Any:
    """The Python door, opened when somebody first asks for something behind it."""
    if name not in __all__:
        raise AttributeError(f"module 'rlprobe' has no attribute {name!r}")
    from rlprobe import python

    return getattr(python, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
