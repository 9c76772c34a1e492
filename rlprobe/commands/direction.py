"""`rlprobe direction RUN`: what RL makes likelier and what it makes rarer, read off a token table; needs no models."""

from collections.abc import Sequence

import pyarrow as pa

from rlprobe import runs
from rlprobe.analysis.direction import COLUMNS, summarise_texts
from rlprobe.analysis.texts import TRAJECTORIES
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import Asked, problems_of
from rlprobe.commands.shown import First
from rlprobe.commands.verdicts import grader_of, verdicts_on
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
    asked, arms = asked or First(run), [arm for arm in TRAJECTORIES if run.shards("tokens", arm)]
    read = Asked(asked, COLUMNS, settings.reading, verdicts_on(run, arms) if arms else None)
    sizes = {arm: rows for arm in arms if (rows := read.sizes(arm))}
    if not sizes:
        raise BadInput(f"{run.path} has no token of base's or RL's text: run `rlprobe disagree` on it first")
    names = problems_of(sizes)
    texts = {arm: read.text(arm, names) for arm in sizes}
    tokens = _texts_of_ids(run, arms)
    found = summarise_texts(texts, settings.reading, tokens.__getitem__, settings.tail, asked.left_out())
    problems = {"asked": len(asked.ids), "left_out": asked.left_out(), "ungraded": []}
    return REPORT.write(run, SUMMARY, {"about": run.about, "grader": grader_of(run), "problems": problems, **found})


def _texts_of_ids(run: Run, arms: Sequence[str]) -> dict[int, str]:
    """The string of each token id that occurs."""
    parts = [pa.table({"token_id": pa.array([], pa.int32()), "token": pa.array([], pa.string())})]
    for shard in (shard for arm in arms for shard in run.shards("tokens", arm)):
        parts = [pa.concat_tables([*parts, run.read_shard("tokens", shard, ["token_id", "token"])])]
        found = parts[0].group_by("token_id").aggregate([("token", "min")])
        parts = [found.rename_columns(["token_id", "token"])]
    found = parts[0]
    return dict(zip(found["token_id"].to_pylist(), found["token"].to_pylist(), strict=True))
