"""`rlprobe sample`: each model answers every problem several times, and the answers are graded."""

from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.sampling import summarise
from rlprobe.commands import power, stages
from rlprobe.commands.matched_entropy import temperature_of_rl
from rlprobe.commands.prepare import prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import responses_in, verdicts_in
from rlprobe.commands.shown import First, Shown, first_asked
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import Named, sampled_end
from rlprobe.decoding.power import Power
from rlprobe.errors import BadInput
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


def ends_of(choice: SampleChoice) -> dict[str, Named]:
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
    return first | {member: end.arm.spec for member, end in ends_of(choice).items()}


def sample(settings: SampleSettings, reporter: Reporter) -> Written:
    """Draw what the run still lacks, grade, and summarise."""
    share = settings.output.share
    if settings.choice.match_entropy and share != ALL:
        raise BadInput("--match-entropy is over all problems: no --shard with it; give shards --rl-temperature")
    prepared, choice, matched = prepare(settings, {}), settings.choice, None
    with prepared.begun(settings.output, reporter) as run:
        if choice.match_entropy:
            matched = asdict(temperature_of_rl(prepared, run, Sampling.of(choice.sampling), reporter))
            choice = replace(choice, match_entropy=False, rl_temperature=matched["temperature"])
        if of_power := powered(choice):
            seed = choice.sampling.noise_seed
            power.decode_powered(prepared, run, of_power, seed, share, reporter, choice.draws)
        for end in ends_of(choice).values():
            stages.decode_arm(prepared, run, end, [], share, reporter, choice.draws)
        layer = stages.grade(run, settings.grader, reporter)
        return summarise_draws(first_asked(run, len(prepared.problems)), layer, choice, settings.reading, matched)


def plan(settings: SampleSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare(settings, {}), settings.choice
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
    run, verdicts, of_power = asked.run, rows_of(asked, layer, choice), powered(choice)
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
        **summarise(rows_of(asked, "rollouts", choice), verdicts, reading, asked.left_out()),
    }
    if of_power:
        summary["cost"] = plain(power.cost(asked, of_power, choice.sampling.noise_seed, choice.draws, reading))
    return REPORT.write(run, SUMMARY, summary)


def rows_of(asked: First, layer: str, choice: SampleChoice) -> pd.DataFrame:
    """These draws in a layer of verdicts, or what is kept of their responses; arms are called as members."""
    shown = Shown([], specs_of(choice), choice.draws)
    if layer == "rollouts":
        return shown.rows(responses_in(asked, shown.among, choice.draws))
    return shown.rows(verdicts_in(asked, layer, shown.among, choice.draws))


def told_of(run: Run, told: Run) -> tuple[SampleChoice, First]:
    """The draws of a run that the summary of the run `told` speaks of."""

    def parse(earlier: Any) -> tuple[SampleChoice, First]:
        choice = SampleChoice(SamplingChoice(**earlier["sampling"]), earlier["draws"], member=earlier["member"])
        choice = replace(choice, rl_temperature=earlier.get("rl_temperature"))
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
