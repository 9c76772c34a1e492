"""`rlprobe intervene`: one model decodes, chosen tokens are replaced, and the answers are graded."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from rlprobe.analysis import noise, thresholds
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.halves import CALIBRATION, EVALUATION, HALVES, half_of, members
from rlprobe.analysis.interventions import NamedArm, summarise, unnamed
from rlprobe.analysis.statistics import rate
from rlprobe.commands import COMMANDS, stages
from rlprobe.commands.arm_choice import FromRun, chosen, described, read_off
from rlprobe.commands.disagree import resolvable
from rlprobe.commands.prepare import Prepared, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import PLACE, Asked, responses_in, verdicts_in
from rlprobe.commands.shown import GREEDY, First, Shown, first_asked
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.decoding.engine import Counts
from rlprobe.decoding.modes import Named
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.reporting.intervene import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import ArmChoice, InterveneSettings, Reading

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = COMMANDS["intervene"].summary


def intervene(settings: InterveneSettings, reporter: Reporter) -> Written:
    """Decode the ends and the arms that the run still lacks, grade, and summarise."""
    prepared = prepare_intervene(settings)
    share = settings.output.share
    with prepared.begun(settings.output, reporter) as run:
        for member in MEMBERS if settings.arms.asks_greedy_ends else ():
            stages.decode_greedy_arm(prepared, run, member, share, reporter)
        from_run = _from_run(prepared, run, settings.arms, reporter)
        arms, halved = chosen(settings.arms, from_run), read_off(settings.arms, from_run)
        known = list(MEMBERS)
        for named in arms:
            took = stages.decode_arm(prepared, run, named, known, share, reporter, settings.arms.draws_each)
            known.append(named.arm.spec)
            _log(run, named, took)
        layer = stages.grade(run, settings.grader, reporter)
        entries = [_entry(named, halved) for named in arms if named.mode not in MEMBERS]
        ends = {named.mode: named.arm.spec for named in arms if named.mode in MEMBERS} or GREEDY
        shown = Shown([entry.name for entry in entries], ends, settings.arms.draws_each)
        asked = first_asked(run, len(prepared.problems))
        return summarise_arms(asked, layer, entries, shown, settings.reading)


def prepare_intervene(settings: InterveneSettings) -> Prepared:
    """Everything that can be refused before anything is written: arms included."""
    arms = settings.arms
    if arms.asks_the_run and settings.output.share.count > 1:
        raise BadInput("percentiles and matched ranks need the whole run: give thresholds in nats with --shard")
    prepared = prepare(settings, {})
    for half in HALVES if arms.asks_the_run else ():
        members(prepared.prompts, half)
    for named in chosen(arms, FromRun()):
        named.arm.check(len(prepared.located.vocabulary.ids))
    return prepared


def plan(settings: InterveneSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared = prepare_intervene(settings)
    return [
        *prepared.notices,
        f"{len(prepared.prompts)} problems, the ends base and rl, and these arms, "
        f"{settings.arms.draws_each} responses to each problem:",
        *(f"  {line}" for line in described(settings.arms)),
        *([] if settings.arms.sampling else [resolvable(prepared, settings.reading)]),
        f"would write to {prepared.out}",
    ]


def summarise_arms(asked: First, layer: str, entries: Sequence[NamedArm], shown: Shown, reading: Reading) -> Written:
    """Read some arms of a run on the problems that were asked for, and write their summary, tables and figures."""
    run = asked.run
    halves = {entry.name: entry.half for entry in entries if entry.half}
    shown = replace(shown, beside=_alike(run, entries), halves=halves)
    told = responses_in(asked, shown.among, shown.draws), verdicts_in(asked, layer, shown.among, shown.draws)
    responses, verdicts = map(shown.rows, told)
    summary = {
        "about": run.about,
        "grader": named_grader(run, layer),
        "specs": [asdict(entry) for entry in entries],
        "ends": shown.ends,
        "draws": shown.draws,
        "first": asked.count,
        "noise_floor": _noise_floors(asked, reading),
        "problems": asked.problems(verdicts, reading.answer),
        **summarise(responses, verdicts, entries, reading, asked.left_out()),
    }
    return REPORT.write(run, SUMMARY, summary)


def _noise_floors(asked: First, reading: Reading) -> dict[str, Any]:
    """Of each model whose greedy text has a token table, its noise floor."""
    columns, told = ["token_id", *(f"argmax_{m}" for m in MEMBERS)], {}
    read = Asked(asked, [*PLACE, *columns], reading)
    for m in MEMBERS:
        if sizes := read.sizes(m):
            told[m] = rate(*noise.floor_sums(read.text(m, sorted(sizes)), m), reading.resampling)
    return plain(told)


def retell(again: Retelling) -> list[Written]:
    """The same for the arms that an earlier summary speaks of."""

    def parse(earlier: Any) -> tuple[list[NamedArm], Shown, First]:
        ends, entries = {m: str(earlier["ends"][m]) for m in MEMBERS}, [NamedArm(**spec) for spec in earlier["specs"]]
        shown = Shown([entry.name for entry in entries], ends, int(earlier["draws"]))
        return entries, shown, First(again.run, earlier.get("first"))

    told = again.said_by(SUMMARY)
    if told is None:
        return []
    entries, shown, asked = told.read_json(SUMMARY, parse)
    return [summarise_arms(asked, again.layer, entries, shown, again.reading)]


def _from_run(prepared: Prepared, run: Run, choice: ArmChoice, reporter: Reporter) -> FromRun:
    """What the token table of the host's own text says of the calibration half, where an arm asks for that."""
    if not choice.asks_the_run:
        return FromRun()
    stages.score(prepared, run, choice.host, reporter)
    tokens = run.table("tokens", ["problem_id", *thresholds.COLUMNS]).to_pandas()
    return FromRun(tokens[tokens["problem_id"].map(half_of) == CALIBRATION])


def _alike(run: Run, entries: Sequence[NamedArm]) -> list[str]:
    """The arms of the run with the host and the decoding of one that is shown: tests of one family."""
    families = {(entry.host, entry.decoding) for entry in entries}
    arms = [unnamed(spec) for spec in run.arms("rollouts") if " x " in spec]
    return [arm.name for arm in arms if (arm.host, arm.decoding) in families and not arm.spec.startswith("never x ")]


def _entry(named: Named, halved: frozenset[str]) -> NamedArm:
    seed = named.arm.seed if named.arm.random else None
    spec, half = named.arm.spec, EVALUATION if named.arm.spec in halved else None
    told = NamedArm(name=spec, mode=named.mode, label=named.label, dose=named.dose, host=named.arm.host, spec=spec)
    return replace(told, seed=seed, half=half)


def _log(run: Run, named: Named, took: Counts) -> None:
    if took.emitted:
        run.log("decoded", arm=named.arm.spec, **{name: getattr(took, name) for name in took.__slots__})
