"""What is claimed of JS(π_base ‖ π_RL) along RL's text (arXiv 2603.22446), and where experiments/divergence.py says it.

"Near zero" has no number in the paper: below 0.01 nats here, a seventieth of the most that JS can be. "About 5 %" is
asked as at most twice that.
"""

from experiments.claims import Asked
from rlprobe.analysis.claims import Claim

PAPER = "2603.22446"

CLAIMS = (
    Asked(
        Claim(
            statement="positions with JS near zero (below 0.01 nats), on RL's text",
            source=PAPER,
            published="> 83 % (DAPO)",
            low=0.83,
            unit="%",
        ),
        ("near_zero",),
    ),
    Asked(
        Claim(
            statement="… the same, as few moved as there",
            source=PAPER,
            published="> 98 % (SimpleRL)",
            low=0.98,
            unit="%",
        ),
        ("near_zero",),
    ),
    Asked(
        Claim(
            statement="where JS > 0.1 nats, RL's token has less than 0.01 in the base",
            source=PAPER,
            published="about 5 % (DAPO)",
            high=0.10,
            unit="%",
        ),
        ("unlikely_in_base",),
    ),
)
