"""`rlprobe grade RUN`: grade a run again, without its models, and write its summaries anew; also with other golds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rlprobe import runs
from rlprobe.analysis.classes import Reading
from rlprobe.errors import BadInput
from rlprobe.pipeline import disagree, intervene, sample, signals, stages
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.problems.datasets import ProblemSet, load_problems
from rlprobe.problems.grading import GraderSettings
from rlprobe.runs import Run

THEIR_OWN = (
    "flips",
    "consequences",
    "steer",
    "weights",
)  # commands that decode as they grade, and need the models for other verdicts


@dataclass(frozen=True)
class Golds:
    """Where other golds come from, for the same questions; `dataset` None keeps those of the run."""

    dataset: str | None = None
    question_field: str | None = None
    answer_field: str | None = None

    def __post_init__(self) -> None:
        if self.dataset is None and (self.question_field or self.answer_field):
            raise BadInput("a field for the question or the answer is one of a data set: give --dataset with it")


def grade(
    path: Path, settings: GraderSettings, reading: Reading, reporter: Reporter, golds: Golds | None = None
) -> list[Written]:
    """Verdicts by another grader, answer policy or golds; rollouts and token tables stay as they are."""
    run = runs.read(path)
    if "text" in run.identity:
        raise BadInput(f"{path} holds documents, which have no gold answers: there is nothing to grade")
    problems = (
        load_problems(golds.dataset, golds.question_field, golds.answer_field) if golds and golds.dataset else None
    )
    with run.locked():
        if problems:
            for each in (*_inside(run), run):
                _take_golds(each, problems)
        written = summarise_all(run, [run], settings, reading, reporter)
    for command in (name for name in THEIR_OWN if run.file(f"{name}.json").exists()):
        reporter.note(f"{command}.json has the verdicts it was made with: for others run rlprobe {command} again")
    return written


def _inside(run: Run) -> list[Run]:
    """The runs inside a run, which hold some of its problems."""
    return [runs.read(file.parent) for file in sorted(run.path.glob(f"{runs.INSIDE}/*/run.json"))]


def _take_golds(run: Run, problems: ProblemSet) -> None:
    """Put a data set's golds in the place of the run's. Raises BadInput where it does not ask the same questions."""
    given = {p.problem_id: p for p in problems.problems}
    held = run.problems()
    for problem in held:
        other = given.get(problem.problem_id)
        if other is None or other.question != problem.question:
            what = "does not have" if other is None else "asks something else as"
            raise BadInput(f"{problems.source} {what} the run's problem {problem.problem_id!r}: give the same problems")
    order = [p.problem_id for p in problems.problems if p.problem_id in {p.problem_id for p in held}]
    if order != [p.problem_id for p in held]:
        raise BadInput(f"{problems.source} has the run's problems in another order; give them in the same")
    about = {"dataset": problems.name, "source": problems.source}
    run.replace_golds([given[p.problem_id] for p in held], problems.golds, about)


def summarise_all(
    run: Run, told: Sequence[Run], settings: GraderSettings, reading: Reading, reporter: Reporter
) -> list[Written]:
    """Grade what is not graded, and write every summary that the run has the tables for.

    Which arms a summary speaks of is read from the first of the runs `told` that has one.
    """
    layer = stages.grade(run, settings, reporter)
    written = []
    if run.arms("tokens"):
        written.append(disagree.summarise_again(run, layer, told, reading))
    for command in (intervene, sample):
        for source in [each for each in told if each.file(command.SUMMARY).exists()][:1]:
            written.append(command.summarise_again(run, layer, source, reading))
    written += signals.summarise_again(run, settings, reading, reporter)
    if not written:
        raise BadInput(f"{run.path} has no token tables, interventions or samples yet: there is nothing to summarise")
    return written
