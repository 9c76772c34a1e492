"""How a figure is made: the house's colours and style, a table and the axes that it is drawn on, the bytes of a file.

Knows no models, no disk and no figure in particular, and leaves matplotlib's global state as it was.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's colours, which stay apart for every kind of colour vision; black is for text that neither model wrote.
ARM_COLOURS = {"base": "#0072B2", "rl": "#D55E00"}
ARM_LINES: dict[str, Any] = {"base": "-", "rl": (0, (3, 1))}

STYLE = {
    **sns.axes_style("ticks"),
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.7,
    "legend.frameon": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same everywhere
    "pdf.fonttype": 42,
    "svg.hashsalt": "rlprobe",
}
# suffix of the file: how it is written, with nothing of the day or the machine in it
FILES: dict[str, dict[str, Any]] = {
    "png": {"dpi": 300, "metadata": {"Software": None}},
    "pdf": {"metadata": {"CreationDate": None, "Producer": None, "Creator": None}},
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: what a command knows -> a tidy table; (the table, axes) -> ink; the table -> its size in inches.

    The table is small: it becomes the CSV beside the figure, from which the figure can be drawn again.
    """

    data: Callable[..., pd.DataFrame]
    draw: Callable[[pd.DataFrame, Sequence[Axes]], None]
    panels: int
    size: Callable[[pd.DataFrame], tuple[float, float]]


def render(drawing: Drawing, *known: Any) -> tuple[Figure, pd.DataFrame]:
    """The figure and the table it was drawn from; `known` is what the drawing's `data` takes."""
    data = drawing.data(*known)
    with _style():
        figure = Figure(figsize=drawing.size(data), layout="constrained")
        drawing.draw(data, list(np.atleast_1d(figure.subplots(1, drawing.panels))))
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once: the files of a figure do not depend on their order
    return figure, data


def encode(figure: Figure, suffix: str) -> bytes:
    """The figure as the content of a file, "png" (300 dpi) or "pdf"; the same bytes every time."""
    content = BytesIO()
    with _style():
        figure.savefig(content, format=suffix, **FILES[suffix])
    return content.getvalue()


def colour_of(arm: Any) -> str:
    """The colour of text that this arm wrote."""
    return ARM_COLOURS.get(arm, "#000000")


def line_of(arm: Any) -> Any:
    """The kind of line for text that this arm wrote, in matplotlib's terms."""
    return ARM_LINES.get(arm, (0, (1, 1)))


def in_percent(axis: Axis) -> None:
    """Write the shares along an axis as percentages."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield
