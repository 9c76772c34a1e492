"""`rlprobe direction RUN`: what RL makes likelier and what it makes rarer, read off a token table; needs no models."""

import pyarrow as pa

from rlprobe import runs
from rlprobe.analysis.direction import COLUMNS, summarise
from rlprobe.analysis.texts import TRAJECTORIES
from rlprobe.commands.progress import Reporter
from rlprobe.commands.shown import First
from rlprobe.commands.verdicts import answered, grader_of
from rlprobe.commands.written import Report, Written
from rlprobe.errors import BadInput
from rlprobe.reporting.direction import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import DirectionSettings

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "direction.json"


def direction(settings: DirectionSettings, reporter: Reporter) -> Written:  # noqa: ARG001 - says nothing
    """Read the token table of a run, and write its summary, tables and figures."""
    run = runs.read(settings.run)
    with run.locked():
        return summarise_direction(run, settings)


def summarise_direction(run: Run, settings: DirectionSettings, asked: First | None = None) -> Written:
    """The same for a run that is open and locked, or for the problems of it that were asked for.

    Raises BadInput where it has no text of base or RL.
    """
    table = run.table("tokens", [*COLUMNS, "token"], TRAJECTORIES)
    if not table.num_rows:
        raise BadInput(f"{run.path} has no token of base's or RL's text: run `rlprobe disagree` on it first")
    texts = _texts_of_ids(table)
    asked = asked or First(run)
    rows = asked.rows(table.select(list(COLUMNS)).to_pandas(strings_to_categorical=True))
    tokens = answered(run, rows, settings.reading.answer)
    found = summarise(tokens, settings.reading, texts.__getitem__, settings.tail, asked.left_out())
    problems = {"asked": len(asked.ids), "left_out": asked.left_out(), "ungraded": []}
    return REPORT.write(run, SUMMARY, {"about": run.about, "grader": grader_of(run), "problems": problems, **found})


def _texts_of_ids(table: pa.Table) -> dict[int, str]:
    """The string of each token id that occurs."""
    found = table.select(["token_id", "token"]).group_by("token_id").aggregate([("token", "min")])
    return dict(zip(found["token_id"].to_pylist(), found["token_min"].to_pylist(), strict=True))
