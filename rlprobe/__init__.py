"""Compare a base language model with the RL model trained from it, token by token.

What the commands do, in Python (rlprobe/api.py; nothing heavy is imported before it is asked for):

    import rlprobe as rp

    found = rp.disagree(pair="bundled", limit=20)
    found.tokens
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rlprobe.api import Pair, list_datasets, list_pairs, list_runs, list_workers, pair, replay, report, train
    from rlprobe.functions import claim, extraction, gate, grader, style, writer
    from rlprobe.results import Comparison, Results, compare, read

__version__ = "0.2.0"

from rlprobe.commands import COMMANDS  # after the version, which others import from here

# (No name may be that of a room: `rlprobe.pairs` is one.)
__all__ = [
    "Comparison",
    "Pair",
    "Results",
    "compare",
    "list_datasets",
    "list_pairs",
    "list_runs",
    "list_workers",
    "pair",
    "read",
    "replay",
    "report",
    "train",
]
__all__ += ["claim", "extraction", "gate", "grader", "style", "writer"]
__all__ += COMMANDS


def __getattr__(name: str) -> Any:
    """The Python door, opened when somebody first asks for something behind it."""
    if name not in __all__:
        raise AttributeError(f"module 'rlprobe' has no attribute {name!r}")
    if name in ("claim", "extraction", "gate", "grader", "style", "writer"):
        return getattr(importlib.import_module("rlprobe.functions"), name)
    api = importlib.import_module("rlprobe.api")
    return api.FUNCTIONS[name] if name in COMMANDS else getattr(api, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
