"""`rlprobe sample`: each model answers every problem several times, and the answers are graded."""

from dataclasses import asdict
from typing import Any

from rlprobe.analysis.sampling import summarise
from rlprobe.commands import stages
from rlprobe.commands.prepare import prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.shown import First, Shown, first_asked
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import Named, sampled_end
from rlprobe.records import MEMBERS
from rlprobe.reporting.sample import FIGURES, TABLES, show
from rlprobe.settings import Reading, SampleChoice, SampleSettings, SamplingChoice

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "sample.json"
WHOSE = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


def ends_of(choice: SampleChoice) -> dict[str, Named]:
    """The models to sample, each as an arm that nothing is put into: interventions stand between the same ones."""
    return {member: sampled_end(member, Sampling.of(choice.sampling)) for member in WHOSE[choice.member]}


def sample(settings: SampleSettings, reporter: Reporter) -> Written:
    """Draw what the run still lacks, grade, and summarise."""
    prepared, choice = prepare(settings, {}), settings.choice
    with prepared.begun(settings.output, reporter) as run:
        for end in ends_of(choice).values():
            stages.decode_arm(prepared, run, end, [], settings.output.share, reporter, choice.draws)
        layer = stages.grade(run, settings.grader, reporter)
        return summarise_draws(first_asked(run, len(prepared.problems)), layer, choice, settings.reading)


def plan(settings: SampleSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare(settings, {}), settings.choice
    return [
        *prepared.notices,
        f"{len(prepared.prompts)} problems, {choice.draws} draws of each from {' and '.join(ends_of(choice))}",
        *(f"  {end.arm.spec}" for end in ends_of(choice).values()),
        f"would write to {prepared.out}",
    ]


def summarise_draws(asked: First, layer: str, choice: SampleChoice, reading: Reading) -> Written:
    """Read the draws of a run on the problems asked for, and write their summary, tables and figure."""
    run = asked.run
    shown = Shown([], {member: end.arm.spec for member, end in ends_of(choice).items()}, choice.draws)
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


def retell(again: Retelling) -> list[Written]:
    """The same for the draws that an earlier summary speaks of."""

    def parse(earlier: Any) -> tuple[SampleChoice, First]:
        choice = SampleChoice(SamplingChoice(**earlier["sampling"]), earlier["draws"], earlier["member"])
        return choice, First(again.run, earlier.get("first"))

    told = again.said_by(SUMMARY)
    if told is None:
        return []
    choice, asked = told.read_json(SUMMARY, parse)
    return [summarise_draws(asked, again.layer, choice, again.reading)]
