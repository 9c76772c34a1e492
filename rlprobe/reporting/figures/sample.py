"""The figure of `rlprobe sample`: that of pass@k, by the answer of the reading."""

from rlprobe.reporting.drawing import Drawing
from rlprobe.reporting.figures.passk import curves_data, draw_curves

# name of the figure: summary -> its table, its drawing, its size
FIGURES: dict[str, Drawing] = {
    "pass_at_k": Drawing(
        lambda summary: curves_data(summary["answers"][summary["reading"]["answer"]], summary["reading"]),
        draw_curves,
        panels=2,
        size=lambda _: (6.5, 2.8),
    ),
}
