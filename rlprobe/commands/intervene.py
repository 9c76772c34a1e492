"""`rlprobe intervene`: one model decodes, chosen tokens are replaced, and the answers are graded."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from rlprobe.analysis import noise, thresholds
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.halves import CALIBRATION, EVALUATION, HALVES, half_of, members
from rlprobe.analysis.interventions import summarise
from rlprobe.analysis.statistics import rate
from rlprobe.arm_labels import ArmLabel, unnamed
from rlprobe.commands import collected
from rlprobe.commands.arm_choice import FromRun, chosen, described, read_off
from rlprobe.commands.collected import TOLD, Family
from rlprobe.commands.disagree import resolvable
from rlprobe.commands.prepare import Prepared, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import PLACE, Asked, read_shown
from rlprobe.commands.shown import GREEDY, First, Shown, first_asked
from rlprobe.commands.stages import Job
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.decoding.arms import Arm
from rlprobe.decoding.engine import Counts
from rlprobe.decoding.modes import Labelled
from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.reporting.intervene import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import ArmChoice, InterveneSettings, Reading

REPORT = Report(TABLES, FIGURES, show)


def intervene(settings: InterveneSettings, reporter: Reporter) -> Written:
    """Decode the ends and the arms that the run still lacks, grade, and summarise."""
    prepared = prepare_intervene(settings)
    with Job.begun(prepared, settings.output, reporter) as job:
        if not settings.arms.asks_the_run:  # all arms have their names before anything is decoded
            collected.refuse_unknown(job.run, _family(settings.arms, FromRun())[1], settings.arms.shown)
        for member in MEMBERS if settings.arms.asks_greedy_ends else ():
            job.decode_greedy_arm(member)
        arms, family = _family(settings.arms, _from_run(job, settings.arms))
        entries = family.arms
        collected.refuse_unknown(job.run, family, settings.arms.shown)
        known = list(MEMBERS)
        for arm, called in arms:
            took = job.decode_arm(arm, called.label, known, settings.arms.draws_each)
            known.append(arm.spec)
            _log(job.run, arm, took)
        layer = job.grade(settings.grader)
        collected.call_by_decoding(job.run, (*TABLES, *FIGURES))
        family = collected.collect(job.run, family)
        asked = first_asked(job.run, len(prepared.problems))
        return summarise_arms(asked, layer, family, settings.reading, family.chosen(settings.arms.shown, entries))


def prepare_intervene(settings: InterveneSettings) -> Prepared:
    """Everything that can be refused before anything is written: arms included."""
    arms = settings.arms
    if arms.asks_the_run and settings.output.share.count > 1:
        raise BadInput("percentiles and matched ranks need the whole run: give thresholds in nats with --shard")
    prepared = prepare(settings, {})
    for half in HALVES if arms.asks_the_run else ():
        members(prepared.prompts, half)
    for arm, _ in chosen(arms, FromRun()):
        arm.check(len(prepared.located.vocabulary.ids))
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


def summarise_arms(asked: First, layer: str, family: Family, reading: Reading, entries: Sequence[ArmLabel]) -> Written:
    """Read these arms of a family on the problems that were asked for, and write."""
    run = asked.run
    halves = {entry.name: entry.half for entry in entries if entry.half}
    shown = Shown([entry.name for entry in entries], family.ends, family.draws, _alike(run, entries), halves)
    responses, verdicts = read_shown(asked, shown, layer)
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
    return REPORT.write(run, TOLD.format(""), summary, suffix=family.suffix)


def _noise_floors(asked: First, reading: Reading) -> dict[str, Any]:
    """Of each model whose greedy text has a token table, its noise floor."""
    columns, told = ["token_id", *(f"argmax_{m}" for m in MEMBERS)], {}
    read = Asked(asked, [*PLACE, *columns], reading)
    for m in MEMBERS:
        if sizes := read.sizes(m):
            told[m] = rate(*noise.floor_sums(read.text(m, sorted(sizes)), m), reading.resampling)
    return plain(told)


def retell(again: Retelling) -> list[Written]:
    """The same for every family of arms that the runs were asked for."""
    if again.run.is_writable:
        collected.call_by_decoding(again.run, (*TABLES, *FIGURES))
    families = collected.joined([family for each in again.told for family in collected.families(each)])
    if families and again.run.is_writable:
        collected.keep(again.run, families)
    return [
        summarise_arms(_asked(again, family), again.layer, family, again.reading, family.arms) for family in families
    ]


def _asked(again: Retelling, family: Family) -> First:
    """The problems that a family was told of last."""
    told = again.said_by(family.told_in)
    first = None if told is None else told.read_json(family.told_in, lambda earlier: earlier.get("first"))
    return First(again.run, first)


def _from_run(job: Job, choice: ArmChoice) -> FromRun:
    """What the token table of the host's own text says of the calibration half, where an arm asks for that."""
    if not choice.asks_the_run:
        return FromRun()
    job.score(choice.host)
    tokens = job.run.table("tokens", ["problem_id", *thresholds.COLUMNS], [choice.host]).to_pandas()
    return FromRun(tokens[tokens["problem_id"].map(half_of) == CALIBRATION])


def _family(choice: ArmChoice, from_run: FromRun) -> tuple[list[Labelled], Family]:
    """What is to be decoded, ends that are drawn included, and the family that its arms are."""
    arms, halved = chosen(choice, from_run), read_off(choice, from_run)
    labels = [called for _, called in arms]
    ends = {called.mode: called.spec for called in labels if called.mode in MEMBERS} or GREEDY
    of_half = [replace(called, half=EVALUATION if called.spec in halved else None) for called in labels]
    return arms, Family(ends, choice.draws_each, tuple(called for called in of_half if called.mode not in MEMBERS))


def _alike(run: Run, entries: Sequence[ArmLabel]) -> list[str]:
    """The arms of the run with the host and the decoding of one that is shown: tests of one family."""
    families = {(entry.host, entry.decoding) for entry in entries}
    arms = [unnamed(spec) for spec in run.arms("rollouts")]
    return [arm.name for arm in arms if (arm.host, arm.decoding) in families and arm.key.gate != "never"]


def _log(run: Run, arm: Arm, took: Counts) -> None:
    if took.emitted:
        run.log("decoded", arm=arm.spec, **{name: getattr(took, name) for name in took.__slots__})
