"""`rlprobe flips`: which single tokens matter, and which few of RL's tokens together make a wrong answer right?

Single flips: at each disagreement along the base's own greedy text RL's token is written once, and the base goes on
alone; beside each stand two placebos (analysis/placebo.py), other tokens of the base's own. Needed edits: where the
base is wrong and RL is right, ddmin (analysis/minimal.py) looks for few edits that keep the answer right; an edit is
the ordinal of the disagreement met, since positions move when an earlier edit is dropped.
The two are one family: a single flip is the edit set {n}, the empty set is the base's own text, every edit is RL's.

A run that has greedy responses and their token table is needed; nothing in it is changed. What is found lies in

    flips/GRADER/single/SCOPE        one row a flip
    flips/GRADER/placebo/SCOPE       one row a placebo of a flip, unless one problem alone is looked at
    flips/GRADER/needed-TRIALS/SCOPE one row a problem

by shards of problems, where SCOPE is `solved`, `all` or one problem. The flips of one response begin alike: what one
has read of it, the others that are decoded at the same time copy (decoding/prefixes.py).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa

from rlprobe import runs
from rlprobe.analysis.flips import summarise
from rlprobe.analysis.minimal import Search
from rlprobe.analysis.placebo import COLUMNS, disagreements, placebos
from rlprobe.commands import stages
from rlprobe.commands.prepare import Prepared, note_broken, prepare
from rlprobe.commands.progress import Reporter
from rlprobe.commands.rollouts import Shelf, response_text, rollouts_in
from rlprobe.commands.shown import First, first_asked
from rlprobe.commands.verdicts import grader_for, named
from rlprobe.commands.work import Bench, Made, Need, Site
from rlprobe.commands.written import Report, Written
from rlprobe.decoding.edits import Edits, Ends, Flip, decode_edits, decode_flips, every_edit
from rlprobe.decoding.engine import DecodingSettings, Players, Response, Watch
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import token_names
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.grading import Grader, GraderSettings
from rlprobe.records import FLIP_SCHEMA, MEMBERS, NEEDED_SCHEMA, PLACEBO_SCHEMA, Problem, SearchEnd, Status
from rlprobe.reporting.flips import OF_ONE_PROBLEM, TABLES, show
from rlprobe.runs import Run, Shard
from rlprobe.settings import FlipChoice, FlipSettings

# (response text, gold) pairs -> the verdict on each; None where there is none
Judge = Callable[[Sequence[tuple[str, str]]], list[Status | None]]

# what opens a judge of a grader
Judging = Callable[[GraderSettings], AbstractContextManager[Judge]]

Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # of the table of single flips, by problem_id

_FLIP_KEY = ("ordinal", "position", "base_id", "rl_id")


@contextmanager
def graded(settings: GraderSettings) -> Iterator[Judge]:
    """Judging by the grader, whose worker lives as long as this does."""

    def judge(pairs: Sequence[tuple[str, str]]) -> list[Status | None]:
        return [getattr(verdicts, settings.answer).status for verdicts in grader.grade_many(pairs)]

    with Grader(settings) as grader:
        yield judge


def is_right(status: Status | None) -> bool | None:
    """Whether a verdict says so; None where there is none."""
    return None if status is None else status is Status.CORRECT


def flips(
    settings: FlipSettings,
    reporter: Reporter,
    judging: Judging = graded,
) -> Written:
    """Flip and search what the run still lacks, then summarise it."""
    prepared = prepare(settings, {})
    grader = grader_for(prepared.identity, settings.grader)
    with held_run(prepared, reporter) as run:
        layers, site = Layers.of(grader, settings.flips), Site(run, reporter, prepared.crew, prepared)
        for piece in layers.pieces(settings.flips, grader, judging):
            site.fill(piece, _missing(run, prepared, piece.layer, settings), piece.layer.rpartition("/")[2])
        return _summarised(run, layers, settings, grader)


def plan(settings: FlipSettings) -> list[str]:
    """What `--dry-run` prints. How many problems and flips there are is known when the responses have been graded."""
    prepared, choice = prepare(settings, {}), settings.flips
    run, layers = finished_run(prepared), Layers.of(grader_for(prepared.identity, settings.grader), choice)
    here = min(len(prepared.problems), len(run.problems()))
    start, stop = (0, here) if choice.problem is None else (at := _index(run, choice.problem), at + 1)
    made = [run.shards(layer, choice.scope) for layer in (layers.single, layers.placebo, layers.needed)]
    single, placebo, needed = (
        sum(len(range(max(s.start, start), min(s.stop, stop))) for s in shards) for shards in made
    )
    beside = f"  and beside each flip two placebos; {placebo} of {stop - start} done already"
    return [
        *prepared.notices,
        f"{choice.words(here)}:",
        f"  RL's token once at each disagreement on the base's own text; {single} of {stop - start} done already",
        *([] if choice.problem else [beside]),
        f"  where RL alone is right, a search of at most {choice.most_trials} sets of edits; "
        f"{needed} of {stop - start} done already",
        f"would write to {run.path / layers.single} and {run.path / layers.needed}",
    ]


@dataclass(frozen=True)
class Layers:
    """Where in the run the tables lie: verdicts of other graders, and longer searches, are kept apart."""

    single: str
    placebo: str
    needed: str

    @classmethod
    def of(cls, grader: GraderSettings, choice: FlipChoice) -> "Layers":
        """Those of a grader and a choice."""
        folder = f"flips/{grader.key}"
        return cls(f"{folder}/single", f"{folder}/placebo", f"{folder}/needed-{choice.most_trials}")

    def pieces(self, choice: FlipChoice, grader: GraderSettings, judging: Judging) -> "list[Flipped]":
        """What makes each, in the order in which they are made; one problem alone has no placebos."""
        named = {"single": self.single, "placebo": self.placebo, "needed": self.needed}
        if choice.problem is not None:
            del named["placebo"]
        return [Flipped(table, layer, self.single, choice, grader, judging) for table, layer in named.items()]


# ---- what there is to do ---------------------------------------------------------------------------------------------


def finished_run(prepared: Prepared) -> Run:
    """The run of these settings, which has to be there: nothing is decoded here but flips."""
    if not (prepared.out / "run.json").exists():
        raise BadInput(f"{prepared.out} is no run yet; run `rlprobe disagree` with the same options first")
    return runs.create_or_resume(prepared.out, prepared.identity, prepared.about)


@contextmanager
def held_run(prepared: Prepared, reporter: Reporter) -> Iterator[Run]:
    """The same, held for writing; what a user should know is said before, what was damaged behind."""
    for line in prepared.notices:
        reporter.note(line)
    run = finished_run(prepared)
    with prepared.hired(), run.locked():
        yield run
        note_broken(run, reporter)


def _missing(run: Run, prepared: Prepared, layer: str, settings: FlipSettings) -> list[Shard]:
    """The shards to make, of which every response and token table is there. Raises BadInput where one is not."""
    choice, share, block = settings.flips, settings.output.share, prepared.block
    if choice.problem is not None:
        at = _index(run, choice.problem)
        wanted = [shard for shard in run.missing(layer, choice.scope, 1) if shard.start == at]
    else:
        here = min(len(prepared.problems), len(run.problems()))
        found = run.missing(layer, choice.scope, block, share)
        wanted = [Shard(s.arm, s.start, min(s.stop, here)) for s in found if s.start < here]
    lacking = [shard for member in MEMBERS for shard in run.missing("rollouts", member, block)]
    lacking += run.lacking("tokens", "rollouts", "base")
    if any(a.start < b.stop and b.start < a.stop for a in wanted for b in lacking):
        raise BadInput(
            f"{run.path} lacks greedy responses of both models, or the token table of the base's; "
            "run `rlprobe disagree` with the same options first"
        )
    return wanted


def _index(run: Run, problem_id: str) -> int:
    for number, problem in enumerate(run.problems()):
        if problem.problem_id == problem_id:
            if reason := run.left_out().get(problem_id):
                raise BadInput(f"the problem {problem_id!r} has no responses in {run.path}: {reason}")
            return number
    raise BadInput(f"{run.path} holds no problem {problem_id!r}; its problems.parquet lists them")


def _summarised(run: Run, layers: Layers, settings: FlipSettings, grader: GraderSettings) -> Written:
    """The scope's tables as a summary; a single problem's has file names of its own."""
    scope, problem = settings.flips.scope, settings.flips.problem
    schemas = {layers.single: FLIP_SCHEMA, layers.needed: NEEDED_SCHEMA, layers.placebo: PLACEBO_SCHEMA}
    tables = [
        pa.concat_tables([schema.empty_table(), *(run.read_shard(layer, s) for s in run.shards(layer, scope))])
        for layer, schema in schemas.items()
    ]
    names = token_names(load_tokenizer(str(run.tokenizer_folder)))
    held = len(run.problems())
    asked = first_asked(run, settings.problems.limit or held) if problem is None else First(run)
    single, needed, placebo = (asked.rows(table.to_pandas()) for table in tables)
    found = summarise(single, needed, placebo, settings.reading, names)
    of_run = {"asked": len(asked.ids), "held": held, "left_out": asked.left_out(), "ungraded": found.pop("ungraded")}
    of = {"about": run.about, "grader": named(grader), "first": asked.count}
    summary = {**of, "scope": scope, "problem": problem, "problems": of_run, **found}
    if problem is None:
        return Report(TABLES, {}, show).write(run, "flips.json", summary)
    suffix = quote(problem, safe="")
    of_one = {f"{title}-{suffix}": table for title, table in OF_ONE_PROBLEM.items()}
    return Report(of_one, {}, show).write(run, f"flips-{suffix}.json", summary)


# ---- doing it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One problem with both models' greedy responses, and whether they are right."""

    problem: Problem
    ends: Ends
    base_right: bool | None
    rl_right: bool | None

    @property
    def solved(self) -> bool:
        """RL is right where the base is wrong."""
        return self.base_right is False and self.rl_right is True


@dataclass(frozen=True)
class Flipped:
    """A table of flips ("single", "placebo" or "needed"), as a piece of work."""

    table: str
    layer: str
    single: str
    choice: FlipChoice
    grader: GraderSettings
    judging: Judging

    def needs(self, shard: Shard) -> list[Need]:
        """Both greedy responses and the token table of the base's; a search also knows the single flips."""
        needs = [*(Need("rollouts", member, 0) for member in MEMBERS), Need("tokens", "base", None, tuple(COLUMNS))]
        return needs + ([Need(self.single, shard.arm)] if self.table == "needed" else [])

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Flip, and search, for a shard."""
        judge = bench.tools.get(self.judging, self.grader)
        flipper = Flipper(bench.prepared, bench.run, judge, self.choice)
        if self.table == "needed":
            return Made({self.layer: flipper.needed(self.single, shard, bench.watch)})
        return Made({self.layer: getattr(flipper, self.table)(shard, bench.watch)})


@dataclass(frozen=True)
class Flipper:
    """What flips are made with: what is read of the run, its models, and the judge."""

    prepared: Prepared
    run: Shelf
    judge: Judge
    choice: FlipChoice

    def single(self, shard: Shard, watch: Watch) -> pa.Table:
        """Every single flip of a shard's problems."""
        cases = [case for case in self._cases(shard) if self._takes(case)]
        tokens = self._tokens(shard)
        placed = [(case, flip) for case in cases for flip in _flips_of(case.ends, tokens)]
        told = self._flipped(placed, watch)
        rows = [row | {"rl_id": flip.written_id} for (_, flip), row in zip(placed, told, strict=True)]
        return pa.Table.from_pylist(rows, schema=FLIP_SCHEMA)

    def placebo(self, shard: Shard, watch: Watch) -> pa.Table:
        """The placebos of a shard's single flips."""
        tokens = self._tokens(shard)
        asked = [
            (case, placebo)
            for case in self._cases(shard)
            if self._takes(case)
            for placebo in placebos(tokens[tokens["problem_id"] == case.ends.problem_id])
        ]
        placed = [(case, Flip(case.ends, p.ordinal, p.position, p.token_id)) for case, p in asked]
        told = self._flipped(placed, watch)
        rows = [
            row | {"kind": p.kind, "written_id": p.token_id, "entropy": p.entropy}
            for (_, p), row in zip(asked, told, strict=True)
        ]
        return pa.Table.from_pylist(rows, schema=PLACEBO_SCHEMA)

    def _flipped(self, placed: Sequence[tuple["Case", Flip]], watch: Watch) -> list[dict[str, Any]]:
        """What the tables of flips and of placebos both say: where, how the base went on, and whether it is right."""
        responses = decode_flips(self._players, [flip for _, flip in placed], self._settings, watch) if placed else []
        right = self._are_right([(case, r.ids) for (case, _), r in zip(placed, responses, strict=True)])
        return [
            {
                "problem_id": flip.ends.problem_id,
                "ordinal": flip.ordinal,
                "position": flip.position,
                "base_id": flip.host_id,
                "response_ids": response.ids,
                "stop": response.stop,
                "right": verdict,
            }
            for (_, flip), response, verdict in zip(placed, responses, right, strict=True)
        ]

    def needed(self, single: str, shard: Shard, watch: Watch) -> pa.Table:
        """One row a problem of a shard; its single flips, which the run holds by now, are edit sets already tried."""
        flips = _by_problem(self.run.read_shard(single, shard))
        cases = {case.ends.problem_id: case for case in self._cases(shard)}
        found = self._search({i: c for i, c in cases.items() if c.solved and self._takes(c)}, flips, watch)
        rows = [
            {
                "problem_id": i,
                "base_right": case.base_right,
                "rl_right": case.rl_right,
                "flips": len(flips.get(i, ())) if self._takes(case) else None,
                **found.get(i, {}),
            }
            for i, case in cases.items()
        ]
        return pa.Table.from_pylist(rows, schema=NEEDED_SCHEMA)

    # ---- the search --------------------------------------------------------------------------------------------------

    def _search(self, cases: Mapping[str, Case], flips: Rows, watch: Watch) -> dict[str, dict[str, Any]]:
        """What NEEDED_SCHEMA says of each search, by problem. A step of all searches is decoded as one batch."""
        searches, found = {}, {}
        every = [(i, every_edit(self._settings)) for i in cases]
        for (i, _), (right, response) in zip(every, self._tried(cases, every, watch), strict=True):
            everything = frozenset(range(sum(response.gated)))
            single = {flip["ordinal"]: bool(flip["right"]) for flip in flips.get(i, ())}
            searches[i] = Search.start(everything, right, single, self.choice.most_trials)
            found[i, everything] = response
        oracle_edits = {i: len(everything) for i, everything in found}
        while asked := [(i, edits) for i, search in searches.items() for edits in search.untried()]:
            for (i, edits), (right, response) in zip(asked, self._tried(cases, asked, watch), strict=True):
                searches[i].learn({edits: right})
                found[i, edits] = response
        return {
            i: {"end": search.end, "trials": search.trials, "oracle_edits": oracle_edits[i]}
            | _kept(search, found.get((i, search.kept)), flips.get(i, ()))
            for i, search in searches.items()
        }

    def _tried(
        self, cases: Mapping[str, Case], asked: Sequence[tuple[str, Edits]], watch: Watch
    ) -> list[tuple[bool, Response]]:
        """Whether each set of edits makes its problem's answer right, and the response that it gives."""
        if not asked:
            return []
        sets = [(cases[i].ends, edits) for i, edits in asked]
        responses = decode_edits(self._players, sets, self._settings, watch)
        right = self._are_right([(cases[i], r.ids) for (i, _), r in zip(asked, responses, strict=True)])
        return [(bool(verdict), response) for verdict, response in zip(right, responses, strict=True)]

    # ---- what it stands on -------------------------------------------------------------------------------------------

    def _cases(self, shard: Shard) -> list[Case]:
        """The problems of a shard that have responses."""
        base, rl = (rollouts_in(self.run, member, shard.start, shard.stop) for member in MEMBERS)
        here = [p for p in self.run.problems_of(shard) if p.problem_id in base]
        both = [(base[p.problem_id], rl[p.problem_id]) for p in here]
        asked = [(self._text(r.response_ids), p.answer) for p, ends in zip(here, both, strict=True) for r in ends]
        right = [is_right(status) for status in self.judge(asked)]
        return [
            Case(p, Ends(p.problem_id, b.prompt_ids, b.response_ids, r.response_ids), *right[2 * n : 2 * n + 2])
            for n, (p, (b, r)) in enumerate(zip(here, both, strict=True))
        ]

    def _takes(self, case: Case) -> bool:
        """Whether the choice looks at a problem."""
        if self.choice.problem is not None:
            return True
        return case.base_right is not None if self.choice.all_problems else case.solved

    def _tokens(self, shard: Shard) -> pd.DataFrame:
        """The base's own text, token by token."""
        shards = [s for s in self.run.shards("tokens", "base") if s.start < shard.stop and shard.start < s.stop]
        parts = [self.run.read_shard("tokens", s, COLUMNS).to_pandas() for s in shards]
        return pd.concat(parts) if parts else pd.DataFrame(columns=COLUMNS)

    def _are_right(self, asked: Sequence[tuple[Case, Sequence[int]]]) -> list[bool | None]:
        said = self.judge([(self._text(ids), case.problem.answer) for case, ids in asked])
        return [is_right(status) for status in said]

    def _text(self, response_ids: Sequence[int]) -> str:
        located = self.prepared.located
        return response_text(located.tokenizer, response_ids, located.stop_ids)

    @property
    def _players(self) -> Players:
        pair = self.prepared.pair
        return Players(pair.base, pair.rl, pair.vocabulary)

    @property
    def _settings(self) -> DecodingSettings:
        return stages.decoding_settings(self.prepared)


def _flips_of(ends: Ends, tokens: pd.DataFrame) -> list[Flip]:
    rows = disagreements(tokens[tokens["problem_id"] == ends.problem_id])
    places = zip(rows["position"].tolist(), rows["argmax_rl"].tolist(), strict=True)
    return [Flip(ends, ordinal, *place) for ordinal, place in enumerate(places)]


def _by_problem(flips: pa.Table) -> Rows:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in flips.to_pylist():
        found.setdefault(row["problem_id"], []).append(row)
    return found


def _kept(search: Search, response: Response | None, flips: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The edits kept: ordinals, positions and tokens in the response that they give. A flip knows its own."""
    if search.end is SearchEnd.ORACLE_WRONG:
        return {}
    if response is None:
        chosen = [tuple(f[name] for name in _FLIP_KEY) for f in flips if f["ordinal"] in search.kept]
    else:
        met = [t for t, fired in enumerate(response.gated) if fired]
        places = [(n, met[n]) for n in sorted(search.kept) if n < len(met)]  # an ordinal never met is no edit
        chosen = [(n, t, response.host_ids[t], response.ids[t]) for n, t in places]
    return {f"{name}s": [edit[column] for edit in chosen] for column, name in enumerate(_FLIP_KEY)}
