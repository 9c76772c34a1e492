"""`rlprobe consequences`: which disagreements matter, when RL's text gets the base's token at one of them?

At every disagreement along RL's own greedy text, up to its answer, the base's token is put in and RL goes on alone. It
comes back to its text or its answer, or it does not (analysis/consequences.py). A run that has greedy responses of both
models and the token table of RL's is needed. What is found lies in consequences/GRADER/rl by shards of problems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from rlprobe.analysis.consequences import outcomes, summarise, together
from rlprobe.commands import stages
from rlprobe.commands.flips import finished_run, held_run
from rlprobe.commands.prepare import Prepared, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.rollouts import Shelf, response_text, rollouts_in, tokens_until
from rlprobe.commands.shown import First, first_asked
from rlprobe.commands.verdicts import grader_for, named
from rlprobe.commands.work import Bench, Made, Need, Site
from rlprobe.commands.written import Report, Written
from rlprobe.decoding.edits import Ends, Flip, decode_flips
from rlprobe.decoding.engine import Players, Watch
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import token_names
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.grading import Grader, GraderSettings
from rlprobe.records import CONSEQUENCE_SCHEMA, MEMBERS, Grade, Problem, Rollout, Status
from rlprobe.reporting.consequences import TABLES, show
from rlprobe.reporting.formats import csv, quoted
from rlprobe.runs import Run, Shard
from rlprobe.settings import ConsequenceSettings

REPORT = Report(TABLES, {}, show)
ARM = "rl"
_COLUMNS = CONSEQUENCE_SCHEMA.names[:8]  # as the token table has them


def consequences(settings: ConsequenceSettings, reporter: Reporter) -> Written:
    """Decode what the run still lacks, then summarise it."""
    prepared = prepare(settings, {})
    grader = grader_for(prepared.identity, settings.grader)
    layer = f"consequences/{grader.key}"
    with held_run(prepared, reporter) as run:
        shards = _missing(run, prepared, layer, settings)
        Site(run, reporter, prepared.crew, prepared).fill(Consequences(layer, grader), shards, layer)
        return _summarised(first_asked(run, len(prepared.problems)), layer, settings, named(grader))


def plan(settings: ConsequenceSettings) -> list[str]:
    """What `--dry-run` prints."""
    prepared = prepare(settings, {})
    run, layer = finished_run(prepared), f"consequences/{grader_for(prepared.identity, settings.grader).key}"
    missing = _missing(run, prepared, layer, settings)
    return [
        *prepared.notices,
        "the base's token once at each disagreement on RL's own text, up to its answer; then RL goes on",
        f"{sum(s.stop - s.start for s in missing)} of {_here(run, prepared)} problems to do",
        f"would write to {run.path / layer}",
    ]


def _here(run: Run, prepared: Prepared) -> int:
    return min(len(prepared.problems), len(run.problems()))


def _missing(run: Run, prepared: Prepared, layer: str, settings: ConsequenceSettings) -> list[Shard]:
    """The shards to make, of which every response and RL's token table is there. Raises BadInput where one is not."""
    here = _here(run, prepared)
    wanted = run.missing(layer, ARM, prepared.block, settings.output.share, here)
    lacking = [s for member in MEMBERS for s in run.missing("rollouts", member, prepared.block)]
    lacking += run.lacking("tokens", "rollouts", ARM)
    if any(a.start < b.stop and b.start < a.stop for a in wanted for b in lacking):
        raise BadInput(
            f"{run.path} lacks greedy responses of both models, or the token table of RL's; "
            "run `rlprobe disagree` with the same options first"
        )
    return wanted


def _summarised(asked: First, layer: str, settings: ConsequenceSettings, grader: dict[str, Any]) -> Written:
    run = asked.run
    shards = [run.read_shard(layer, shard) for shard in run.shards(layer, ARM)]
    places = asked.rows(pa.concat_tables([CONSEQUENCE_SCHEMA.empty_table(), *shards]).to_pandas())
    of_run = {"asked": len(asked.ids), "held": len(run.problems()), "left_out": asked.left_out(), "ungraded": []}
    of = {"about": run.about, "grader": grader, "first": asked.count, "problems": of_run}
    written = REPORT.write(run, "consequences.json", {**of, **summarise(places, settings.reading)})
    if run.is_writable:
        written.files.append(run.write_text("tables/consequence_places.csv", csv(_readable(run, places))))
    return written


def _readable(run: Run, places: pd.DataFrame) -> pd.DataFrame:
    """One row a place, with both tokens as text and the outcome, and without the response."""
    names = token_names(load_tokenizer(str(run.tokenizer_folder)))
    tokens = {m: [quoted(names(i)) for i in places[f"argmax_{m}"]] for m in MEMBERS}
    return places.drop(columns="response_ids").assign(**tokens, outcome=outcomes(places)).astype(object)


@dataclass(frozen=True)
class Consequences:
    """The places of a shard, as a piece of work."""

    layer: str
    grader: GraderSettings

    def needs(self, shard: Shard) -> list[Need]:  # noqa: ARG002
        """Both greedy responses, and the token table of RL's."""
        columns = tuple(dict.fromkeys((*_COLUMNS, "token_id")))
        return [*(Need("rollouts", member, 0) for member in MEMBERS), Need("tokens", ARM, None, columns)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Decode and grade a shard."""
        judge = bench.tools.get(Grader, self.grader)
        return Made(
            {self.layer: _Places(bench.prepared, bench.run, judge, self.grader.answer).table(shard, bench.watch)}
        )


@dataclass(frozen=True)
class _Places:
    """What it is done with: what is read of the run, its models, and the grader."""

    prepared: Prepared
    run: Shelf
    judge: Grader
    answer: str

    def table(self, shard: Shard, watch: Watch) -> pa.Table:
        """Every place of a shard's problems."""
        own, rows = self._own(shard), self._tokens(shard).to_dict("records")
        rows = [row for row in rows if row["position"] < own[row["problem_id"]].end]
        flips = [Flip(own[r["problem_id"]].ends, 0, r["position"], r["argmax_base"]) for r in rows]
        pair = self.prepared.pair
        alone = Players(pair.rl, None, pair.vocabulary)
        responses = decode_flips(alone, flips, stages.decoding_settings(self.prepared), watch) if flips else []
        same = self._same([own[row["problem_id"]] for row in rows], [r.ids for r in responses])
        for row, flip, response, equal in zip(rows, flips, responses, same, strict=True):
            behind = flip.position + 1
            rest = flip.ends.host_ids[behind:]
            row |= {"response_ids": response.ids, "stop": response.stop, "same_answer": equal}
            row |= {"rest": len(rest), "together": together(rest, response.ids[behind:])}
        return pa.Table.from_pylist(rows, schema=CONSEQUENCE_SCHEMA)

    def _own(self, shard: Shard) -> dict[str, "_Own"]:
        """RL's own response to each problem of a shard that has one, and its answer."""
        base, rl = (rollouts_in(self.run, m, shard.start, shard.stop) for m in MEMBERS)
        here = [p for p in self.run.problems_of(shard) if p.problem_id in rl]
        grades = self._grades([(rl[p.problem_id].response_ids, p.answer) for p in here])
        return {
            p.problem_id: self._one(p, base[p.problem_id], rl[p.problem_id], grade)
            for p, grade in zip(here, grades, strict=True)
        }

    def _one(self, problem: Problem, base: Rollout, rl: Rollout, grade: Grade) -> "_Own":
        ends = Ends(problem.problem_id, rl.prompt_ids, rl.response_ids, base.response_ids)  # RL is the host
        end = tokens_until(self.prepared.located.tokenizer, rl.response_ids, grade.end)
        return _Own(problem, ends, grade, len(rl.response_ids) if end is None else end)

    def _tokens(self, shard: Shard) -> pd.DataFrame:
        """The disagreements along RL's own text where the base's token is not the one that stands there."""
        shards = [s for s in self.run.shards("tokens", ARM) if s.start < shard.stop and shard.start < s.stop]
        parts = [self.run.read_shard("tokens", s, [*_COLUMNS, "token_id"]).to_pandas() for s in shards]
        rows = pd.concat(parts) if parts else pd.DataFrame(columns=[*_COLUMNS, "token_id"])
        here = {p.problem_id for p in self.run.problems_of(shard)}
        differs = (rows["argmax_rl"] != rows["argmax_base"]) & (rows["argmax_base"] != rows["token_id"])
        return rows.loc[differs & rows["problem_id"].isin(here), _COLUMNS]

    def _same(self, own: Sequence["_Own"], responses: Sequence[Sequence[int]]) -> list[bool | None]:
        """Whether each response has the verdict and the answer of RL's own; None where that has no answer."""
        asked = list(zip(own, responses, strict=True))
        grades = self._grades([(ids, mine.problem.answer) for mine, ids in asked])
        against = self._grades([(ids, mine.grade.answer or "") for mine, ids in asked])
        return [mine.is_same(*both) for mine, *both in zip(own, grades, against, strict=True)]

    def _grades(self, asked: Sequence[tuple[Sequence[int], str]]) -> list[Grade]:
        located = self.prepared.located
        texts = [(response_text(located.tokenizer, ids, located.stop_ids), gold) for ids, gold in asked]
        return [getattr(graded, self.answer) for graded in self.judge.grade_many(texts)]


@dataclass(frozen=True)
class _Own:
    """A problem with RL's own response: its grade, and the position behind its answer (its end, without one)."""

    problem: Problem
    ends: Ends
    grade: Grade
    end: int

    def is_same(self, other: Grade, against: Grade) -> bool | None:
        """Whether a grade is that of the same answer; `against` is the grade with RL's answer for the gold."""
        if self.grade.answer is None:
            return None
        written = other.answer == self.grade.answer
        return other.status == self.grade.status and (written or against.status is Status.CORRECT)
