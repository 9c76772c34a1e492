"""`rlprobe footprint`: `disagree` and `direction` for several RL checkpoints of one base, and what comes and goes.

Every checkpoint is a run of its own in OUT/NAME. The base's greedy responses are decoded for the first one and copied
to the others, byte for byte what they would decode: all identities must be the same but for the RL model.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlprobe import runs
from rlprobe.analysis.footprint import Step, mark, summarise
from rlprobe.analysis.texts import COLUMNS
from rlprobe.commands.direction import summarise_direction
from rlprobe.commands.disagree import disagree_in, prepare_disagree
from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.shown import first_asked
from rlprobe.commands.stages import Job
from rlprobe.commands.written import Report, Written
from rlprobe.errors import BadInput
from rlprobe.pairs.registry import PAIRS
from rlprobe.reporting.footprint import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import Checkpoint, DirectionSettings, DisagreeSettings, FootprintSettings, OutputChoice

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "footprint.json"
TAKEN = (
    "rollouts",
    "tokens",
    "grades",
    "flips",
    "consequences",
    "tables",
    "figures",
    "tokenizer",
)  # what else a run directory holds


@dataclass(frozen=True)
class Visit:
    """One checkpoint with everything settled for its run."""

    name: str
    settings: DisagreeSettings
    prepared: Prepared


def footprint(settings: FootprintSettings, reporter: Reporter) -> Written:
    """Do what the checkpoints' runs still lack, then follow the base's text through them."""
    visits = prepare_footprint(settings)
    for line in visits[0].prepared.notices[1:]:
        reporter.note(line)
    with _opened(visits[0], settings) as whole:
        steps: list[Step] = []
        for visit in visits:
            reporter.note(f"{visit.name}: {visit.prepared.about['rl']}")
            steps.append(_step(visit, whole, visits[0].name, settings, reporter))
        asked = first_asked(whole, len(visits[0].prepared.problems))
        problems = {"asked": len(asked.ids), "left_out": asked.left_out(), "ungraded": _ungraded(steps)}
        models = {visit.name: visit.prepared.about["rl"] for visit in visits}
        about = {"base": whole.about["base"], "dataset": whole.about["dataset"], "checkpoints": models}
        told = {"about": about, "grader": steps[0].disagreement["grader"], "problems": problems}
        return REPORT.write(whole, SUMMARY, told | summarise(steps, settings.reading))


def prepare_footprint(settings: FootprintSettings) -> list[Visit]:
    """Everything that can be refused before anything is written: names, models, bases that are not the same."""
    _refuse_names([checkpoint.name for checkpoint in settings.checkpoints])
    settings = _with_base(settings)
    visits: list[Visit] = []
    for checkpoint in settings.checkpoints:
        first = visits[0].prepared if visits else None
        visits.append(_visit(settings, checkpoint, first))
    for visit in visits[1:]:
        _refuse_other_base(visits[0], visit)
    return visits


def plan(settings: FootprintSettings) -> list[str]:
    """What `--dry-run` prints."""
    visits = prepare_footprint(settings)
    first = visits[0].prepared
    return [
        *first.notices[1:],
        f"base {first.about['base']}, {len(first.prompts)} problems, and {len(visits)} checkpoints:",
        *(f"  {visit.name}: {visit.prepared.about['rl']}" for visit in visits),
        f"would write to {first.out.parent}",
    ]


def _with_base(settings: FootprintSettings) -> FootprintSettings:
    """A registered pair stands for its base and its prompt style; the checkpoint `rl` is its RL model."""
    pair = settings.pair
    if pair.pair is None:
        return settings
    entry = PAIRS[pair.pair]
    out = settings.output.out or Path("runs") / f"{pair.pair}-footprint"
    own = [
        replace(c, model=entry.rl, revision=entry.rl_revision) if c.model == "rl" else c for c in settings.checkpoints
    ]
    return replace(
        settings,
        pair=replace(pair, pair=None, base=entry.base, base_revision=pair.base_revision or entry.base_revision),
        problems=replace(
            settings.problems,
            style=settings.problems.style or entry.prompt_style,
            dataset=settings.problems.dataset or entry.dataset,
        ),
        output=replace(settings.output, out=out),
        checkpoints=tuple(own),
    )


def _visit(settings: FootprintSettings, checkpoint: Checkpoint, first: Prepared | None) -> Visit:
    """What is chosen from memory is chosen for the first checkpoint and holds for all."""
    compute = settings.compute
    if first:
        compute = replace(compute, batch_size=first.batch_size, block=first.block)
    out = settings.output.out or Path("runs") / f"{Path(str(settings.pair.base)).name}-footprint"
    asked = DisagreeSettings(
        pair=replace(settings.pair, rl=checkpoint.model, rl_revision=checkpoint.revision),
        problems=settings.problems,
        compute=compute,
        crew=settings.crew,
        output=OutputChoice(out / checkpoint.name),
        reading=settings.reading,
        grader=settings.grader,
    )
    return Visit(checkpoint.name, asked, prepare_disagree(asked))


@contextmanager
def _opened(first: Visit, settings: FootprintSettings) -> Iterator[Run]:
    """OUT itself: it holds no shards, but refuses another base, other problems and other settings by name."""
    prepared = first.prepared
    identity = _without_rl(prepared.identity)
    with runs.writing(prepared.out.parent, identity, prepared.about, settings.output.overwrite) as run:
        run.extend(prepared.problems, prepared.left_out)
        yield run


def _step(visit: Visit, whole: Run, first: str, settings: FootprintSettings, reporter: Reporter) -> Step:
    """One checkpoint's run, from nothing or from where it stands."""
    with visit.prepared.open_run(visit.settings.output, reporter) as run:
        if visit.name != first:
            _take_base(run, runs.read(whole.file(first)))
        found = disagree_in(Job(visit.prepared, run, reporter), visit.settings)
        asked = first_asked(run, len(visit.prepared.problems))
        directed = summarise_direction(run, DirectionSettings(run=run.path, reading=settings.reading), asked)
    tokens = asked.rows(run.table("tokens", list(COLUMNS)).to_pandas(strings_to_categorical=True))
    return Step(visit.name, found.summary, directed.summary, mark(tokens, settings.reading))


def _take_base(run: Run, first: Run) -> None:
    """The base's responses as the first checkpoint's run has them, under this run's identity."""
    for shard in run.lacking("rollouts", "rollouts", "base", first):
        run.write_shard("rollouts", shard, first.read_shard("rollouts", shard))


def _ungraded(steps: Sequence[Step]) -> list[str]:
    return sorted({problem for step in steps for problem in step.disagreement["problems"]["ungraded"]})


def _refuse_names(names: Sequence[str]) -> None:
    for name in names:
        if not re.fullmatch(r"\w[\w.+-]*", name) or name in TAKEN:
            raise BadInput(f"a checkpoint cannot be called {name!r}: it names a folder; give it as NAME=MODEL")
        if names.count(name) > 1:
            raise BadInput(f"two checkpoints are called {name!r}; give them as NAME=MODEL")


def _refuse_other_base(first: Visit, other: Visit) -> None:
    """Positions can be followed only along one text: same vocabulary, stop ids, device."""
    ours, theirs = (_without_rl(visit.prepared.identity) for visit in (first, other))
    if ours != theirs:
        name = next(key for key in ours["pair"] | ours if (ours["pair"] | ours)[key] != (theirs["pair"] | theirs)[key])
        raise BadInput(
            f"{other.name} and {first.name} differ in {name}: the base would not write the same text beside both; "
            "make two footprints of them"
        )


def _without_rl(identity: dict[str, Any]) -> dict[str, Any]:
    """All of an identity that speaks of the base and of the settings."""
    pair = {name: value for name, value in identity["pair"].items() if name != "rl"}
    return {**identity, "pair": {**pair, "device": pair["device"]["base"]}}
