"""`rlprobe weights`: what RL changed in the weights, and how much of its effect a low-rank part of that carries.

The first part reads files and runs nothing. The second, asked for by ranks, puts base + ΔW_r through the same decoding,
scoring and grading as the pair's own models, on a run's problems.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from rlprobe import runs
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.interventions import summarise
from rlprobe.analysis.weights import CHOICES, CHOSEN_AT, compare_choices, energy_held, summarise_weights
from rlprobe.arm_labels import ArmLabel
from rlprobe.commands import stages
from rlprobe.commands.inside import pair_of
from rlprobe.commands.prepare import Prepared, note_broken, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import read_shown
from rlprobe.commands.rollouts import rollouts_in
from rlprobe.commands.shown import GREEDY, First, Shown
from rlprobe.commands.verdicts import named_grader
from rlprobe.commands.work import Bench, Made, Need
from rlprobe.commands.written import Report, Written, problems_of
from rlprobe.decoding.check import load_checked
from rlprobe.errors import BadInput
from rlprobe.internals.low_rank import MATRICES, Approximations, Part
from rlprobe.internals.weights import Both, change_of, tensors_of
from rlprobe.pairs import loading
from rlprobe.pairs.loading import LocatedPair
from rlprobe.pairs.model import Model
from rlprobe.records import LOW_RANK_SCHEMA, MEMBERS, WEIGHT_SCHEMA
from rlprobe.reporting.weights import FIGURES, RANK_FIGURES, RANK_TABLES, TABLES, show
from rlprobe.runs import Run, Shard
from rlprobe.scoring.teacher_forcing import Reader
from rlprobe.settings import RankChoice, WeightSettings

SUMMARY = "weights.json"
LAYER, ARM = "weights", "change"  # where in a run the weight table lies
BLOCK = 8  # tensors in a shard
REPORT = Report(TABLES, FIGURES, show)
REPORT_WITH_RANKS = Report({**TABLES, **RANK_TABLES}, {**FIGURES, **RANK_FIGURES}, show)


def parts_of(choice: RankChoice, full: int) -> list[Part]:
    """The parts in ascending order, up to all of it; `full` is the largest rank that a matrix of the pair can have."""
    words = {word for name in choice.ranks for word in (_powers(full) if name == "auto" else (name,))}
    finite = sorted({int(word) for word in words if word != "full"})
    make = partial(Part, kinds=choice.kinds or MATRICES, rest=choice.rest)
    return [*(make(rank) for rank in finite if rank < full), make(None)]


def weights(settings: WeightSettings, reporter: Reporter) -> Written:
    """Compare the files; with ranks, also decode and score what the run still lacks; then summarise."""
    parts_of(settings.ranks, 1)  # refuses kinds of matrices that are none before anything is read
    if settings.run:
        pair = pair_of(runs.read(settings.run), replace(settings.pair, pair=None))
        settings = replace(settings, pair=pair, run=None)
    if not settings.ranks.ranks:
        return _files_alone(settings, reporter)
    prepared = prepare(settings, {})
    tensors = tensors_of(prepared.located)
    _check_kinds(settings.ranks, tensors)
    with prepared.begun(settings.output, reporter) as run:
        table = _changes(run, tensors, prepared.located.rl.first_device, reporter)
        full = max(min(both.shape) for both in tensors if both.is_matrix)
        work = Work(prepared, run, settings, parts_of(settings.ranks, full), reporter)
        work.decode_and_read()
        layer = stages.grade(run, settings.grader, reporter, prepared.crew)
        summary = _about(tensors, table, run.about) | work.summary(layer, table)
        return REPORT_WITH_RANKS.write(run, SUMMARY, plain(summary), table)


def _files_alone(settings: WeightSettings, reporter: Reporter) -> Written:
    """Without problems: a run directory of the pair's files alone."""
    choice, output = settings.pair, settings.output
    located = loading.locate(choice)
    tensors = tensors_of(located)
    about = {"pair": choice.pair or f"{choice.base} / {choice.rl}", "base": located.base.name, "rl": located.rl.name}
    out = output.out or Path("runs") / f"{choice.pair or Path(str(choice.rl)).name}-weights"
    identity = {name: part for name, part in located.identity().items() if name in ("base", "rl")}
    with runs.writing(out, {"weights": identity}, about, output.overwrite) as run:
        table = _changes(run, tensors, located.rl.first_device, reporter)
        note_broken(run, reporter)
        nothing = {"problems": {"asked": 0, "left_out": {}, "ungraded": []}, "grader": None, "low_rank": None}
        return REPORT.write(run, SUMMARY, _about(tensors, table, about) | nothing, table)


def _check_kinds(choice: RankChoice, tensors: list[Both]) -> None:
    there = {both.place.kind for both in tensors}
    if lacking := [kind for kind in choice.kinds if kind not in there]:
        raise BadInput(f"the pair has no matrix of kind {lacking[0]!r}; it has {', '.join(sorted(there))}")


def _changes(run: Run, tensors: list[Both], device: torch.device, reporter: Reporter) -> pd.DataFrame:
    """The weight table of the pair, a shard of tensors at a time."""
    shards = run.missing(LAYER, ARM, BLOCK, among=len(tensors))
    with reporter.task("comparing weights", sum(s.stop - s.start for s in shards), "tensors") as meter:
        for shard in shards:
            rows = []
            for both in tensors[shard.start : shard.stop]:
                rows.append(_row(both, device))
                meter.advance()
            run.write_shard(LAYER, shard, pa.Table.from_pylist(rows, schema=WEIGHT_SCHEMA))
    return run.table(LAYER).to_pandas()


def _row(both: Both, device: torch.device) -> dict[str, Any]:
    place = {"name": both.name, "kind": both.place.kind, "layer": both.place.layer}
    return {**place, "shape": both.shape, "left_out": both.left_out, **asdict(change_of(both, device))}


def _about(tensors: list[Both], table: pd.DataFrame, about: dict[str, Any]) -> dict[str, Any]:
    """The first part of the summary."""
    stored = {member: sorted({getattr(both, member).dtype for both in tensors}) for member in MEMBERS}
    tied = not any(both.place.kind == "head" for both in tensors)
    return {"about": about, "stored_as": stored, "tied": tied, "weights": summarise_weights(table)}


@dataclass(frozen=True)
class Work:
    """The functional side: a part of the change at a time, on the problems of a run."""

    prepared: Prepared
    run: Run
    settings: WeightSettings
    parts: list[Part]
    reporter: Reporter

    def decode_and_read(self) -> None:
        """Everything that needs models and that the run still lacks."""
        job = stages.Job(self.prepared, self.run, self.reporter, self.settings.output.share)
        for member in MEMBERS:
            job.decode_greedy_arm(member)
            job.score(member)
        most = max((part.rank or 0 for part in self.parts), default=0)
        for part in self.parts:
            third = Third(part, most)
            job.decode_alone(stages.Speaker(part.spec, third, known=MEMBERS))
            for member in MEMBERS:
                piece, title = Choices(third, member), f"{part.spec} reads {member}'s answers"
                job.fill(piece, job.missing(part.spec, layer=piece.layer), title, "shards")

    def summary(self, layer: str, table: pd.DataFrame) -> dict[str, Any]:
        """Accuracies between base and RL, what is left of RL's choices on either text, and the energy held."""
        reading, choice = self.settings.reading, self.settings.ranks
        entries = [_entry(part) for part in self.parts]
        shown = Shown([entry.name for entry in entries], GREEDY)
        responses, verdicts = read_shown(First(self.run), shown, layer)
        told = summarise(responses, verdicts, entries, reading, self.run.left_out())
        parts = {
            part.label: {
                "rank": part.rank,
                "spec": part.spec,
                "energy": _energy(table, part),
                "on": self._choices(part),
            }
            for part in self.parts
        }
        asked = {
            "kinds": list(choice.kinds) or [kind for kind in table["kind"].unique() if kind in MATRICES],
            "rest": choice.rest,
        }
        return {
            "problems": problems_of(self.run, verdicts, reading.answer),
            "grader": named_grader(self.run, layer),
            "low_rank": {**asked, "merged": self._merged, **_counted(table, self.parts[-1]), "parts": parts, **told},
        }

    @property
    def _merged(self) -> bool:
        """Whether an adapter was merged, so that full rank is RL up to the rounding of that."""
        return any(source.adapter for source in (self.prepared.located.base, self.prepared.located.rl))

    def _choices(self, part: Part) -> dict[str, Any]:
        tokens = self.run.table("tokens", CHOICES, MEMBERS).to_pandas()
        found = {}
        for member in MEMBERS:
            of_member = tokens[tokens["arm"] == member].drop(columns="arm")
            read = self.run.table(_layer_on(member), arms=[part.spec]).to_pandas()
            found[member] = compare_choices(read, of_member, self.settings.reading.resampling)
        return found


@dataclass(frozen=True)
class Third:
    """The third model: the base with a part of the change; `most` is the largest rank that is asked for."""

    part: Part
    most: int

    def __call__(self, prepared: Prepared) -> Model:
        """Cut it, unless that was done last."""
        located = prepared.located
        if located not in _CUT:
            made = Approximations(load_checked(located, apart=True), self.most)
            _CUT[located] = lru_cache(maxsize=1)(made.model)
        return _CUT[located](self.part)


# what cuts a pair, as long as that is used
_CUT: WeakKeyDictionary[LocatedPair, Callable[[Part], Model]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Choices:
    """What the third model would say along the text of one member."""

    third: Third
    member: str

    @property
    def layer(self) -> str:
        """Where that lies."""
        return _layer_on(self.member)

    def needs(self, shard: Shard) -> list[Need]:  # noqa: ARG002
        """The member's text."""
        return [Need("rollouts", self.member, 0)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Read a shard."""
        prepared = bench.prepared
        rollouts = list(rollouts_in(bench.run, self.member, shard.start, shard.stop).values())
        beside_rl = replace(prepared.pair, base=prepared.pair.rl, rl=self.third(prepared))
        read = Reader(beside_rl, stages.statistics_path(prepared)).table(rollouts)
        columns = {"argmax": read["argmax_rl"], "kl_from_rl": read["kl_base_rl"]}
        columns |= {name: read[name] for name in CHOSEN_AT}
        return Made({self.layer: pa.table([columns[n] for n in LOW_RANK_SCHEMA.names], schema=LOW_RANK_SCHEMA)})


def _layer_on(member: str) -> str:
    return f"low_rank/on_{member}"


def _entry(part: Part) -> ArmLabel:
    return ArmLabel(name=part.spec, mode="low_rank", label=part.label, dose=part.rank, spec=part.spec)


def _energy(table: pd.DataFrame, part: Part) -> float | None:
    """The share of the energy of the changes of the chosen matrices that the part holds."""
    chosen = table.loc[table["kind"].isin(part.kinds), "singular_values"]
    return energy_held([np.asarray(values) for values in chosen], part.rank)


def _counted(table: pd.DataFrame, part: Part) -> dict[str, int]:
    """How many weights are approximated, and how many are taken whole."""
    chosen = table["kind"].isin(part.kinds)
    return {"approximated": int(table.loc[chosen, "numbers"].sum()), "whole": int(table.loc[~chosen, "numbers"].sum())}


def _powers(full: int) -> tuple[str, ...]:
    """0, 1, 2, 4, ... below the full rank."""
    return ("0", *(str(2**i) for i in range(31) if 2**i < full))
