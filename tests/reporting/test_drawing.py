"""How a figure is laid out, whatever is drawn on it."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text

from rlprobe.reporting.drawing import Drawing, render
from rlprobe.reporting.figures import drawing_of

FIGURES = Path(__file__).parents[2] / "figures"
DRAWN = ("direction", "disagreement", "dose", "equal-edits", "footprint", "interventions", "low_rank")


def test_a_line_without_points_takes_no_room():
    """Unclipped, it would be laid out at the figure's corner, and squeeze the panel that it stands in."""

    def widths(points: list[float]) -> list[float]:
        def draw(_, axes):
            axes[1].plot(points, points, "o", clip_on=False)

        figure, _ = render(Drawing(lambda: pd.DataFrame(), draw, panels=2, size=lambda _: (6, 3)))
        return [ax.get_position().width for ax in figure.subfigs[0].axes]

    assert widths([]) == pytest.approx(widths([0.5]), rel=0.05)


LONG = "  ·  ".join(("cache/SmolLM2-135M-Instruct and adapters/seed3", "short-problems", *["9,395 tokens of RL"] * 6))


@pytest.mark.parametrize("corner", ["pair bundled", LONG])
@pytest.mark.parametrize("name", DRAWN)
def test_no_word_of_a_figure_that_a_text_shows_is_cut_at_its_edge(name, corner):
    table = pd.read_csv(FIGURES / f"{name}.csv")
    figure, _ = render(replace(drawing_of(name), data=lambda held: held), table, corner=corner)
    width, height = figure.canvas.get_width_height()
    ticks = {
        label for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for label in axis.get_ticklabels(which="both")
    }
    for text in (each for each in figure.findobj(Text) if each.get_text().strip() and each not in ticks):
        if text.axes is None or text.axes.get_visible():
            box = text.get_window_extent()
            inside = box.x0 > -2 and box.y0 > -2 and box.x1 < width + 2 and box.y1 < height + 2
            assert inside, text.get_text()
