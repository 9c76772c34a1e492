"""Every signal of a comparison against the next one that is claimed to be worse, in pairs over the same problems.

`rlprobe signals` compares its first signal with each other; an order speaks of neighbours, too. What its arms answered
is read from the run that it left: nothing is decoded.
"""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rlprobe import runs
from rlprobe.analysis.interventions import NamedArm
from rlprobe.analysis.signals import Evaluated, Point, differences
from rlprobe.pipeline.shown import Shown
from rlprobe.pipeline.signals import SignalSettings
from rlprobe.pipeline.written import Written


def compared(written: Written, settings: SignalSettings, pairs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """For each pair (first, other), the mean of their difference in accuracy over the targets that both reached."""
    summary, run = written.summary, runs.read(written.run.path / runs.INSIDE / "evaluation")
    points = [
        Point(p["signal"], p["threshold"], p["target"], tuple(NamedArm(**arm) for arm in p["arms"]))
        for p in summary["points"]
    ]
    shown = Shown([arm.name for point in points for arm in point.arms], summary["ends"], summary["draws"])
    grades = shown.rows(run.table(f"grades/{summary['grader']['key']}").to_pandas())
    return [row for pair in pairs for row in _difference(pair, points, grades, settings)]


def _difference(
    pair: tuple[str, str], points: Sequence[Point], grades: pd.DataFrame, settings: SignalSettings
) -> list[dict[str, Any]]:
    """One row; none where a signal of the pair reached no target at all."""
    ours = [point for signal in pair for point in points if point.signal == signal]
    if {point.signal for point in ours} != set(pair):
        return []
    _, overall = differences(Evaluated(pd.DataFrame(), grades, (), ours), settings.reading)
    return overall
