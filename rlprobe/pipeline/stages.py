"""The steps that commands are made of: decode an arm, score rollouts, grade them.

Each does what the run still lacks, a shard at a time, and can be stopped anywhere.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from rlprobe.decoding.engine import DecodingSettings, Watch, decode_greedily
from rlprobe.pairs.loading import load_tokenizer
from rlprobe.pipeline.prepare import Prepared
from rlprobe.pipeline.progress import Reporter
from rlprobe.problems.grading import Grader, GraderSettings
from rlprobe.records import GRADE_SCHEMA, MEMBERS, ROLLOUT_SCHEMA, Made, Rollout, Stop
from rlprobe.runs import Run, Shard, Share
from rlprobe.scoring.teacher_forcing import Reader


def decode_greedy_arm(prepared: Prepared, run: Run, member: str, share: Share, reporter: Reporter) -> None:
    """The member's own greedy responses, as the arm that is called like it."""
    shards = run.missing("rollouts", member, prepared.compute.block, share)
    with reporter.task(f"{member} answers", sum(s.stop - s.start for s in shards), "problems") as meter:
        watch = Watch(meter.emitted, lambda rows: _halved(run, reporter, member, rows))
        for shard in shards:
            run.write_shard("rollouts", shard, rollouts_table(_decode(prepared, run, shard, watch)))
            meter.advance(shard.stop - shard.start)


def score(prepared: Prepared, run: Run, arm: str, reporter: Reporter) -> None:
    """The token table of an arm's rollouts."""
    shards = run.lacking("tokens", "rollouts", arm)
    with reporter.task(f"both read {arm}'s answers", sum(s.stop - s.start for s in shards), "problems") as meter:
        for shard in shards:
            reader = Reader(prepared.pair, prepared.identity["decoding"]["statistics"])
            table = reader.table(rollouts_of(run.read_shard("rollouts", shard)))
            run.write_shard("tokens", shard, table)
            meter.emitted(len(table))
            meter.advance(shard.stop - shard.start)


def grade(run: Run, settings: GraderSettings, reporter: Reporter) -> str:
    """Verdicts on every rollout of the run that has none from this grader yet; returns the layer that holds them."""
    layer = f"grades/{settings.key}"
    shards = [shard for arm in run.arms("rollouts") for shard in run.lacking(layer, "rollouts", arm)]
    if not shards:
        return layer
    tokenizer = load_tokenizer(str(run.tokenizer_folder))
    gold = {p.problem_id: p.answer for p in run.problems()}
    stop_ids = set(run.identity["pair"]["stop_ids"])
    run.write_json(f"{layer}/settings.json", settings.canonical())
    with reporter.task("grading", len(shards), "shards") as meter, Grader(settings) as grader:
        for shard in shards:
            rollouts = rollouts_of(run.read_shard("rollouts", shard))
            texts = [response_text(tokenizer, rollout, stop_ids) for rollout in rollouts]
            graded = grader.grade_many([(t, gold[r.problem_id]) for t, r in zip(texts, rollouts, strict=True)])
            run.write_shard(layer, shard, _grades_table(rollouts, graded))
            meter.advance()
    return layer


def rollouts_table(rollouts: Sequence[Rollout]) -> pa.Table:
    """Rollouts as they are stored."""
    return pa.table(
        {name: [getattr(r, name) for r in rollouts] for name in ROLLOUT_SCHEMA.names}, schema=ROLLOUT_SCHEMA
    )


def rollouts_of(table: pa.Table) -> list[Rollout]:
    """The inverse of `rollouts_table`."""
    return [Rollout(**{**row, "stop": Stop(row["stop"]), "made": Made(row["made"])}) for row in table.to_pylist()]


def response_text(tokenizer: Any, rollout: Rollout, stop_ids: set[int]) -> str:
    """The response as text, without the stop id that ended it."""
    ids = list(rollout.response_ids)
    return tokenizer.decode(ids[:-1] if ids and ids[-1] in stop_ids else ids)


def _decode(prepared: Prepared, run: Run, shard: Shard, watch: Watch) -> list[Rollout]:
    assert shard.arm in MEMBERS
    pair = prepared.pair
    here = [p.problem_id for p in run.problems()[shard.start : shard.stop] if p.problem_id in prepared.prompts]
    prompts = [prepared.prompts[i] for i in here]
    settings = DecodingSettings(prepared.compute.max_new_tokens, prepared.batch_size, pair.stop_ids, pair.context)
    responses = decode_greedily(pair.member(shard.arm), pair.vocabulary, prompts, settings, watch)
    return [
        Rollout(
            arm=shard.arm,
            problem_id=problem_id,
            draw=0,
            prompt_ids=prompt,
            response_ids=response.ids,
            host_ids=response.ids,
            gated=[False] * len(response.ids),
            logprobs=response.logprobs,
            stop=response.stop,
            made=Made.ENGINE,
        )
        for problem_id, prompt, response in zip(here, prompts, responses, strict=True)
    ]


def _halved(run: Run, reporter: Reporter, member: str, rows: int) -> None:
    run.log("out_of_memory", arm=member, rows=rows)
    reporter.note(f"{member}: out of memory, going on with {rows} rows")


def _grades_table(rollouts: Sequence[Rollout], graded: Sequence[Any]) -> pa.Table:
    columns = {
        "arm": [r.arm for r in rollouts],
        "problem_id": [r.problem_id for r in rollouts],
        "draw": [r.draw for r in rollouts],
    }
    for which in ("first", "last"):
        columns[f"status_{which}"] = [getattr(g, which).status for g in graded]
        columns[f"answer_{which}"] = [getattr(g, which).answer for g in graded]
    return pa.table(columns, schema=GRADE_SCHEMA)
