"""The steps that commands are made of: decode an arm, score rollouts, grade them; a `Job` is what they share.

Each does what the run still lacks, a shard at a time, and can be stopped anywhere.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Meter, Reporter
from rlprobe.commands.verdicts import grader_for
from rlprobe.decoding.arms import Arm, Facts, donor_argmax, never
from rlprobe.decoding.engine import Counts, DecodingSettings, Players, Response, Task, Watch, decode
from rlprobe.decoding.modes import Named, oracle_spec
from rlprobe.pairs.model import Model
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.grading import Graded, Grader
from rlprobe.records import GRADE_SCHEMA, OUTSIDE, Made, Rollout, Stop, rollout_schema
from rlprobe.runs import Run, Shard
from rlprobe.scoring.outside import Outside
from rlprobe.scoring.teacher_forcing import Reader
from rlprobe.settings import ALL, GraderChoice, OutputChoice, Share

Readers = Callable[[Shard], Reader]


@dataclass(frozen=True)
class Speaker:
    """An arm that one model decodes alone; the model is made only if there is something to decode.

    What it will say is proposed from the arms in `known`, whose text it may share.
    """

    arm: str
    model: Callable[[], Model]
    known: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """What a command works with: what is settled, the run that it holds, whom it tells, and its share of the work."""

    prepared: Prepared
    run: Run
    reporter: Reporter
    share: Share = ALL

    @classmethod
    @contextmanager
    def begun(cls, prepared: Prepared, output: OutputChoice, reporter: Reporter) -> "Iterator[Job]":
        """Say what a user should know, and hold the run."""
        with prepared.begun(output, reporter) as run:
            yield cls(prepared, run, reporter, output.share)

    def decode_greedy_arm(self, member: str) -> None:
        """The member's own greedy responses, as the arm that is called like it."""
        self.decode_alone(Speaker(member, lambda: self.prepared.member(member)))

    def decode_alone(self, speaker: Speaker) -> None:
        """The greedy responses of any model over the pair's vocabulary."""
        shards = self._missing(speaker.arm)
        with self.reporter.task(f"{speaker.arm} answers", _problems(shards), "problems") as meter:
            watch = self.watch(meter, speaker.arm)
            for shard in shards:
                self.run.write_shard("rollouts", shard, rollouts_table(self._spoken(shard, speaker, watch)))
                meter.advance(shard.stop - shard.start)

    def decode_arm(self, named: Named, known: Sequence[str] = (), draws: int = 1) -> Counts:
        """The responses of an arm, draws 0..draws-1; returns what the shards of this call took.

        Draw d is proposed from draw d of the arms in `known`, which saw the same noise. A greedy arm has draw 0 alone.
        """
        arm, took, shards = named.arm, Counts(), self._missing(named.arm.spec, draws)
        with self.reporter.task(f"{named.label} ({arm.spec})", _problems(shards), "responses") as meter:
            watch = self.watch(meter, arm.spec)
            for shard in shards:
                tasks, players = self._tasks(shard, known, named), _players(self.prepared, arm)
                responses, counts = decode(players, arm, tasks, decoding_settings(self.prepared), watch)
                rollouts = [rollout(arm.spec, t, r) for t, r in zip(tasks, responses, strict=True)]
                self.run.write_shard("rollouts", shard, rollouts_table(rollouts))
                took.add(counts)
                meter.advance(shard.stop - shard.start)
        return took

    def score(self, arm: str, reader: Readers | None = None) -> None:
        """The token table of an arm's rollouts; `reader` makes the one of a shard, where it is not simply the pair."""
        prepared, run = self.prepared, self.run
        shards = run.lacking("tokens", "rollouts", arm)
        outside = Outside(prepared.located, prepared.max_outside)
        if not outside.idle:
            for shard in run.shards("tokens", arm):
                outside.add(run.read_shard("tokens", shard, list(OUTSIDE)))
        with self.reporter.task(f"both read {arm}'s answers", _problems(shards), "problems") as meter:
            for shard in shards:
                of_shard = reader(shard) if reader else Reader(prepared.pair, statistics_path(prepared))
                table = of_shard.table(rollouts_of(run.read_shard("rollouts", shard)))
                outside.add(table, of_shard.outside)
                run.write_shard("tokens", shard, table)
                meter.emitted(len(table))
                meter.advance(shard.stop - shard.start)

    def grade(self, choice: GraderChoice) -> str:
        """Verdicts on every rollout (`grade`)."""
        return grade(self.run, choice, self.reporter)

    def watch(self, meter: Meter, arm: str) -> Watch:
        """Count tokens, and say and log where memory ran out and decoding goes on with fewer rows."""

        def halved(rows: int) -> None:
            self.run.log("out_of_memory", arm=arm, rows=rows)
            self.reporter.note(f"{arm}: out of memory, going on with {rows} rows")

        return Watch(meter.emitted, halved)

    def here(self, shard: Shard) -> list[str]:
        """The problems of a shard that can be asked."""
        problems = self.run.problems()[shard.start : shard.stop]
        return [problem.problem_id for problem in problems if problem.problem_id in self.prepared.prompts]

    def _missing(self, arm: str, draws: int = 1) -> list[Shard]:
        prepared = self.prepared
        return self.run.missing("rollouts", arm, prepared.block, self.share, len(prepared.problems), draws)

    def _tasks(self, shard: Shard, known: Sequence[str], named: Named | None = None) -> list[Task]:
        """What an arm is to answer in a shard, with what is known of each problem from earlier arms."""
        texts = [rollouts_in(self.run, arm, shard.start, shard.stop, shard.draw) for arm in known]
        oracle: dict[str, Rollout] = {}
        if named and named.needs_oracle:
            oracle = rollouts_in(self.run, oracle_spec(named.arm.host), shard.start, shard.stop)
        return [
            Task(
                problem_id=i,
                prompt_ids=self.prepared.prompts[i],
                draw=shard.draw,
                known=[
                    *(list(of_arm[i].response_ids) for of_arm in texts if i in of_arm),
                    *self.prepared.proposed.of(i),
                ],
                facts=_facts(oracle[i]) if i in oracle else Facts(),
            )
            for i in self.here(shard)
        ]

    def _spoken(self, shard: Shard, speaker: Speaker, watch: Watch) -> list[Rollout]:
        tasks = self._tasks(shard, speaker.known)
        player = Players(speaker.model(), None, self.prepared.located.vocabulary)
        responses, _ = decode(player, Arm(never(), donor_argmax()), tasks, decoding_settings(self.prepared), watch)
        return [rollout(shard.arm, task, response) for task, response in zip(tasks, responses, strict=True)]


def _problems(shards: Sequence[Shard]) -> int:
    return sum(shard.stop - shard.start for shard in shards)


def statistics_path(prepared: Prepared) -> str:
    """How full-vocabulary statistics are computed in a run."""
    return str(prepared.identity["decoding"]["statistics"])


def grade(run: Run, choice: GraderChoice, reporter: Reporter) -> str:
    """Verdicts on every rollout of the run that has none from this grader yet; returns the layer that holds them."""
    settings = grader_for(run.identity, choice)
    layer = f"grades/{settings.key}"
    if "text" in run.identity:  # documents have no gold answers
        return layer
    shards = [shard for arm in run.arms("rollouts") for shard in run.lacking(layer, "rollouts", arm)]
    run.keep_json(f"{layer}/settings.json", settings.canonical())
    if not shards:
        return layer
    tokenizer = load_tokenizer(str(run.tokenizer_folder))
    gold = {p.problem_id: p.answer for p in run.problems()}
    stop_ids = set(run.identity["pair"]["stop_ids"])
    with reporter.task("grading", len(shards), "shards") as meter, Grader(settings) as grader:
        for shard in shards:
            rollouts = rollouts_of(run.read_shard("rollouts", shard))
            texts = [response_text(tokenizer, rollout.response_ids, stop_ids) for rollout in rollouts]
            graded = grader.grade_many([(t, gold[r.problem_id]) for t, r in zip(texts, rollouts, strict=True)])
            run.write_shard(layer, shard, _grades_table(tokenizer, rollouts, graded))
            meter.advance()
    return layer


def rollouts_table(rollouts: Sequence[Rollout]) -> pa.Table:
    """Rollouts as they are stored."""
    schema = rollout_schema(any(rollout.donor_ids is not None for rollout in rollouts))
    return pa.table({name: [getattr(r, name) for r in rollouts] for name in schema.names}, schema=schema)


def rollouts_of(table: pa.Table) -> list[Rollout]:
    """The inverse of `rollouts_table`."""
    return [Rollout(**{**row, "stop": Stop(row["stop"]), "made": Made(row["made"])}) for row in table.to_pylist()]


def response_text(tokenizer: Any, response_ids: Sequence[int], stop_ids: Collection[int]) -> str:
    """The response as text, without the stop id that ended it."""
    ids = list(response_ids)
    return tokenizer.decode(ids[:-1] if ids and ids[-1] in stop_ids else ids)


def rollouts_in(run: Run, arm: str, start: int, stop: int, draw: int = 0) -> dict[str, Rollout]:
    """An arm's rollouts (one draw of them) to problems start..stop-1, by problem_id."""
    shards = [s for s in run.shards("rollouts", arm) if s.draw == draw and s.start < stop and start < s.stop]
    return {r.problem_id: r for shard in shards for r in rollouts_of(run.read_shard("rollouts", shard))}


def _players(prepared: Prepared, arm: Arm) -> Players:
    """Both models, or the host alone where nothing is ever put in."""
    donor = None if arm.gate.spec == never().spec else prepared.member(arm.donor)
    kinds = torch.tensor(prepared.located.token_kinds)
    return Players(prepared.member(arm.host), donor, prepared.located.vocabulary, kinds)


def _facts(oracle: Rollout) -> Facts:
    edited = [t for t, edit in enumerate(oracle.edited) if edit]
    return Facts(frozenset(edited), len(edited) / max(1, len(oracle.response_ids)))


def rollout(arm: str, task: Task, response: Response) -> Rollout:
    """A response of an arm as it is kept."""
    return Rollout(
        arm=arm,
        problem_id=task.problem_id,
        draw=task.draw,
        prompt_ids=task.prompt_ids,
        response_ids=response.ids,
        host_ids=response.host_ids,
        gated=response.gated,
        logprobs=response.logprobs,
        stop=response.stop,
        made=response.made,
        donor_ids=response.donor_ids or None,
    )


def decoding_settings(prepared: Prepared) -> DecodingSettings:
    """What decides responses in a run."""
    located = prepared.located
    stop_ids = frozenset(located.stop_ids)
    return DecodingSettings(prepared.max_new_tokens, prepared.batch_size, stop_ids, located.context)


def _grades_table(tokenizer: Any, rollouts: Sequence[Rollout], graded: Sequence[Graded]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        name: [getattr(r, name) for r in rollouts] for name in ("arm", "problem_id", "draw")
    }
    for which in ("first", "last"):
        grades = [getattr(g, which) for g in graded]
        columns[f"status_{which}"] = [g.status for g in grades]
        columns[f"answer_{which}"] = [g.answer for g in grades]
        ends = (tokens_until(tokenizer, r.response_ids, g.end) for r, g in zip(rollouts, grades, strict=True))
        columns[f"end_{which}"] = list(ends)
    columns["fell_back"] = [g.fell_back for g in graded]
    return pa.table(columns, schema=GRADE_SCHEMA)


def tokens_until(tokenizer: Any, ids: Sequence[int], end: int | None) -> int | None:
    """How many tokens it takes until the decoded text has `end` characters (bisection: text grows with tokens)."""
    if end is None:
        return None
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if len(tokenizer.decode(list(ids[:middle]))) >= end else (middle + 1, high)
    return low
