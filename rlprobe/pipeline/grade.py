"""`rlprobe grade RUN`: grade a run again, without its models, and write its summaries anew."""

from pathlib import Path

from rlprobe import runs
from rlprobe.analysis.classes import Reading
from rlprobe.errors import BadInput
from rlprobe.pipeline import intervene, sample, signals, stages
from rlprobe.pipeline.disagree import summarise_run
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.problems.grading import GraderSettings
from rlprobe.runs import Run

THEIR_OWN = ("flips", "steer", "weights")  # commands that decode as they grade, and need the models for other verdicts


def grade(path: Path, settings: GraderSettings, reading: Reading, reporter: Reporter) -> list[Written]:
    """Verdicts by another grader or answer policy; rollouts and token tables stay as they are."""
    run = runs.read(path)
    if "text" in run.identity:
        raise BadInput(f"{path} holds documents, which have no gold answers: there is nothing to grade")
    with run.locked():
        written = summarise_all(run, run.path, settings, reading, reporter)
    for command in (name for name in THEIR_OWN if (run.path / f"{name}.json").exists()):
        reporter.note(f"{command}.json has the verdicts it was made with: for others run rlprobe {command} again")
    return written


def summarise_all(
    run: Run, told: Path, settings: GraderSettings, reading: Reading, reporter: Reporter
) -> list[Written]:
    """Grade what is not graded, and write every summary that the run has the tables for.

    Which arms a summary speaks of is read from the one that lies in the run directory `told`.
    """
    layer = stages.grade(run, settings, reporter)
    written = [summarise_run(run, layer, reading)] if run.arms("tokens") else []
    for command in (intervene, sample):
        if (told / command.SUMMARY).exists():
            written.append(command.summarise_again(run, layer, told / command.SUMMARY, reading))
    written += signals.summarise_again(run, settings, reading, reporter)
    if not written:
        raise BadInput(f"{run.path} has no token tables, interventions or samples yet: there is nothing to summarise")
    return written
