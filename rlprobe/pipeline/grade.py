"""`rlprobe grade RUN`: grade a run again, without its models, and write its summary anew."""

from pathlib import Path

from rlprobe import runs
from rlprobe.analysis.classes import Reading
from rlprobe.pipeline import stages
from rlprobe.pipeline.disagree import summarise_run
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.problems.grading import GraderSettings


def grade(path: Path, settings: GraderSettings, reading: Reading, reporter: Reporter) -> Written:
    """Verdicts by another grader or answer policy; rollouts and token tables stay as they are."""
    run = runs.read(path)
    with run.locked():
        layer = stages.grade(run, settings, reporter)
        return summarise_run(run, layer, reading)
