"""`rlprobe sample`: each model answers every problem several times, and the answers are graded."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.sampling import CHOICES, choices, summarise
from rlprobe.commands import power
from rlprobe.commands.matched_entropy import temperature_of_rl
from rlprobe.commands.prepare import Prepared, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import read_shown
from rlprobe.commands.shown import First, Shown, first_asked
from rlprobe.commands.stages import Job
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import Labelled, sampled_end
from rlprobe.decoding.power import GOES_BACK, Power
from rlprobe.errors import BadInput, IncompatiblePair
from rlprobe.records import MEMBERS
from rlprobe.reporting.sample import FIGURES, TABLES, show
from rlprobe.runs import ALL, Run
from rlprobe.settings import Reading, SampleChoice, SampleSettings, SamplingChoice

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "sample.json"
WHOSE = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


def powered(choice: SampleChoice) -> Power | None:
    """How the base's power is drawn from, where it is."""
    return None if choice.power is None else Power(choice.power, choice.power_block, choice.power_moves)


def ends_of(choice: SampleChoice) -> dict[str, Labelled]:
    """The models to sample, each as an arm that nothing is put into: interventions stand between the same ones."""
    own = {"rl": choice.rl_temperature} if choice.rl_temperature else {}
    return {
        member: sampled_end(
            member, Sampling.of(replace(choice.sampling, temperature=own.get(member, choice.sampling.temperature)))
        )
        for member in WHOSE[choice.member]
        if choice.power is None or member != power.HOST
    }


def specs_of(choice: SampleChoice) -> dict[str, str]:
    """The name of the arm of each model."""
    of_power = powered(choice)
    first = {power.HOST: power.spec_of(of_power, choice.sampling.noise_seed)} if of_power else {}
    return first | {member: arm.spec for member, (arm, _) in ends_of(choice).items()}


def sample(settings: SampleSettings, reporter: Reporter) -> Written:
    """Draw what the run still lacks, grade, and summarise."""
    if settings.choice.match_entropy and settings.output.share != ALL:
        raise BadInput("--match-entropy is over all problems: no --shard with it; give shards --rl-temperature")
    prepared, choice, matched = prepare_sample(settings), settings.choice, None
    with Job.begun(prepared, settings.output, reporter) as job:
        if choice.match_entropy:
            matched = asdict(temperature_of_rl(job, Sampling.of(choice.sampling)))
            choice = replace(choice, match_entropy=False, rl_temperature=matched["temperature"])
        if of_power := powered(choice):
            power.decode_powered(job, of_power, choice.sampling.noise_seed, choice.draws)
        for arm, called in ends_of(choice).values():
            job.decode_arm(arm, called.label, draws=choice.draws)
        for name in specs_of(choice).values() if choice.read else ():
            job.score(name)
        layer = job.grade(settings.grader)
        return summarise_draws(first_asked(job.run, len(prepared.problems)), layer, choice, settings.reading, matched)


def prepare_sample(settings: SampleSettings) -> Prepared:
    """Everything that is settled before computing. Raises IncompatiblePair where a power cannot be drawn from."""
    prepared = prepare(settings, {})
    if powered(settings.choice) and prepared.located.not_rewound:
        raise IncompatiblePair(f"{prepared.located.not_rewound[0]}, {GOES_BACK}")
    return prepared


def plan(settings: SampleSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare_sample(settings), settings.choice
    specs = specs_of(choice)
    return [
        *prepared.notices,
        f"{len(prepared.prompts)} problems, {choice.draws} draws of each from {' and '.join(specs)}",
        *(f"  {spec}" for spec in specs.values()),
        f"would write to {prepared.out}",
    ]


def summarise_draws(
    asked: First, layer: str, choice: SampleChoice, reading: Reading, matched: dict[str, Any] | None = None
) -> Written:
    """Read the draws of a run on the problems asked for, and write their summary, tables and figure.

    `matched` is how RL's temperature was found, where it was.
    """
    run, of_power = asked.run, powered(choice)
    responses, verdicts = read_shown(asked, shown_by(choice), layer)
    summary = {
        "about": run.about,
        "grader": named_grader(run, layer),
        "sampling": asdict(choice.sampling),
        "rl_temperature": choice.rl_temperature,
        "matched": matched,
        "power": of_power and asdict(of_power),
        "draws": choice.draws,
        "member": choice.member,
        "first": asked.count,
        "problems": asked.problems(verdicts, reading.answer),
        **summarise(responses, verdicts, reading, asked.left_out()),
    }
    if of_power:
        summary["cost"] = plain(power.cost(asked, of_power, choice.sampling.noise_seed, choice.draws, reading))
    if choice.read:
        problems = pd.Index(sorted(set(responses["problem_id"])))
        summary["read"] = {
            member: plain(choices(_tokens(asked, arm, choice.draws), problems, reading.resampling))
            for member, arm in specs_of(choice).items()
        }
    return REPORT.write(run, SUMMARY, summary)


def _tokens(asked: First, arm: str, draws: int) -> Iterator[pd.DataFrame]:
    """What both models' first choices were along the draws of an arm, a shard at a time."""
    for shard in asked.run.shards("tokens", arm):
        if shard.draw < draws:
            yield asked.rows(asked.run.read_shard("tokens", shard, CHOICES).to_pandas())


def shown_by(choice: SampleChoice) -> Shown:
    """The draws that a choice speaks of, of arms that are called as members."""
    return Shown([], specs_of(choice), choice.draws)


def told_of(run: Run, told: Run) -> tuple[SampleChoice, First]:
    """The draws of a run that the summary of the run `told` speaks of."""

    def parse(earlier: Any) -> tuple[SampleChoice, First]:
        choice = SampleChoice(SamplingChoice(**earlier["sampling"]), earlier["draws"], member=earlier["member"])
        choice = replace(choice, rl_temperature=earlier.get("rl_temperature"), read="read" in earlier)
        if was := earlier.get("power"):
            choice = replace(choice, power=was["alpha"], power_block=was["block"], power_moves=was["moves"])
        return choice, First(run, earlier.get("first"))

    return told.read_json(SUMMARY, parse)


def retell(again: Retelling) -> list[Written]:
    """The same for the draws that an earlier summary speaks of."""
    told = again.said_by(SUMMARY)
    if told is None:
        return []
    choice, asked = told_of(again.run, told)
    matched = told.read_json(SUMMARY, lambda earlier: earlier.get("matched"))
    return [summarise_draws(asked, again.layer, choice, again.reading, matched)]
