"""`rlprobe sample`: each model answers every problem several times, and the answers are graded."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from rlprobe.analysis.classes import Reading
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.sampling import summarise
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import Named, sampled_end
from rlprobe.decoding.power import Power
from rlprobe.errors import BadInput
from rlprobe.pipeline import power, stages
from rlprobe.pipeline.disagree import notices
from rlprobe.pipeline.matched_entropy import temperature_of_rl
from rlprobe.pipeline.prepare import Settings, prepare
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.shown import First, Shown, first_asked
from rlprobe.pipeline.verdicts import named_grader
from rlprobe.pipeline.written import Report, Written
from rlprobe.records import MEMBERS
from rlprobe.reporting.sample.figures import FIGURES
from rlprobe.reporting.sample.tables import TABLES
from rlprobe.reporting.sample.text import show
from rlprobe.runs import ALL, Run

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "sample.json"
WHOSE = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


@dataclass(frozen=True)
class SampleChoice:
    """How the models are drawn from, how often, and which of them.

    RL may have a temperature of its own, `rl_temperature`; with `match_entropy` that is found at which its mean entropy
    is the base's (pipeline/matched_entropy.py). With `power` the base is drawn from that power of itself over whole
    texts, and RL beside it as ever; `power_block` and `power_moves` are of its sampler (decoding/power.py).
    """

    sampling: Sampling = Sampling()  # noqa: RUF009 - frozen
    draws: int = 16
    member: str = "both"
    rl_temperature: float | None = None
    match_entropy: bool = False
    power: float | None = None
    power_block: int = 192
    power_moves: int = 10

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise BadInput(f"n is {self.draws}: a problem needs at least one draw")
        if self.member not in WHOSE:
            raise BadInput(f"member {self.member!r} is none of {', '.join(WHOSE)}")
        if self.rl_temperature is not None:
            _ = self.sampling_of("rl")  # refuses what is no temperature
        if self.match_entropy and (self.member != "both" or self.rl_temperature is not None or self.power is not None):
            raise BadInput(
                "match_entropy is of both models as they are: no member, power or RL's own temperature with it"
            )
        if self.power is not None:
            _ = self.powered  # refuses what is no power
            if self.member == "rl":
                raise BadInput("power is the base's: give the member base, or both")

    def sampling_of(self, member: str) -> Sampling:
        """How a model is drawn from."""
        own = self.rl_temperature if member == "rl" else None
        return self.sampling if own is None else replace(self.sampling, temperature=own)

    @property
    def powered(self) -> Power | None:
        """How the base's power is drawn from, where it is."""
        return None if self.power is None else Power(self.power, self.power_block, self.power_moves)

    @property
    def ends(self) -> dict[str, Named]:
        """The models to sample, each as an arm that nothing is put into: interventions stand between the same ones."""
        return {
            member: sampled_end(member, self.sampling_of(member))
            for member in WHOSE[self.member]
            if self.power is None or member != power.HOST
        }

    @property
    def specs(self) -> dict[str, str]:
        """The name of the arm of each model."""
        powered = {power.HOST: power.spec_of(self.powered, self.sampling.noise_seed)} if self.powered else {}
        return powered | {member: end.arm.spec for member, end in self.ends.items()}


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """What `rlprobe sample` is asked for."""

    choice: SampleChoice = SampleChoice()


def sample(settings: SampleSettings, reporter: Reporter) -> Written:
    """Draw what the run still lacks, grade, and summarise."""
    share = settings.output.share
    if settings.choice.match_entropy and share != ALL:
        raise BadInput("match_entropy is over all problems: no shard of them with it; give shards --rl-temperature")
    prepared, choice, matched = prepare(settings, {}), settings.choice, None
    for line in notices(prepared):
        reporter.note(line)
    with prepared.open_run(settings.output, reporter) as run:
        if choice.match_entropy:
            matched = asdict(temperature_of_rl(prepared, run, choice.sampling, reporter))
            choice = replace(choice, match_entropy=False, rl_temperature=matched["temperature"])
        seed = choice.sampling.noise_seed
        if choice.powered:
            power.decode_powered(prepared, run, choice.powered, seed, share, reporter, choice.draws)
        for end in choice.ends.values():
            stages.decode_arm(prepared, run, end, [], share, reporter, choice.draws)
        layer = stages.grade(run, settings.grader, reporter)
        return summarise_draws(first_asked(run, len(prepared.problems)), layer, choice, settings.reading, matched)


def plan(settings: SampleSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared, choice = prepare(settings, {}), settings.choice
    return [
        *notices(prepared),
        f"{len(prepared.prompts)} problems, {choice.draws} draws of each from {' and '.join(choice.specs)}",
        *(f"  {spec}" for spec in choice.specs.values()),
        f"would write to {prepared.out}",
    ]


def summarise_draws(
    asked: First, layer: str, choice: SampleChoice, reading: Reading, matched: dict[str, Any] | None = None
) -> Written:
    """Read the draws of a run on the problems asked for, and write their summary, tables and figure.

    `matched` is how RL's temperature was found, where it was.
    """
    run, verdicts = asked.run, rows_of(asked, layer, choice)
    summary = {
        "about": run.about,
        "grader": named_grader(run, layer),
        "sampling": asdict(choice.sampling),
        "rl_temperature": choice.rl_temperature,
        "matched": matched,
        "power": choice.powered and asdict(choice.powered),
        "draws": choice.draws,
        "member": choice.member,
        "first": asked.count,
        "problems": asked.problems(verdicts, reading.answer),
        **summarise(rows_of(asked, "rollouts", choice), verdicts, reading, asked.left_out()),
    }
    if choice.powered:
        summary["cost"] = plain(power.cost(asked, choice.powered, choice.sampling.noise_seed, choice.draws, reading))
    return REPORT.write(run, SUMMARY, summary)


def rows_of(asked: First, layer: str, choice: SampleChoice) -> pd.DataFrame:
    """The rows of a layer (grades, or the rollouts themselves) that are of these draws; arms are called as members."""
    shown = Shown([], choice.specs, choice.draws)
    return asked.rows(shown.rows(asked.run.table(layer).to_pandas()))


def told_of(run: Run, told: Run) -> tuple[SampleChoice, First]:
    """The draws of a run that the summary of the run `told` speaks of."""

    def parse(earlier: Any) -> tuple[SampleChoice, First]:
        choice = SampleChoice(Sampling(**earlier["sampling"]), earlier["draws"], earlier["member"])
        choice = replace(choice, rl_temperature=earlier.get("rl_temperature"))
        if was := earlier.get("power"):
            choice = replace(choice, power=was["alpha"], power_block=was["block"], power_moves=was["moves"])
        return choice, First(run, earlier.get("first"))

    return told.read_json(SUMMARY, parse)


def summarise_again(run: Run, layer: str, told: Run, reading: Reading) -> Written:
    """The same for the draws that the summary of the run `told` speaks of."""
    choice, asked = told_of(run, told)
    return summarise_draws(asked, layer, choice, reading, told.read_json(SUMMARY, lambda told: told.get("matched")))
