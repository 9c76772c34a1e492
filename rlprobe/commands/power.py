"""The base drawn from a power of itself, as an arm of a run: shards of responses, and beside them what they took.

RUN/power/ARM/*.parquet   one row a response: tokens drawn, moves tried and taken, tokens drawn that became text
"""

from dataclasses import asdict
from typing import Any

import pandas as pd
import pyarrow as pa

from rlprobe.analysis.statistics import Clusters, rate, ratio_of_means
from rlprobe.commands import stages
from rlprobe.commands.shown import First
from rlprobe.decoding.engine import Players, Task
from rlprobe.decoding.power import Power, decode_power
from rlprobe.settings import Reading

LAYER = "power"
HOST = "base"  # whose power it is
PUBLISHED = 8.8  # tokens drawn for each that stays, arXiv 2510.14901


def spec_of(power: Power, seed: int) -> str:
    """The name of the arm."""
    return f"{power.spec} x {HOST} x seed={seed}"


def decode_powered(job: stages.Job, power: Power, seed: int, draws: int) -> None:
    """The responses of the base's power, draws 0..draws-1, and what each took. Both shards are there, or made again."""
    prepared, run, arm = job.prepared, job.run, spec_of(power, seed)
    of = (arm, prepared.block, job.share, len(prepared.problems), draws)
    shards = sorted({*run.missing("rollouts", *of), *run.missing(LAYER, *of)}, key=lambda s: (s.draw, s.start))
    with job.reporter.task(arm, sum(s.stop - s.start for s in shards), "responses") as meter:
        watch = job.watch(meter, arm)
        for shard in shards:
            tasks = [Task(i, prepared.prompts[i], shard.draw) for i in job.here(shard)]
            players = Players(prepared.member(HOST), None, prepared.located.vocabulary)
            found = decode_power(players, power, seed, tasks, stages.decoding_settings(prepared), watch)
            efforts = [
                {"problem_id": task.problem_id, "draw": shard.draw, "tokens": len(response.ids), **asdict(effort)}
                for task, (response, effort) in zip(tasks, found, strict=True)
            ]
            run.write_shard(LAYER, shard, pa.Table.from_pylist(efforts, schema=SCHEMA))
            rollouts = [stages.rollout(arm, task, response) for task, (response, _) in zip(tasks, found, strict=True)]
            run.write_shard("rollouts", shard, stages.rollouts_table(rollouts))
            meter.advance(shard.stop - shard.start)


SCHEMA = pa.schema(
    [
        ("problem_id", pa.string()),
        ("draw", pa.int32()),
        ("tokens", pa.int32()),  # of the response
        ("generated", pa.int64()),  # tokens drawn for it
        ("moves", pa.int32()),
        ("accepted", pa.int32()),  # moves
        ("kept", pa.int64()),  # tokens drawn that became part of its text, for a while at least
    ]
)


def cost(asked: First, power: Power, seed: int, draws: int, reading: Reading) -> dict[str, Any]:
    """What the draws took: the share of moves that were taken, and tokens drawn for each that stays, or was taken in.

    Ratios of sums, intervals over problems; `published` is the paper's number of tokens drawn for each that stays.
    """
    run, arm = asked.run, spec_of(power, seed)
    shards = [shard for shard in run.shards(LAYER, arm) if shard.draw < draws]
    table = pa.concat_tables([SCHEMA.empty_table(), *(run.read_shard(LAYER, shard) for shard in shards)])
    rows: pd.DataFrame = asked.rows(table.to_pandas())
    codes, problems = pd.factorize(rows["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    sums = {name: clusters.sums(rows[name].to_numpy()) for name in ("tokens", "generated", "moves", "accepted", "kept")}
    responses = clusters.sums((rows["draw"] >= 0).to_numpy())
    drawn = (sums["generated"], responses)
    return {
        "accepted": rate(sums["accepted"], sums["moves"], reading.resampling),
        "per_token": ratio_of_means(drawn, (sums["tokens"], responses), reading.resampling),
        "per_accepted": ratio_of_means(drawn, (sums["kept"], responses), reading.resampling),
        "generated": int(sums["generated"].sum()),
        "published": PUBLISHED,
    }
