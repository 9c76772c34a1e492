"""`rlprobe grade RUN`: grade a run again, without its models, and write its summaries anew; also with other golds."""

from collections.abc import Sequence

from rlprobe import runs
from rlprobe.commands import COMMANDS, OWN, RETOLD, stages
from rlprobe.commands.crew import Crew, hired
from rlprobe.commands.progress import Reporter
from rlprobe.commands.written import Retelling, Written
from rlprobe.errors import BadInput
from rlprobe.problems.datasets import ProblemSet, load_problems
from rlprobe.runs import Run
from rlprobe.settings import GraderChoice, GradeSettings, Reading


def grade(settings: GradeSettings, reporter: Reporter) -> list[Written]:
    """Verdicts by another grader, answer policy or golds; rollouts and token tables stay as they are."""
    run, golds = runs.read(settings.run), settings.golds
    if "text" in run.identity:
        raise BadInput(f"{run.path} holds documents, which have no gold answers: there is nothing to grade")
    problems = None
    if golds.dataset:
        problems = load_problems(golds.dataset, golds.question_field, golds.answer_field)
    with run.locked():
        if problems:
            for each in (*_inside(run), run):
                _take_golds(each, problems)
        with hired(settings.crew) as crew:
            written = summarise_all(run, [run], settings.grader, settings.reading, reporter, crew)
    for command in COMMANDS.values():
        if command.verdicts == OWN and run.file(command.summary).exists():
            made = f"{command.summary} has the verdicts it was made with"
            reporter.note(f"{made}: for others run rlprobe {command.name} again")
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
    run: Run,
    told: Sequence[Run],
    grader: GraderChoice,
    reading: Reading,
    reporter: Reporter,
    crew: Crew | None = None,
) -> list[Written]:
    """Grade what is not graded, and write every summary that the run has the tables for."""
    again = Retelling(run, told, stages.grade(run, grader, reporter, crew), grader, reading, reporter, crew)
    retold = (command.module.retell(again) for command in COMMANDS.values() if command.verdicts == RETOLD)
    written = [each for several in retold for each in several]
    if not written:
        raise BadInput(f"{run.path} has no token tables, interventions or samples yet: there is nothing to summarise")
    return written
