"""The steps that commands are made of: decode an arm, score rollouts, grade them; a `Job` is what they share.

Each does what the run still lacks, a shard at a time (work.py), and can be stopped anywhere.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.rollouts import response_text, rollout, rollouts_in, rollouts_of, rollouts_table, tokens_until
from rlprobe.commands.verdicts import grader_for
from rlprobe.commands.work import Bench, Heed, Made, Makers, Need, Piece, Site, ignore
from rlprobe.decoding.arms import Arm, Facts, donor_argmax, never
from rlprobe.decoding.engine import Counts, DecodingSettings, Players, Task, decode
from rlprobe.decoding.modes import oracle_spec
from rlprobe.pairs.model import Model
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.problems.grading import Graded, Grader, GraderSettings
from rlprobe.records import GRADE_SCHEMA, OUTSIDE, Rollout
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
    model: Callable[[Prepared], Model]
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

    def fill(
        self, piece: Piece, shards: Sequence[Shard], title: str, unit: str = "problems", heed: Heed = ignore
    ) -> None:
        """Make shards of the run and write them (`Site.fill`)."""
        Site(self.run, self.reporter, self.prepared.crew, self.prepared).fill(piece, shards, title, unit, heed)

    def ask(self, piece: Piece, over: Shard, title: str) -> Any:
        """What a piece that makes no table tells (`Site.ask`)."""
        return Site(self.run, self.reporter, self.prepared.crew, self.prepared).ask(piece, over, title)

    def decode_greedy_arm(self, member: str) -> None:
        """The member's own greedy responses, as the arm that is called like it."""
        self.decode_alone(Speaker(member, Member(member)))

    def decode_alone(self, speaker: Speaker) -> None:
        """The greedy responses of any model over the pair's vocabulary."""
        self.fill(Spoken(speaker), self.missing(speaker.arm), f"{speaker.arm} answers")

    def decode_arm(self, arm: Arm, label: str, known: Sequence[str] = (), draws: int = 1) -> Counts:
        """The responses of an arm, called `label`, draws 0..draws-1; returns what the shards of this call took.

        Draw d is proposed from draw d of the arms in `known`, which saw the same noise. A greedy arm has draw 0 alone.
        """
        took, piece = Counts(), Answers(arm, tuple(known))
        title = f"{label} ({arm.spec})"
        self.fill(piece, self.missing(arm.spec, draws), title, "responses", lambda made: took.add(made.also))
        return took

    def score(self, arm: str, reader: Readers | None = None) -> None:
        """The token table of an arm's rollouts; `reader` makes the one of a shard, where it is not simply the pair."""
        prepared, run = self.prepared, self.run
        shards = run.lacking("tokens", "rollouts", arm)
        outside = Outside(prepared.located, prepared.max_outside)
        if not outside.idle:
            for shard in run.shards("tokens", arm):
                outside.add(run.read_shard("tokens", shard, list(OUTSIDE)))

        def heed(made: Made) -> None:
            outside.add(made.tables["tokens"], made.also)

        self.fill(Tokens(reader), shards, f"both read {arm}'s answers", heed=heed)

    def grade(self, choice: GraderChoice) -> str:
        """Verdicts on every rollout (`grade`)."""
        return grade(self.run, choice, self.reporter, self.prepared.crew)

    def missing(self, arm: str, draws: int = 1, layer: str = "rollouts") -> list[Shard]:
        """The shards of an arm that this call is asked for and that the run lacks."""
        prepared = self.prepared
        return self.run.missing(layer, arm, prepared.block, self.share, len(prepared.problems), draws)


# ---- pieces of work --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Member:
    """A member of the pair, as a speaker's model."""

    name: str

    def __call__(self, prepared: Prepared) -> Model:
        """The one that is held, or loaded now."""
        return prepared.member(self.name)


@dataclass(frozen=True)
class Spoken:
    """The greedy responses of one model."""

    speaker: Speaker

    def needs(self, shard: Shard) -> list[Need]:
        """The arms that it is proposed from."""
        return [Need("rollouts", arm, shard.draw) for arm in self.speaker.known]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Decode a shard."""
        prepared = bench.prepared
        tasks = _tasks(bench, shard, self.speaker.known)
        player = Players(self.speaker.model(prepared), None, prepared.located.vocabulary)
        responses, _ = decode(player, Arm(never(), donor_argmax()), tasks, decoding_settings(prepared), bench.watch)
        rollouts = [rollout(shard.arm, task, response) for task, response in zip(tasks, responses, strict=True)]
        return Made({"rollouts": rollouts_table(rollouts)})


@dataclass(frozen=True)
class Answers:
    """The responses of an arm; beside them what they took."""

    arm: Arm
    known: tuple[str, ...]

    def needs(self, shard: Shard) -> list[Need]:
        """The arms that it is proposed from, and the oracle where it has to know what that edits."""
        known = [Need("rollouts", arm, shard.draw) for arm in self.known]
        return known + ([Need("rollouts", oracle_spec(self.arm.host), 0)] if self.arm.needs_oracle else [])

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Decode a shard."""
        arm, tasks = self.arm, _tasks(bench, shard, self.known, self.arm)
        players = _players(bench.prepared, arm)
        responses, counts = decode(players, arm, tasks, decoding_settings(bench.prepared), bench.watch)
        rollouts = [rollout(arm.spec, task, response) for task, response in zip(tasks, responses, strict=True)]
        return Made({"rollouts": rollouts_table(rollouts)}, counts)


@dataclass(frozen=True)
class Tokens:
    """The token tables of rollouts; beside them what either model puts outside the common vocabulary, by id."""

    reader: Readers | None = None

    def needs(self, shard: Shard) -> list[Need]:
        """The rollouts."""
        return [Need("rollouts", shard.arm, shard.draw)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Read a shard."""
        prepared = bench.prepared
        reader = self.reader(shard) if self.reader else Reader(prepared.pair, statistics_path(prepared))
        table = reader.table(rollouts_of(bench.run.read_shard("rollouts", shard)))
        bench.watch.tokens(len(table))
        return Made({"tokens": table}, reader.outside)


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a grader on rollouts."""

    layer: str
    settings: GraderSettings
    tokenizer: Any
    stop_ids: frozenset[int]

    def needs(self, shard: Shard) -> list[Need]:
        """The rollouts."""
        return [Need("rollouts", shard.arm, shard.draw)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Grade a shard."""
        rollouts = rollouts_of(bench.run.read_shard("rollouts", shard))
        gold = {problem.problem_id: problem.answer for problem in bench.run.problems_of(shard)}
        texts = [response_text(self.tokenizer, each.response_ids, self.stop_ids) for each in rollouts]
        pairs = [(text, gold[each.problem_id]) for text, each in zip(texts, rollouts, strict=True)]
        graded = bench.tools.get(Grader, self.settings).grade_many(pairs)
        return Made({self.layer: _grades_table(self.tokenizer, rollouts, graded)})


def grade(run: Run, choice: GraderChoice, reporter: Reporter, crew: Makers | None = None) -> str:
    """Verdicts on every rollout of the run that has none from this grader yet; returns the layer that holds them."""
    settings = grader_for(run.identity, choice)
    layer = f"grades/{settings.key}"
    if "text" in run.identity:  # documents have no gold answers
        return layer
    shards = [shard for arm in run.arms("rollouts") for shard in run.lacking(layer, "rollouts", arm)]
    run.keep_json(f"{layer}/settings.json", settings.canonical())
    if shards:
        tokenizer = load_tokenizer(str(run.tokenizer_folder))
        piece = Verdicts(layer, settings, tokenizer, frozenset(run.identity["pair"]["stop_ids"]))
        Site(run, reporter, crew).fill(piece, shards, "grading", "shards")
    return layer


# ---- what they are made of -------------------------------------------------------------------------------------------


def statistics_path(prepared: Prepared) -> str:
    """How full-vocabulary statistics are computed in a run."""
    return str(prepared.identity["decoding"]["statistics"])


def decoding_settings(prepared: Prepared) -> DecodingSettings:
    """What decides responses in a run."""
    located = prepared.located
    stop_ids = frozenset(located.stop_ids)
    return DecodingSettings(prepared.max_new_tokens, prepared.batch_size, stop_ids, located.context)


def _tasks(bench: Bench, shard: Shard, known: Sequence[str], arm: Arm | None = None) -> list[Task]:
    """What an arm is to answer in a shard, with what is known of each problem from earlier arms."""
    at, prepared = (shard.start, shard.stop), bench.prepared
    texts = [rollouts_in(bench.run, each, *at, shard.draw) for each in known]
    oracle: dict[str, Rollout] = {}
    if arm and arm.needs_oracle:
        oracle = rollouts_in(bench.run, oracle_spec(arm.host), *at)
    return [
        Task(
            problem_id=i,
            prompt_ids=prepared.prompts[i],
            draw=shard.draw,
            known=[*(list(of_arm[i].response_ids) for of_arm in texts if i in of_arm), *prepared.proposed.of(i)],
            facts=_facts(oracle[i]) if i in oracle else Facts(),
        )
        for i in bench.here(shard)
    ]


def _players(prepared: Prepared, arm: Arm) -> Players:
    """Both models, or the host alone where nothing is ever put in."""
    donor = None if arm.gate.spec == never().spec else prepared.member(arm.donor)
    kinds = torch.tensor(prepared.located.token_kinds)
    return Players(prepared.member(arm.host), donor, prepared.located.vocabulary, kinds)


def _facts(oracle: Rollout) -> Facts:
    edited = [t for t, edit in enumerate(oracle.edited) if edit]
    return Facts(frozenset(edited), len(edited) / max(1, len(oracle.response_ids)))


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
