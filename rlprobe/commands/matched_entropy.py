"""RL as spread out as its base: the temperature at which its mean entropy is the base's (arXiv 2504.13837).

RL's texts vary less than the base's, which alone can lose it pass@k at large k. The entropy of what is drawn from is
averaged over the tokens of one draw of every problem, each model along its own text; top-p's cut is part of it.
"""

from dataclasses import replace

from rlprobe.analysis.equal_entropy import Found, search
from rlprobe.commands import stages
from rlprobe.commands.prepare import Prepared
from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.modes import sampled_end
from rlprobe.errors import RlprobeError
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

KEPT = "entropies.json"  # mean entropies of arms, by their names: they need the models
MOST = 8  # temperatures tried


def temperature_of_rl(job: stages.Job, sampling: Sampling) -> Found:
    """What the search ended with. Raises RlprobeError where no temperature was found."""

    def entropy(member: str, how: Sampling) -> float:
        end = sampled_end(member, how)
        job.decode_arm(end)
        return _mean_entropy(job.prepared, job.run, member, end.arm.spec, how)

    wanted = entropy("base", sampling)
    found = search(wanted, lambda temperature: entropy("rl", replace(sampling, temperature=temperature)), MOST)
    if found.temperature is None:
        raise RlprobeError(
            f"no temperature was found at which RL's mean entropy is the base's, {wanted:.4g} nats a token "
            f"({found.reason}; nearest: {found.reached:.4g}); give RL one with --rl-temperature"
        )
    return found


def _mean_entropy(prepared: Prepared, run: Run, member: str, arm: str, sampling: Sampling) -> float:
    """Of draw 0 of the problems asked for, as kept by the run."""
    key = f"{arm}, {len(prepared.problems)} problems"
    kept = run.read_json(KEPT, dict) if run.file(KEPT).is_file() else {}
    if key not in kept:
        from rlprobe.scoring.entropies import alone, mean_entropy

        shards = [shard for shard in run.shards("rollouts", arm) if shard.draw == 0]
        rows = [row for shard in shards for row in stages.rollouts_of(run.read_shard("rollouts", shard))]
        asked = [row for row in rows if row.problem_id in prepared.prompts]
        (other,) = {*MEMBERS} - {member}
        models = prepared.pair.member(member), prepared.pair.member(other)
        kept[key] = mean_entropy(models, sampling, asked, alone)
        run.write_json(KEPT, kept)
    return float(kept[key])
