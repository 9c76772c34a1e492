"""`rlprobe sample`: each model answers every problem several times, and the answers are graded."""

from dataclasses import asdict, dataclass
from typing import Any

from rlprobe.analysis.classes import Reading
from rlprobe.analysis.sampling import summarise
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import Named, sampled_end
from rlprobe.errors import BadInput
from rlprobe.pipeline import stages
from rlprobe.pipeline.disagree import notices
from rlprobe.pipeline.prepare import Settings, prepare
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.shown import First, Shown, first_asked
from rlprobe.pipeline.verdicts import named_grader
from rlprobe.pipeline.written import Report, Written
from rlprobe.records import MEMBERS
from rlprobe.reporting.sample import FIGURES, TABLES, show
from rlprobe.runs import Run

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "sample.json"
WHOSE = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


@dataclass(frozen=True)
class SampleChoice:
    """How the models are drawn from, how often, and which of them."""

    sampling: Sampling = Sampling()  # noqa: RUF009 - frozen
    draws: int = 16
    member: str = "both"

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise BadInput(f"n is {self.draws}: a problem needs at least one draw")
        if self.member not in WHOSE:
            raise BadInput(f"member {self.member!r} is none of {', '.join(WHOSE)}")

    @property
    def ends(self) -> dict[str, Named]:
        """The models to sample, each as an arm that nothing is put into: interventions stand between the same ones."""
        return {member: sampled_end(member, self.sampling) for member in WHOSE[self.member]}


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """What `rlprobe sample` is asked for."""

    choice: SampleChoice = SampleChoice()


def sample(settings: SampleSettings, reporter: Reporter) -> Written:
    """Draw what the run still lacks, grade, and summarise."""
    prepared, choice = prepare(settings, {}), settings.choice
    for line in notices(prepared):
        reporter.note(line)
    with prepared.open_run(settings.output, reporter) as run:
        for end in choice.ends.values():
            stages.decode_arm(prepared, run, end, [], settings.output.share, reporter, choice.draws)
        layer = stages.grade(run, settings.grader, reporter)
        return summarise_draws(first_asked(run, len(prepared.problems)), layer, choice, settings.reading)


def plan(settings: SampleSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare(settings, {}), settings.choice
    return [
        *notices(prepared),
        f"{len(prepared.prompts)} problems, {choice.draws} draws of each from {' and '.join(choice.ends)}",
        *(f"  {end.arm.spec}" for end in choice.ends.values()),
        f"would write to {prepared.out}",
    ]


def summarise_draws(asked: First, layer: str, choice: SampleChoice, reading: Reading) -> Written:
    """Read the draws of a run on the problems asked for, and write their summary, tables and figure."""
    run = asked.run
    shown = Shown([], {member: end.arm.spec for member, end in choice.ends.items()}, choice.draws)
    rollouts, verdicts = (asked.rows(shown.rows(run.table(name).to_pandas())) for name in ("rollouts", layer))
    summary = {
        "about": run.about,
        "grader": named_grader(run, layer),
        "sampling": asdict(choice.sampling),
        "draws": choice.draws,
        "member": choice.member,
        "first": asked.count,
        "problems": asked.problems(verdicts, reading.answer),
        **summarise(rollouts, verdicts, reading, asked.left_out()),
    }
    return REPORT.write(run, SUMMARY, summary)


def summarise_again(run: Run, layer: str, told: Run, reading: Reading) -> Written:
    """The same for the draws that the summary of the run `told` speaks of."""

    def parse(earlier: Any) -> tuple[SampleChoice, First]:
        choice = SampleChoice(Sampling(**earlier["sampling"]), earlier["draws"], earlier["member"])
        return choice, First(run, earlier.get("first"))

    choice, asked = told.read_json(SUMMARY, parse)
    return summarise_draws(asked, layer, choice, reading)
