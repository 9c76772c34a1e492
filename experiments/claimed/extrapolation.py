"""What is claimed of going beyond RL (arXiv 2603.22117, extrapolation), and where experiments/extrapolation.py says it.

Published: γ from 0.05 to 0.1, sampled, where the criterion fires, on 30 problems and with no interval. Any gain is
asked: above 0. What an early checkpoint gains is not published.
"""

from experiments.claimed.interventions import against
from experiments.claims import Asked
from rlprobe.analysis.claims import Claim

PAPER = "2603.22117 (extrapolation)"
PUBLISHED = "+0.9 to +2.9 points over RL (AIME24)"


def beyond(case: str, arm: str, statement: str, published: str = "not published") -> Asked:
    """That an arm is better than the model that it extrapolates."""
    source = "ours" if published == "not published" else PAPER
    claim = Claim(statement=statement, source=source, published=published, low=0, unit="%")
    return Asked(claim, (case, *against(arm, "rl")))


CLAIMS = (
    beyond("RL sampled", "extrapolate-delta 0.1", "γ = 0.1 where Δ log p < −0.3 beats RL, sampled", PUBLISHED),
    beyond("RL sampled", "extrapolate 0.1", "γ = 0.1 everywhere beats RL, sampled"),
    beyond("RL greedy", "extrapolate-delta 0.1", "γ = 0.1 where Δ log p < −0.3 beats RL, greedy"),
    beyond("RL greedy", "extrapolate 0.1", "γ = 0.1 everywhere beats RL, greedy"),
    beyond("early greedy", "extrapolate 1", "γ = 1 everywhere beats an early checkpoint, greedy"),
    beyond("early sampled", "extrapolate 1", "γ = 1 everywhere beats an early checkpoint, sampled"),
)
