"""How a figure is made: the house's colours and style, a table and the axes that it is drawn on, the bytes of a file.

Knows no models, no disk and no figure in particular, and leaves matplotlib's global state as it was.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FuncFormatter
from PIL import Image

from rlprobe.printable import one_line

# Okabe and Ito's colours, which stay apart for every kind of colour vision; black is for text that neither model wrote.
ARM_COLOURS = {"base": "#0072B2", "rl": "#D55E00"}
ARM_LINES: dict[str, Any] = {"base": "-", "rl": (0, (3, 1))}
WRITERS = {"base": "the base", "rl": "RL"}

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


APART = 1.5  # doublings
TITLE_WIDTH = 34  # characters over a small panel
CORNER = 0.2  # inches under the panels, for each line that says what the figure is about
AN_INCH = 19  # characters of such a line


# -- what a figure is about: the same words in the same corner of every one


def problems_of(summary: Mapping[str, Any]) -> str:
    """How many problems are in the numbers."""
    problems = summary["problems"]
    return f"{problems['asked'] - len(problems['left_out']):,} problems"


def tokens_of(summary: Mapping[str, Any]) -> str:
    """How many problems, and how many tokens of each text that was read."""
    texts = summary["trajectories"] if "trajectories" in summary else summary["texts"]
    tokens = [f"{found['tokens']:,} tokens of {WRITERS.get(arm, arm)}" for arm, found in texts.items()]
    return ", ".join([problems_of(summary), *tokens])


def places_of(summary: Mapping[str, Any]) -> str:
    """How many disagreements, in how many problems, were looked into."""
    found = summary["points"]["disagreement"]
    return f"{found['points']:,} disagreements in {found['problems']:,} problems"


def corner_of(
    summary: Mapping[str, Any], counted: Callable[[Mapping[str, Any]], str] = problems_of, intervals: bool = True
) -> str:
    """The pair, the data set, what was counted and, where intervals are drawn, how sure they are."""
    about, reading = summary["about"], summary.get("reading")
    level = level_of(reading) if reading and intervals else ""
    parts = (_pair(about), about.get("dataset"), counted(summary), level)
    return "  ·  ".join(one_line(part) for part in parts if part)


def level_of(reading: Mapping[str, Any]) -> str:
    """How sure whiskers and bands are."""
    return f"whiskers and bands: {100 * reading['confidence']:g} % intervals"


def _pair(about: Mapping[str, Any]) -> str:
    """A pair's own name, or the names of its two models; of a path the last two parts."""
    if "/" not in (named := about.get("pair", "/")):
        return f"pair {named}"
    models = (about[member] for member in ARM_COLOURS if member in about)
    return " and ".join("/".join(PurePosixPath(model).parts[-2:]) for model in models)


# -- the figure


@dataclass(frozen=True, slots=True)
class Drawing:
    """A figure: what a command knows -> a tidy table; (the table, axes) -> ink; the table -> its grid, its size.

    The table is small: it becomes the CSV beside the figure, from which the figure can be drawn again. `panels` is one
    row of so many axes, or the table -> (rows, columns); `size` is in inches; `counted` says what the figure counts,
    and `intervals` whether it draws any.
    """

    data: Callable[..., pd.DataFrame]
    draw: Callable[[pd.DataFrame, Sequence[Axes]], None]
    panels: int | Callable[[pd.DataFrame], tuple[int, int]]
    size: Callable[[pd.DataFrame], tuple[float, float]]
    counted: Callable[[Mapping[str, Any]], str] = problems_of
    intervals: bool = True

    def axes(self, data: pd.DataFrame, figure: Figure | SubFigure) -> list[Axes]:
        """The axes that a table is drawn on, row by row."""
        rows, columns = (1, self.panels) if isinstance(self.panels, int) else self.panels(data)
        return list(figure.subplots(rows, columns, squeeze=False).flat)


def render(drawing: Drawing, *known: Any, corner: str = "") -> tuple[Figure, pd.DataFrame]:
    """The figure, with `corner` under it, and the table it was drawn from; `known` is what the drawing's `data` takes.

    The corner has a strip of its own, which no panel and no legend can reach.
    """
    data = drawing.data(*known)
    width, height = drawing.size(data)
    corner = fill(corner, int(AN_INCH * width)).replace("  ·\n", "\n")
    under = CORNER * (1 + corner.count("\n"))
    with _style():
        figure = Figure(figsize=(width, height + under), layout="constrained")
        panels, strip = figure.subfigures(2, 1, squeeze=False, height_ratios=(height, under))[:, 0]
        axes = drawing.axes(data, panels)
        drawing.draw(data, axes)
        for line in (line for ax in axes for line in ax.lines):  # one without points, unclipped, is laid out at (0, 0)
            line.set_in_layout(bool(np.isfinite(np.asarray(line.get_xydata(), dtype=float)).all(axis=1).any()))
        strip.text(0.05 / width, 0.5, corner, va="center", fontsize=7, color="0.35")
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once: the files of a figure do not depend on their order
    return figure, data


def encode(figure: Figure, suffix: str) -> bytes:
    """The figure as the content of a file, "png" (300 dpi) or "pdf"; the same bytes every time."""
    content = BytesIO()
    with _style():
        figure.savefig(content, format=suffix, **FILES[suffix])
    return in_palette(content.getvalue()) if suffix == "png" else content.getvalue()


def in_palette(png: bytes) -> bytes:
    """The same picture in 256 colours, a third of the bytes: lines and letters have few."""
    content = BytesIO()
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(content, "PNG", optimize=True, dpi=(300, 300))
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


def in_points(axis: Axis) -> None:
    """Write differences of shares along an axis as percentage points, with their sign."""
    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:+g}" if share else "0"))


def reach(rows: pd.DataFrame, value: str = "value", low: str = "low", high: str = "high") -> np.ndarray:
    """(2, rows): how far intervals reach down and up, as errorbar wants it; 0 where there is none."""
    return np.abs(rows[[low, high]].sub(rows[value], axis=0).fillna(0).to_numpy(dtype=float)).T


def on_ratios(values: pd.Series) -> pd.Series:
    """Places on an axis of doublings; 0 and infinity, which have none there, stand apart at its two ends."""
    some = np.log2(values[(values > 0) & np.isfinite(values)])
    lowest, highest = (some.min(), some.max()) if len(some) else (0.0, 0.0)
    apart = {0.0: lowest - APART, np.inf: highest + APART}
    return values.map(lambda value: apart[value] if value in apart else np.log2(value))


def left_to_right(words: Sequence[str]) -> str:
    """What points are, in the order in which they stand in a panel, however close; for a line under its title."""
    return fill("left to right: " + ", ".join(words), TITLE_WIDTH)


def grid(panels: int, columns: int) -> tuple[int, int]:
    """(rows, columns) that hold so many panels."""
    return -(-panels // columns), min(panels, columns)


def off_grid(axes: Sequence[Axes], panels: int, columns: int) -> None:
    """Of panels to one scale: leave out those beyond the last, and ticks that the axes below or beside have too."""
    for place, ax in enumerate(axes):
        ax.set_visible(place < panels)
        ax.tick_params(labelbottom=place + columns >= panels, labelleft=place % columns == 0)


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(STYLE):
        yield
