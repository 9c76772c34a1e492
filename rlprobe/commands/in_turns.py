"""The dual pass with one model at a time: one trunk reads everything and its last hidden states wait on the disk; then
the other trunk reads the same passes, and only the two heads meet. The same bytes as with both at once.
"""

from collections.abc import Sequence

from torch import Tensor

from rlprobe.commands.prepare import Prepared
from rlprobe.commands.rollouts import rollouts_of
from rlprobe.commands.stages import Job, statistics_path
from rlprobe.pairs.model import ModelPair
from rlprobe.pairs.networks import DTYPES
from rlprobe.records import MEMBERS, Rollout
from rlprobe.runs import Shard
from rlprobe.scoring.spill import Spill, spilling
from rlprobe.scoring.teacher_forcing import Reader, hidden_of, passes


def score_in_turns(job: Job, arms: Sequence[str]) -> None:
    """The token tables of some arms. The member that is held already reads first."""
    prepared, run = job.prepared, job.run
    shards = [shard for arm in arms for shard in run.lacking("tokens", "rollouts", arm)]
    if not shards:
        return
    first = prepared.turns.held or MEMBERS[0]
    second = next(member for member in MEMBERS if member != first)
    with spilling(run, prepared.spill) as spill:
        _read_first(job, first, shards, spill)
        pair = _of_heads(prepared, first, second)

        def reader(shard: Shard) -> Reader:
            def read(name: str, number: int, group: Sequence[Rollout]) -> Tensor:
                if name == second:
                    return hidden_of(pair.member(second), group)
                return spill.get(shard, number).to(pair.member(first).head_weight.device)

            return Reader(pair, statistics_path(prepared), read=read)

        for arm in arms:
            job.score(arm, reader)


def _read_first(job: Job, member: str, shards: Sequence[Shard], spill: Spill) -> None:
    model = job.prepared.turns.member(member)
    with job.reporter.task(f"{member} reads", sum(s.stop - s.start for s in shards), "problems") as meter:
        for shard in shards:
            for number, group in enumerate(passes(rollouts_of(job.run.read_shard("rollouts", shard)))):
                hidden = hidden_of(model, group)
                spill.put(shard, number, hidden)
                meter.emitted(len(hidden))
            meter.advance(shard.stop - shard.start)


def _of_heads(prepared: Prepared, first: str, second: str) -> ModelPair:
    """The pair whose first member is a head alone."""
    located, turns = prepared.located, prepared.turns
    members = {first: turns.head(first), second: turns.member(second)}
    return ModelPair(
        **members, vocabulary=located.vocabulary, stop_ids=frozenset(located.stop_ids), tokenizer=located.tokenizer
    )


def spilled(prepared: Prepared, texts: int) -> str:
    """At most how much is spilled, for `--dry-run`: that of one model, for so many texts of each problem."""
    located = prepared.located
    width, item = max(s.config.hidden_size for s in (located.base, located.rl)), DTYPES[located.dtype].itemsize
    positions = texts * len(prepared.prompts) * prepared.max_new_tokens
    where = prepared.spill or prepared.out
    return (
        f"one model at a time: at most {positions * width * item / 1e9:.3g} GB of hidden states are spilled to {where}"
    )
