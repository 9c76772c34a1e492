"""How a figure is laid out, whatever is drawn on it."""

import pandas as pd
import pytest

from rlprobe.reporting.drawing import Drawing, render


def test_a_line_without_points_takes_no_room():
    """Unclipped, it would be laid out at the figure's corner, and squeeze the panel that it stands in."""

    def widths(points: list[float]) -> list[float]:
        def draw(_, axes):
            axes[1].plot(points, points, "o", clip_on=False)

        figure, _ = render(Drawing(lambda: pd.DataFrame(), draw, panels=2, size=lambda _: (6, 3)))
        return [ax.get_position().width for ax in figure.subfigs[0].axes]

    assert widths([]) == pytest.approx(widths([0.5]), rel=0.05)
