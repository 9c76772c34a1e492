"""`rlprobe disagree`: both models answer, both read both answers, and every position gets its class."""

from collections.abc import Sequence
from typing import Any

from rlprobe.analysis.disagreement import COLUMNS, in_order, summarise_texts
from rlprobe.analysis.power import words
from rlprobe.commands import COMMANDS
from rlprobe.commands.given import prepare_given, take_given
from rlprobe.commands.in_turns import score_in_turns, spilled
from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import Asked, responses_in, verdicts_in
from rlprobe.commands.shown import First, first_asked
from rlprobe.commands.stages import Job
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.pairs.pieces import token_names
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.prompts import visible
from rlprobe.problems.responses import ARM
from rlprobe.records import MEMBERS, OUTSIDE
from rlprobe.reporting.disagree import FIGURES, TABLES, show
from rlprobe.settings import DisagreeSettings, GivenChoice, Reading

TRAJECTORIES = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


REPORT = Report(TABLES, FIGURES, show)
SUMMARY = COMMANDS["disagree"].summary


def disagree(settings: DisagreeSettings, reporter: Reporter) -> Written:
    """Do what the run still lacks, then summarise it."""
    prepared = prepare_disagree(settings)
    with Job.begun(prepared, settings.output, reporter) as job:
        return disagree_in(job, settings)


def disagree_in(job: Job, settings: DisagreeSettings) -> Written:
    """The same in a run that is held for writing."""
    (_compute_in_turns if job.prepared.one_at_a_time else _compute)(job, settings)
    grades = job.grade(settings.grader)
    return summarise_run(first_asked(job.run, len(job.prepared.problems)), grades, settings.reading, _texts(settings))


def prepare_disagree(settings: DisagreeSettings) -> Prepared:
    """Everything that is settled before computing."""
    return prepare_given(settings, settings.given)


def plan(settings: DisagreeSettings) -> list[str]:
    """What `--dry-run` prints: one prompt with visible whitespace, its ids, and what would be done."""
    prepared = prepare_disagree(settings)
    ids = next(iter(prepared.prompts.values()), [])
    blocks = -(-len(prepared.problems) // prepared.block)
    return [
        *prepared.notices,
        f"prompt style {prepared.style}, first prompt:",
        visible(prepared.example),
        f"ids ({len(ids)}): {' '.join(map(str, ids))}",
        f"{len(prepared.prompts)} problems in {blocks} shards, {len(prepared.left_out)} left out; "
        f"at most {prepared.max_new_tokens} new tokens, {prepared.batch_size} rows at a time, "
        f"{prepared.located.dtype} on {prepared.located.base.device}",
        *([] if prepared.given else [resolvable(prepared, settings.reading)]),
        *([spilled(prepared, len(_texts(settings)))] if prepared.one_at_a_time else []),
        f"would write to {prepared.out}",
    ]


def resolvable(prepared: Prepared, reading: Reading) -> str:
    """Which difference of accuracies so many problems can show."""
    ungraded = {problem.problem_id for problem, _ in prepared.unreadable}
    return words(len(prepared.prompts.keys() - ungraded), reading.confidence)


def retell(again: Retelling) -> list[Written]:
    """The same for the texts and problems that its one summary speaks of; of merged runs, or without one, for all."""
    run, told = again.run, again.told
    if not {*run.arms("tokens")} & {*MEMBERS, ARM}:
        return []
    if len(told) > 1 or not told[0].file(SUMMARY).exists():
        return [summarise_run(First(run), again.layer, again.reading)]

    def parse(earlier: Any) -> tuple[First, tuple[str, ...]]:
        return First(run, earlier.get("first")), tuple(map(str, earlier["trajectories"]))

    asked, texts = told[0].read_json(SUMMARY, parse)
    return [summarise_run(asked, again.layer, again.reading, texts)]


def summarise_run(asked: First, grades: str, reading: Reading, texts: Sequence[str] = (*MEMBERS, ARM)) -> Written:
    """Read some texts of a run on the problems asked for, and write their summary, tables and figures."""
    run = asked.run
    vocabulary = run.about["vocabulary"]
    whole = not (vocabulary["only_base"] or vocabulary["only_rl"] or any(vocabulary["padded_rows"]))
    columns = [*COLUMNS, *(() if whole else OUTSIDE)]
    arms = in_order({*run.arms("tokens"), *run.arms("rollouts")} & {*texts})
    responses, verdicts = responses_in(asked, arms), verdicts_in(asked, grades, arms)
    read = Asked(asked, columns, reading, None if verdicts.empty else verdicts, decoding=True)
    answered = {arm: sorted({*own["problem_id"]}) for arm, own in responses.groupby("arm")}
    kept = {arm: read.text(arm, answered[arm]) for arm in arms if arm in answered}
    has_golds = "text" not in run.identity
    names = token_names(load_tokenizer(str(run.tokenizer_folder)))
    summary = {
        "about": run.about,
        "grader": named_grader(run, grades) if has_golds else None,
        "first": asked.count,
        "problems": asked.problems(verdicts, reading.answer),
        **summarise_texts(
            kept,
            responses,
            verdicts if has_golds else None,
            reading,
            names,
            asked.left_out(),
        ),
    }
    return REPORT.write(run, SUMMARY, summary, kept)


def _compute(job: Job, settings: DisagreeSettings) -> None:
    if settings.given != GivenChoice():
        take_given(job)
        job.score(ARM)
        return
    for member in TRAJECTORIES[settings.trajectory]:
        job.decode_greedy_arm(member)
        job.score(member)


def _compute_in_turns(job: Job, settings: DisagreeSettings) -> None:
    """The same, one model at a time: both decode before either reads."""
    arms = _texts(settings)
    if settings.given != GivenChoice():
        take_given(job)
    else:
        for member in arms:
            job.decode_greedy_arm(member)
    score_in_turns(job, arms)


def _texts(settings: DisagreeSettings) -> tuple[str, ...]:
    """The arms whose texts both models read."""
    return (ARM,) if settings.given != GivenChoice() else TRAJECTORIES[settings.trajectory]
