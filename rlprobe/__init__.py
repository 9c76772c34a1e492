"""Compare a base language model with the RL model trained from it, token by token.

What the commands do, in Python (rlprobe/python/; nothing is imported before it is asked for):

    import rlprobe as rp

    found = rp.disagree(pair="bundled", limit=20)
    found.tokens
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlprobe.python.commands import (
        consequences,
        direction,
        disagree,
        flips,
        footprint,
        grade,
        intervene,
        lens,
        merge,
        passk,
        patch,
        report,
        sample,
        signals,
        steer,
        weights,
    )
    from rlprobe.python.pair import Pair, list_datasets, list_pairs, pair
    from rlprobe.python.results import Results, read

__version__ = "0.2.0"
__all__ = [
    "Pair",
    "Results",
    "consequences",
    "direction",
    "disagree",
    "flips",
    "footprint",
    "grade",
    "intervene",
    "lens",
    "list_datasets",
    "list_pairs",
    "merge",
    "pair",
    "passk",
    "patch",
    "read",
    "report",
    "sample",
    "signals",
    "steer",
    "weights",
]

# name -> its file in rlprobe/python/; all others are commands. (No name may be that of a room: `rlprobe.pairs` is one.)
_FILES = dict.fromkeys(("Pair", "list_datasets", "list_pairs", "pair"), "pair")
_FILES |= dict.fromkeys(("Results", "read"), "results")


def __getattr__(name: str) -> Any:
    """The Python door, opened when somebody first asks for something behind it."""
    if name not in __all__:
        raise AttributeError(f"module 'rlprobe' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rlprobe.python.{_FILES.get(name, 'commands')}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
