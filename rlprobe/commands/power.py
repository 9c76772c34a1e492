"""The base drawn from a power of itself, as an arm of a run: shards of responses, and beside them what they took.

RUN/power/ARM/*.parquet   one row a response: tokens drawn, moves tried and taken, tokens drawn that became text
"""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from rlprobe.analysis.statistics import Clusters, rate, ratio_of_means
from rlprobe.commands import stages
from rlprobe.commands.rollouts import rollout, rollouts_table
from rlprobe.commands.shown import First
from rlprobe.commands.work import Bench, Made, Need
from rlprobe.decoding.engine import Players, Task
from rlprobe.decoding.power import Power, decode_power
from rlprobe.runs import Shard
from rlprobe.settings import Reading

LAYER = "power"
HOST = "base"  # whose power it is
PUBLISHED = 8.8  # tokens drawn for each that stays, arXiv 2510.14901


def spec_of(power: Power, seed: int) -> str:
    """The name of the arm."""
    return f"{power.spec} x {HOST} x seed={seed}"


def decode_powered(job: stages.Job, power: Power, seed: int, draws: int) -> None:
    """The responses of the base's power, draws 0..draws-1, and what each took. Both shards are there, or made again."""
    arm = spec_of(power, seed)
    lacking = {*job.missing(arm, draws), *job.missing(arm, draws, LAYER)}
    job.fill(Powered(power, seed), sorted(lacking, key=lambda s: (s.draw, s.start)), arm, "responses")


@dataclass(frozen=True)
class Powered:
    """Responses of the base's power, and what each took."""

    power: Power
    seed: int

    def needs(self, shard: Shard) -> list[Need]:  # noqa: ARG002
        """Nothing: it is drawn from scratch."""
        return []

    def make(self, bench: Bench, shard: Shard) -> Made:
        """Draw a shard."""
        prepared = bench.prepared
        tasks = [Task(i, prepared.prompts[i], shard.draw) for i in bench.here(shard)]
        players = Players(prepared.member(HOST), None, prepared.located.vocabulary)
        found = decode_power(players, self.power, self.seed, tasks, stages.decoding_settings(prepared), bench.watch)
        efforts = [
            {"problem_id": task.problem_id, "draw": shard.draw, "tokens": len(response.ids), **asdict(effort)}
            for task, (response, effort) in zip(tasks, found, strict=True)
        ]
        rollouts = [rollout(shard.arm, task, response) for task, (response, _) in zip(tasks, found, strict=True)]
        return Made({LAYER: pa.Table.from_pylist(efforts, schema=SCHEMA), "rollouts": rollouts_table(rollouts)})


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
