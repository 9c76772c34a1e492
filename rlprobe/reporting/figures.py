"""The old names of disagree/figures.py and drawing.py."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from rlprobe.reporting import drawing
from rlprobe.reporting.disagree.figures import FIGURES as FIGURES
from rlprobe.reporting.drawing import encode as encode


def render(name: str, tokens: pd.DataFrame, summary: dict[str, Any]) -> tuple[Figure, pd.DataFrame]:
    """The figure of that name."""
    return drawing.render(FIGURES[name], tokens, summary)
