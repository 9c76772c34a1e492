"""A piece of work without models, for tests of who does work and when, and a run to do it on."""

from collections import Counter
from dataclasses import dataclass

import pyarrow as pa

from rlprobe import runs
from rlprobe.commands.work import Bench, Made, Need
from rlprobe.errors import BadInput
from rlprobe.records import Problem
from rlprobe.runs import Shard

SCHEMA = pa.schema([("problem_id", pa.string()), ("n", pa.int64())])


@dataclass(frozen=True)
class Count:
    """A piece of work: how many rows there are of each problem in another layer."""

    refuses: bool = False

    def needs(self, shard):
        return [Need("many", shard.arm)]

    def make(self, bench: Bench, shard: Shard) -> Made:
        if self.refuses:
            raise BadInput("this cannot be counted")
        there = [bench.run.read_shard("many", s) for s in bench.run.shards("many", shard.arm)]
        found = Counter(i for table in there for i in table["problem_id"].to_pylist())
        rows = [{"problem_id": p.problem_id, "n": found[p.problem_id]} for p in bench.run.problems_of(shard)]
        bench.watch.tokens(len(rows))
        return Made({"counted": pa.Table.from_pylist(rows, schema=SCHEMA)}, sum(found.values()))


def made_run(path, problems=12):
    run = runs.create_or_resume(path, {"problems": {}}, {})
    asked = [Problem(f"p{i}", "?", "1", "made") for i in range(problems)]
    run.extend(asked, {})
    for start in range(0, problems, 4):  # other shards than those that are made
        names = [p.problem_id for p in asked[start : start + 4] for _ in range(start + 2)]
        run.write_shard("many", Shard("base", start, start + 4), pa.table({"problem_id": names}))
    return run


def shards_of(run):
    return {str(f.relative_to(run.path)): f.read_bytes() for f in run.files("counted/**/*")}
