"""The figures of each command: functions of what it knows to a table, and of that table to ink."""

import importlib
import pkgutil
from typing import Any

from rlprobe.reporting.drawing import Drawing


def drawing_of(name: str) -> Drawing:
    """The drawing of a figure by the name of its file, which may go on behind a dash. Raises KeyError for none."""
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    found: dict[str, Drawing] = {}
    for module in modules:
        held = (value for value in vars(module).values() if isinstance(value, dict))
        found |= {k: v for each in held for k, v in each.items() if isinstance(v, Drawing)}
    alike = [each for each in found if name == each or name.startswith(f"{each}-")]
    return found[max(alike, key=len)] if alike else found[name]


def new_figure(size: tuple[float, float]) -> Any:
    """A figure of the user's own session, in inches."""
    from matplotlib import pyplot

    return pyplot.figure(figsize=size, layout="constrained")
