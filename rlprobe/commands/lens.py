"""`rlprobe lens RUN`: at which layer is each model's choice made, where the two disagree and where they do not?"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from rlprobe.analysis.lens import summarise
from rlprobe.commands.inside import Opened, chosen_points, open_run
from rlprobe.commands.progress import Reporter
from rlprobe.commands.verdicts import grader_of
from rlprobe.commands.written import Report, Written
from rlprobe.internals.lens import Reading as Read
from rlprobe.internals.lens import read_out, residual_streams
from rlprobe.internals.points import Point
from rlprobe.records import MEMBERS
from rlprobe.reporting.lens import FIGURES, TABLES, show
from rlprobe.settings import LensSettings

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "lens.json"


def lens(settings: LensSettings, reporter: Reporter) -> Written:
    """Read both models' residual streams at the places, and summarise them."""
    opened = open_run(settings.run, settings.pair)
    chosen, points = chosen_points(opened.run, settings.choice, settings.reading)
    streams = _streams(opened, points, reporter)
    by_depth = pd.concat(
        _rows(_read(opened, member, streams[member][:, depth], points), model=member, depth=depth)
        for member in MEMBERS
        for depth in range(streams[member].shape[1])
    )
    summary = {
        "about": opened.run.about,
        "grader": grader_of(opened.run),
        "choice": asdict(settings.choice),
        **summarise(chosen, by_depth, pd.concat(_crossed(opened, streams, points)), settings.reading),
    }
    with opened.run.locked():
        return REPORT.write(opened.run, SUMMARY, summary)


def _streams(opened: Opened, points: Sequence[Point], reporter: Reporter) -> dict[str, Float[Tensor, "n depths width"]]:
    with reporter.task("both read", len(MEMBERS), "models") as meter:
        found = {}
        for member in MEMBERS:
            found[member] = residual_streams(opened.inside[member], points)
            meter.advance()
    return found


def _crossed(opened: Opened, streams: dict[str, Tensor], points: Sequence[Point]) -> Iterator[pd.DataFrame]:
    """Each model's last residual stream, read by each model's final norm and head."""
    for trunk in MEMBERS:
        for readout in MEMBERS:
            yield _rows(_read(opened, readout, streams[trunk][:, -1], points), trunk=trunk, readout=readout)


def _read(opened: Opened, member: str, residuals: Float[Tensor, "n width"], points: Sequence[Point]) -> Read:
    return read_out(opened.inside[member], residuals, points, opened.pair.vocabulary)


def _rows(read: Read, **named: Any) -> pd.DataFrame:
    """One row a point."""
    columns = {
        "point": range(len(read.leading)),
        "leading": read.leading.numpy(),
        "logprob_of_base": read.logprobs[:, 0].numpy(),
        "logprob_of_rl": read.logprobs[:, 1].numpy(),
    }
    return pd.DataFrame({**columns, **named})
