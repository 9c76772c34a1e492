"""`rlprobe intervene`: one model decodes, chosen tokens are replaced, and the answers are graded."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pandas as pd

from rlprobe.analysis import thresholds
from rlprobe.analysis.classes import Reading
from rlprobe.analysis.interventions import NamedArm, summarise
from rlprobe.decoding import modes
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.engine import Counts
from rlprobe.decoding.modes import Named, Options
from rlprobe.errors import BadInput
from rlprobe.pipeline import stages
from rlprobe.pipeline.disagree import notices
from rlprobe.pipeline.prepare import Prepared, Settings, prepare
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.shown import GREEDY, Shown
from rlprobe.pipeline.written import Report, Written, problems_of
from rlprobe.records import MEMBERS
from rlprobe.reporting.intervene.figures import FIGURES
from rlprobe.reporting.intervene.tables import TABLES
from rlprobe.reporting.intervene.text import show
from rlprobe.runs import Run

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "interventions.json"
DEFAULT_MODES = ("oracle", "random", "entropy")
SIGNALS = {"entropy": "entropy", "inverse": "entropy", "margin": "margin", "kl": "kl", "js": "js", "delta": "delta"}
COUNTS = ("support", "random", "oracle-reranked")  # modes with a top k


@dataclass(frozen=True)
class ArmChoice:
    """Which arms: named modes, or one composed of gates and a writer.

    A mode may carry the values of its parameter, as "entropy:0.5,p95"; those without take `taus` (signals) or `top_ks`.
    Thresholds are nats, or percentiles of the signal on the host's own text, as "p95".
    """

    modes: tuple[str, ...] = ()
    gates: tuple[str, ...] = ()
    writer: str = "donor_argmax"
    host: str = "base"
    taus: tuple[str, ...] = ()
    top_ks: tuple[int, ...] = ()
    budget: int | None = None
    exclude_donor: bool = False
    seeds: int = 3  # of greedy arms with randomness
    sampling: Sampling | None = None
    draws: int = 4  # of sampled arms

    @property
    def asks_greedy_ends(self) -> bool:
        """Whether the greedy texts are needed: arms stand between them, or thresholds are read off the host's."""
        return self.sampling is None or self.asks_the_run

    @property
    def draws_each(self) -> int:
        """How many responses an arm has to each problem."""
        return self.draws if self.sampling else 1

    @property
    def wanted(self) -> dict[str, tuple[str, ...]]:
        """Mode -> the values of its parameter, as they were written."""
        found = {}
        for words in self.modes or DEFAULT_MODES:
            mode, _, values = words.partition(":")
            others = self.taus if mode in SIGNALS else tuple(map(str, self.top_ks)) if mode in COUNTS else ()
            found[mode] = tuple(values.split(",")) if values else others
        return found

    @property
    def asks_the_run(self) -> bool:
        """Whether an arm depends on the pair's token table."""
        values = [v for values in self.wanted.values() for v in values] + [g.partition(":")[2] for g in self.gates]
        return "matched" in self.wanted or any(value.startswith("p") for value in values)


@dataclass(frozen=True)
class FromRun:
    """What arms ask of a run's token table. Before there is one, stand-ins that make every arm possible."""

    tokens: pd.DataFrame | None = None

    def value(self, mode: str, text: str, host: str) -> float:
        """A value as a number: percentiles are looked up."""
        if not text.startswith("p"):
            return _number(text)
        if mode not in SIGNALS:
            raise BadInput(f"{mode}:{text}: only {', '.join(SIGNALS)} have percentiles")
        q = _number(text[1:])
        if self.tokens is None:
            return 1.0
        return thresholds.percentile(thresholds.signal(self.tokens, SIGNALS[mode], host), q)

    def gate(self, words: str, host: str) -> str:
        """`NAME:p95` as NAME with the number of nats; other gates as they are."""
        name, _, text = words.partition(":")
        if not text.startswith("p"):
            return words
        signal = name.removeprefix("not-").partition("_")[0]
        return f"{name}:{self.value(signal, text, host)!r}"

    def rank_counts(self, host: str) -> tuple[int, ...]:
        """The ranks seen at disagreements."""
        if self.tokens is None:
            return (1,)
        counts = thresholds.rank_counts(self.tokens, host)
        if not sum(counts):
            raise BadInput("the pair never disagrees on the host's own text: there are no ranks to match")
        return counts


@dataclass(frozen=True, kw_only=True)
class InterveneSettings(Settings):
    """What `rlprobe intervene` is asked for."""

    arms: ArmChoice


def intervene(settings: InterveneSettings, reporter: Reporter) -> Written:
    """Decode the ends and the arms that the run still lacks, grade, and summarise."""
    prepared = prepare_intervene(settings)
    for line in notices(prepared):
        reporter.note(line)
    run = prepared.open_run(settings.output)
    share = settings.output.share
    with run.locked():
        for member in MEMBERS if settings.arms.asks_greedy_ends else ():
            stages.decode_greedy_arm(prepared, run, member, share, reporter)
        arms = _arms(prepared, run, settings, reporter)
        known = list(MEMBERS)
        for named in arms:
            took = stages.decode_arm(prepared, run, named, known, share, reporter, settings.arms.draws_each)
            known.append(named.arm.spec)
            _log(run, named, took)
        layer = stages.grade(run, settings.grader, reporter)
        entries = [_entry(named) for named in arms if named.mode not in MEMBERS]
        ends = {named.mode: named.arm.spec for named in arms if named.mode in MEMBERS} or GREEDY
        written = summarise_arms(run, layer, entries, (ends, settings.arms.draws_each), settings.reading)
    for name in run.broken:
        reporter.note(f"{run.path / name} was cut short; it was moved aside and made again")
    return written


def prepare_intervene(settings: InterveneSettings) -> Prepared:
    """Everything that can be refused before anything is written: arms included."""
    arms = settings.arms
    if arms.modes and arms.gates:
        raise BadInput("give either --mode or --gate with --writer, not both")
    if arms.asks_the_run and settings.output.share.count > 1:
        raise BadInput("percentiles and matched ranks need the whole run: give thresholds in nats with --shard")
    if arms.draws < 1:
        raise BadInput(f"draws is {arms.draws}: a sampled arm has at least 1")
    prepared = prepare(settings, {})
    for named in chosen(arms, FromRun()):
        named.arm.check(len(prepared.located.vocabulary.ids))
    return prepared


def plan(settings: InterveneSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared = prepare_intervene(settings)
    arms = chosen(settings.arms, FromRun())
    return [
        *notices(prepared),
        f"{len(prepared.prompts)} problems, the ends base and rl, and {len(arms)} arms, "
        f"{settings.arms.draws_each} responses to each problem:",
        *(f"  {named.label}: {named.arm.spec}" for named in arms),
        f"would write to {prepared.out}",
    ]


def chosen(choice: ArmChoice, run: FromRun) -> list[Named]:
    """The arms that are asked for, the oracle first where another needs its edits; no arm twice."""
    common = Options(budget=choice.budget, exclude_donor=choice.exclude_donor)
    if choice.gates:
        gates = [run.gate(words, choice.host) for words in choice.gates]
        found = modes.composed_arm(gates, choice.writer, common, choice.host, choice.seeds, choice.sampling)
    else:
        found = []
        for mode, values in choice.wanted.items():
            counts = run.rank_counts(choice.host) if mode == "matched" else ()
            numbers = tuple(run.value(mode, text, choice.host) for text in values)
            options = replace(common, values=numbers, rank_counts=counts)
            found += modes.named_arms(mode, options, choice.host, choice.seeds, choice.sampling)
    if any(named.needs_oracle for named in found):
        found = [*modes.named_arms("oracle", Options(), choice.host, 1, None), *found]
    if choice.sampling:
        found = [*(modes.sampled_end(member, choice.sampling) for member in MEMBERS), *found]
    return list({named.arm.spec: named for named in found}.values())


def summarise_arms(
    run: Run, layer: str, entries: Sequence[NamedArm], between: tuple[dict[str, str], int], reading: Reading
) -> Written:
    """Read some arms of a run, and write their summary, tables and figures.

    `between`: which arms stand for base and rl, and how many draws of each arm are read.
    """
    ends, draws = between
    shown = Shown([entry.name for entry in entries], ends, draws)
    rollouts, verdicts = (shown.rows(run.table(name).to_pandas()) for name in ("rollouts", layer))
    summary = {
        "about": run.about,
        "specs": [asdict(entry) for entry in entries],
        "ends": ends,
        "draws": draws,
        "problems": problems_of(run, verdicts, reading.answer),
        **summarise(rollouts, verdicts, entries, reading, run.left_out()),
    }
    return REPORT.write(run, SUMMARY, summary)


def summarise_again(run: Run, layer: str, saved: Path, reading: Reading) -> Written:
    """The same for the arms that an earlier summary, a file `saved`, speaks of."""
    earlier = json.loads(saved.read_text(encoding="utf-8"))
    entries = [NamedArm(**spec) for spec in earlier["specs"]]
    return summarise_arms(run, layer, entries, (earlier["ends"], earlier["draws"]), reading)


def _arms(prepared: Prepared, run: Run, settings: InterveneSettings, reporter: Reporter) -> list[Named]:
    """The arms, with what the token table of the host's own text says where that is asked for."""
    choice = settings.arms
    if not choice.asks_the_run:
        return chosen(choice, FromRun())
    stages.score(prepared, run, choice.host, reporter)
    return chosen(choice, FromRun(run.table("tokens", list(thresholds.COLUMNS)).to_pandas()))


def _entry(named: Named) -> NamedArm:
    seed = named.arm.seed if named.arm.random else None
    spec = named.arm.spec
    return NamedArm(
        name=spec, mode=named.mode, label=named.label, dose=named.dose, seed=seed, host=named.arm.host, spec=spec
    )


def _log(run: Run, named: Named, took: Counts) -> None:
    if took.emitted:
        run.log("decoded", arm=named.arm.spec, **{name: getattr(took, name) for name in took.__slots__})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(f"τ {text!r} is neither a number of nats nor a percentile such as p95") from None
