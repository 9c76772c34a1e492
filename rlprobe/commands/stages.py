"""The steps that commands are made of: decode an arm, score rollouts, grade them.

Each does what the run still lacks, a shard at a time, and can be stopped anywhere.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import torch

from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
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
from rlprobe.settings import GraderChoice, Share


def decode_greedy_arm(prepared: Prepared, run: Run, member: str, share: Share, reporter: Reporter) -> None:
    """The member's own greedy responses, as the arm that is called like it."""
    decode_alone(prepared, run, Speaker(member, lambda: prepared.member(member)), share, reporter)


Readers = Callable[[Shard], Reader]


@dataclass(frozen=True)
class Speaker:
    """An arm that one model decodes alone; the model is made only if there is something to decode.

    What it will say is proposed from the arms in `known`, whose text it may share.
    """

    arm: str
    model: Callable[[], Model]
    known: tuple[str, ...] = ()


def decode_alone(prepared: Prepared, run: Run, speaker: Speaker, share: Share, reporter: Reporter) -> None:
    """The greedy responses of any model over the pair's vocabulary."""
    arm = speaker.arm
    shards = run.missing("rollouts", arm, prepared.block, share, len(prepared.problems))
    with reporter.task(f"{arm} answers", sum(s.stop - s.start for s in shards), "problems") as meter:
        watch = Watch(meter.emitted, lambda rows: halved(run, reporter, arm, rows))
        for shard in shards:
            run.write_shard("rollouts", shard, rollouts_table(_decode(prepared, run, shard, speaker, watch)))
            meter.advance(shard.stop - shard.start)


def decode_arm(
    prepared: Prepared, run: Run, named: Named, known: Sequence[str], share: Share, reporter: Reporter, draws: int = 1
) -> Counts:
    """The responses of an arm, draws 0..draws-1; returns what the shards of this call took.

    Draw d is proposed from draw d of the arms in `known`, which saw the same noise. A greedy arm has draw 0 alone.
    """
    arm, took = named.arm, Counts()
    shards = run.missing("rollouts", arm.spec, prepared.block, share, len(prepared.problems), draws)
    with reporter.task(f"{named.label} ({arm.spec})", sum(s.stop - s.start for s in shards), "responses") as meter:
        watch = Watch(meter.emitted, lambda rows: halved(run, reporter, arm.spec, rows))
        for shard in shards:
            tasks = _tasks(prepared, run, shard, known, named)
            responses, counts = decode(_players(prepared, arm), arm, tasks, decoding_settings(prepared), watch)
            rollouts = [rollout(arm.spec, t, r) for t, r in zip(tasks, responses, strict=True)]
            run.write_shard("rollouts", shard, rollouts_table(rollouts))
            took.add(counts)
            meter.advance(shard.stop - shard.start)
    return took


def score(prepared: Prepared, run: Run, arm: str, reporter: Reporter, reader: Readers | None = None) -> None:
    """The token table of an arm's rollouts; `reader` makes the one of a shard, where it is not simply the pair."""
    shards = run.lacking("tokens", "rollouts", arm)
    outside = Outside(prepared.located, prepared.max_outside)
    if not outside.idle:
        for shard in run.shards("tokens", arm):
            outside.add(run.read_shard("tokens", shard, list(OUTSIDE)))
    with reporter.task(f"both read {arm}'s answers", sum(s.stop - s.start for s in shards), "problems") as meter:
        for shard in shards:
            of_shard = reader(shard) if reader else Reader(prepared.pair, statistics_path(prepared))
            table = of_shard.table(rollouts_of(run.read_shard("rollouts", shard)))
            outside.add(table, of_shard.outside)
            run.write_shard("tokens", shard, table)
            meter.emitted(len(table))
            meter.advance(shard.stop - shard.start)


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


def _tasks(prepared: Prepared, run: Run, shard: Shard, known: Sequence[str], named: Named) -> list[Task]:
    """What an arm is to answer in a shard, with what is known of each problem from earlier arms."""
    texts = [rollouts_in(run, arm, shard.start, shard.stop, shard.draw) for arm in known]
    oracle = rollouts_in(run, oracle_spec(named.arm.host), shard.start, shard.stop) if named.needs_oracle else {}
    here = [p.problem_id for p in run.problems()[shard.start : shard.stop] if p.problem_id in prepared.prompts]
    return [
        Task(
            problem_id=i,
            prompt_ids=prepared.prompts[i],
            draw=shard.draw,
            known=[*_known(texts, i), *prepared.proposed.of(i)],
            facts=_facts(oracle[i]) if i in oracle else Facts(),
        )
        for i in here
    ]


def _known(texts: Sequence[dict[str, Rollout]], problem_id: str) -> list[list[int]]:
    """What earlier arms said to a problem."""
    return [list(of_arm[problem_id].response_ids) for of_arm in texts if problem_id in of_arm]


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


def _decode(prepared: Prepared, run: Run, shard: Shard, speaker: Speaker, watch: Watch) -> list[Rollout]:
    texts = [rollouts_in(run, arm, shard.start, shard.stop) for arm in speaker.known]
    tasks = [
        Task(i, prepared.prompts[i], known=[*_known(texts, i), *prepared.proposed.of(i)])
        for i in (p.problem_id for p in run.problems()[shard.start : shard.stop])
        if i in prepared.prompts
    ]
    player = Players(speaker.model(), None, prepared.located.vocabulary)
    responses, _ = decode(player, Arm(never(), donor_argmax()), tasks, decoding_settings(prepared), watch)
    return [rollout(shard.arm, task, response) for task, response in zip(tasks, responses, strict=True)]


def halved(run: Run, reporter: Reporter, member: str, rows: int) -> None:
    """Memory ran out, and decoding goes on with fewer rows."""
    run.log("out_of_memory", arm=member, rows=rows)
    reporter.note(f"{member}: out of memory, going on with {rows} rows")


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
