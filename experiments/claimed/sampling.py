"""What is claimed of sampling (arXiv 2504.13837), and where `sample` says it.

RL wins at k = 1: above 0. With enough draws the base is at least as good: RL is at most two points above it, at the
most draws that were made (16 by default; the paper makes 128 to 1024).
"""

from experiments.claimed.interventions import EQUAL
from experiments.claims import Asked
from rlprobe.analysis.claims import Claim

PAPER = "2504.13837 (pass@k)"

CLAIMS = (
    Asked(
        Claim(
            statement="pass@1: RL minus base",
            source=PAPER,
            published="+39.9 to +41.1 points (MATH-500)",
            low=0,
            unit="%",
        ),
        ("gain", 0, "difference"),
    ),
    Asked(
        Claim(
            statement="pass@k at the most draws made: RL no better than its base (+ 2 points)",
            source=PAPER,
            published="+0.9 to +1.2 points at k = 256 (MATH-500)",
            high=EQUAL,
            unit="%",
        ),
        ("gain", -1, "difference"),
    ),
)
