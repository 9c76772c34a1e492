"""`rlprobe merge OUT RUN...`: bring the shares of several machines together, and summarise the whole."""

from collections.abc import Sequence
from pathlib import Path

from rlprobe import runs
from rlprobe.analysis.classes import Reading
from rlprobe.pipeline.grade import summarise_all
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.problems.grading import GraderSettings


def merge(
    out: Path, parts: Sequence[Path], settings: GraderSettings, reading: Reading, reporter: Reporter
) -> list[Written]:
    """The run that one machine would have written. Verdicts that the parts brought along are kept."""
    run = runs.merge(out, [runs.read(part) for part in parts])
    with run.locked():
        return summarise_all(run, parts[0], settings, reading, reporter)
