"""`rlprobe disagree`: both models answer, both read both answers, and every position gets its class."""

from collections.abc import Sequence
from typing import Any

from rlprobe.analysis.disagreement import COLUMNS, in_order, summarise_texts
from rlprobe.analysis.power import words
from rlprobe.commands import COMMANDS, stages
from rlprobe.commands.given import prepare_given, take_given
from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import Asked, responses_in, verdicts_in
from rlprobe.commands.shown import First, first_asked
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.written import Report, Retelling, Written
from rlprobe.pairs.pieces import token_names
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.prompts import visible
from rlprobe.problems.responses import ARM
from rlprobe.records import MEMBERS, OUTSIDE
from rlprobe.reporting.disagree import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import DisagreeSettings, GivenChoice, Reading

TRAJECTORIES = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


REPORT = Report(TABLES, FIGURES, show)
SUMMARY = COMMANDS["disagree"].summary


def disagree(settings: DisagreeSettings, reporter: Reporter) -> Written:
    """Do what the run still lacks, then summarise it."""
    prepared = prepare_disagree(settings)
    with prepared.begun(settings.output, reporter) as run:
        return disagree_in(run, prepared, settings, reporter)


def disagree_in(run: Run, prepared: Prepared, settings: DisagreeSettings, reporter: Reporter) -> Written:
    """The same in a run that is held for writing."""
    _compute(prepared, run, settings, reporter)
    grades = stages.grade(run, settings.grader, reporter)
    texts = (ARM,) if settings.given != GivenChoice() else TRAJECTORIES[settings.trajectory]
    return summarise_run(first_asked(run, len(prepared.problems)), grades, settings.reading, texts)


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
        f"would write to {prepared.out}",
    ]


def resolvable(prepared: Prepared, reading: Reading) -> str:
    """Which difference of accuracies so many problems can show."""
    ungraded = {problem.problem_id for problem, _ in prepared.unreadable}
    return words(len(prepared.prompts.keys() - ungraded), reading.confidence)


def retell(again: Retelling) -> list[Written]:
    """The same for the texts and problems that its one summary speaks of; of merged runs, or without one, for all."""
    run, told = again.run, again.told
    if not run.arms("tokens"):
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
    kept = {arm: read.text(arm, sorted({*own["problem_id"]})) for arm, own in responses.groupby("arm")}
    kept = {arm: kept[arm] for arm in arms if arm in kept}
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


def _compute(prepared: Prepared, run: Run, settings: DisagreeSettings, reporter: Reporter) -> None:
    if settings.given != GivenChoice():
        take_given(prepared, run, settings.output.share)
        stages.score(prepared, run, ARM, reporter)
        return
    for member in TRAJECTORIES[settings.trajectory]:
        stages.decode_greedy_arm(prepared, run, member, settings.output.share, reporter)
        stages.score(prepared, run, member, reporter)
