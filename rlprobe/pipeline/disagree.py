"""`rlprobe disagree`: both models answer, both read both answers, and every position gets its class."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlprobe.analysis.classes import Reading
from rlprobe.analysis.disagreement import COLUMNS, summarise
from rlprobe.analysis.power import words
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import token_names
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.pipeline import stages
from rlprobe.pipeline.given import GivenChoice, prepare_given, take_given
from rlprobe.pipeline.prepare import Prepared, Settings
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.shown import First, first_asked
from rlprobe.pipeline.verdicts import named_grader
from rlprobe.pipeline.written import Report, Written
from rlprobe.problems.prompts import visible
from rlprobe.problems.responses import ARM
from rlprobe.records import MEMBERS, OUTSIDE
from rlprobe.reporting.disagree import FIGURES, TABLES, show
from rlprobe.runs import Run

GOLDS_SHOWN = 20  # golds that cannot be read, named one by one
TRAJECTORIES = {"both": MEMBERS, "base": ("base",), "rl": ("rl",)}


@dataclass(frozen=True, kw_only=True)
class DisagreeSettings(Settings):
    """What `rlprobe disagree` is asked for."""

    trajectory: str = "both"
    given: GivenChoice = GivenChoice()  # noqa: RUF009 - frozen


REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "summary.json"


def disagree(settings: DisagreeSettings, reporter: Reporter) -> Written:
    """Do what the run still lacks, then summarise it."""
    prepared = prepare_disagree(settings)
    for line in [*notices(prepared), *prepared.notes]:
        reporter.note(line)
    with prepared.open_run(settings.output, reporter) as run:
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
        *notices(prepared),
        *prepared.notes,
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


def notices(prepared: Prepared) -> list[str]:
    """What a user should know of the pair before believing a number."""
    located, vocabulary = prepared.located, prepared.located.vocabulary
    tokens = [located.tokenizer.convert_ids_to_tokens(i) for i in located.stop_ids]
    lines = [
        f"base {prepared.about['base']}, rl {prepared.about['rl']}",
        f"common vocabulary {len(vocabulary.ids)} ids (base alone {vocabulary.only_base}, rl alone "
        f"{vocabulary.only_rl}, padded head rows {vocabulary.padded_rows[0]} and {vocabulary.padded_rows[1]}); "
        f"stop ids {', '.join(f'{i} {t}' for i, t in zip(located.stop_ids, tokens, strict=True)) or 'none'}",
    ]
    return lines + located.notices + _unreadable_golds(prepared)


def _unreadable_golds(prepared: Prepared) -> list[str]:
    """The golds that no answer can be compared with, each with its row and the reason."""
    found = prepared.unreadable
    if not found:
        return []
    lines = [f"  {p.source} ({p.problem_id}): {p.answer[:60]!r}, {reason}" for p, reason in found[:GOLDS_SHOWN]]
    more = [f"  and {len(found) - GOLDS_SHOWN} more"] if len(found) > GOLDS_SHOWN else []
    return [f"{len(found)} gold answers cannot be read, and their problems will not be graded:", *lines, *more]


def summarise_again(run: Run, grades: str, told: Sequence[Run], reading: Reading) -> Written:
    """The same for the texts and problems that its one summary speaks of; of merged runs, or without one, for all."""
    if len(told) > 1 or not told[0].file(SUMMARY).exists():
        return summarise_run(First(run), grades, reading)

    def parse(earlier: Any) -> tuple[First, tuple[str, ...]]:
        return First(run, earlier.get("first")), tuple(map(str, earlier["trajectories"]))

    asked, texts = told[0].read_json(SUMMARY, parse)
    return summarise_run(asked, grades, reading, texts)


def summarise_run(asked: First, grades: str, reading: Reading, texts: Sequence[str] = (*MEMBERS, ARM)) -> Written:
    """Read some texts of a run on the problems asked for, and write their summary, tables and figures."""
    run = asked.run
    vocabulary = run.about["vocabulary"]
    whole = not (vocabulary["only_base"] or vocabulary["only_rl"] or any(vocabulary["padded_rows"]))
    columns = [*COLUMNS, *(() if whole else OUTSIDE)]
    whose = run.table("tokens", columns=columns).to_pandas(), *(run.table(n).to_pandas() for n in ("rollouts", grades))
    tokens, rollouts, verdicts = (asked.rows(table[table["arm"].isin(texts)]) for table in whose)
    has_golds = "text" not in run.identity
    names = token_names(load_tokenizer(str(run.tokenizer_folder)))
    summary = {
        "about": run.about,
        "grader": named_grader(run, grades) if has_golds else None,
        "first": asked.count,
        "problems": asked.problems(verdicts, reading.answer),
        **summarise(
            tokens,
            rollouts,
            verdicts if has_golds else None,
            reading,
            names,
            asked.left_out(),
        ),
    }
    return REPORT.write(run, SUMMARY, summary, tokens)


def _compute(prepared: Prepared, run: Run, settings: DisagreeSettings, reporter: Reporter) -> None:
    if settings.trajectory not in TRAJECTORIES:
        raise BadInput(f"trajectory {settings.trajectory!r} is none of {', '.join(TRAJECTORIES)}")
    if settings.given != GivenChoice():
        take_given(prepared, run, settings.output.share)
        stages.score(prepared, run, ARM, reporter)
        return
    for member in TRAJECTORIES[settings.trajectory]:
        stages.decode_greedy_arm(prepared, run, member, settings.output.share, reporter)
        stages.score(prepared, run, member, reporter)
