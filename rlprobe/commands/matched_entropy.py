"""RL as spread out as its base: the temperature at which its mean entropy is the base's (arXiv 2504.13837).

RL's texts vary less than the base's, which alone can lose it pass@k at large k. The entropy of what is drawn from is
averaged over the tokens of one draw of every problem, each model along its own text; top-p's cut is part of it.
"""

from dataclasses import dataclass, replace

from rlprobe.analysis.equal_entropy import Found, search
from rlprobe.commands import stages
from rlprobe.commands.rollouts import rollouts_of
from rlprobe.commands.work import Bench, Made, Need
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import sampled_end
from rlprobe.errors import RlprobeError
from rlprobe.records import MEMBERS
from rlprobe.runs import Shard
from rlprobe.scoring.entropies import Says, alone, mean_entropy

KEPT = "entropies.json"  # mean entropies of arms, by their names: they need the models
MOST = 8  # temperatures tried


def temperature_of_rl(job: stages.Job, sampling: Sampling) -> Found:
    """What the search ended with. Raises RlprobeError where no temperature was found."""

    def entropy(member: str, how: Sampling) -> float:
        arm, called = sampled_end(member, how)
        job.decode_arm(arm, called.label)
        return _mean_entropy(job, member, arm.spec, how)

    wanted = entropy("base", sampling)
    found = search(wanted, lambda temperature: entropy("rl", replace(sampling, temperature=temperature)), MOST)
    if found.temperature is None:
        raise RlprobeError(
            f"no temperature was found at which RL's mean entropy is the base's, {wanted:.4g} nats a token "
            f"({found.reason}; nearest: {found.reached:.4g}); give RL one with --rl-temperature"
        )
    return found


def _mean_entropy(job: stages.Job, member: str, arm: str, sampling: Sampling) -> float:
    """Of draw 0 of the problems asked for, as kept by the run."""
    prepared, run = job.prepared, job.run
    key = f"{arm}, {len(prepared.problems)} problems"
    kept = run.read_json(KEPT, dict) if run.file(KEPT).is_file() else {}
    if key not in kept:
        kept[key] = MeanEntropy(arm, member, sampling, alone, frozenset(prepared.prompts)).asked_of(job)
        run.write_json(KEPT, kept)
    return float(kept[key])


@dataclass(frozen=True)
class MeanEntropy:
    """The mean entropy (nats a token) of what an arm says along its own responses, draws 0..draws-1; makes no table."""

    arm: str
    host: str
    sampling: Sampling
    says: Says
    problems: frozenset[str]
    draws: int = 1

    def asked_of(self, job: stages.Job) -> float:
        """Read what the job's run holds of the arm."""
        everywhere = Shard(self.arm, 0, len(job.run.problems()))
        return float(job.ask(self, everywhere, f"the entropy of {self.arm}"))

    def needs(self, shard: Shard) -> list[Need]:  # noqa: ARG002 - of all problems
        """The responses."""
        return [Need("rollouts", self.arm)]

    def make(self, bench: Bench, shard: Shard) -> Made:  # noqa: ARG002
        """Read them again."""
        shards = [shard for shard in bench.run.shards("rollouts", self.arm) if shard.draw < self.draws]
        rows = [row for shard in shards for row in rollouts_of(bench.run.read_shard("rollouts", shard))]
        (other,) = {*MEMBERS} - {self.host}
        models = bench.prepared.pair.member(self.host), bench.prepared.pair.member(other)
        asked = [row for row in rows if row.problem_id in self.problems]
        return Made({}, mean_entropy(models, self.sampling, asked, self.says))
