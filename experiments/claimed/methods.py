"""What is claimed of methods of training, and where experiments/methods.py says it; written before any was trained.

"Matches full RL": nine tenths of GRPO's gain, since so few problems do not resolve less. "Three orders of magnitude
cheaper" is asked as a hundredth of GRPO's processor time, an order less than the claim; all methods of the table
generate as many tokens, by which the method's own saving (fewer responses) is not in it. "Rank 8 on W_o alone": no more
than 2 points below the same method on q, k, v and o. "Sustain": the last rounds' entropy of the policy against GRPO's;
of one seed it has no interval, and no verdict.
"""

from experiments.claims import Asked
from rlprobe.analysis.claims import Claim

REASONMAXXER, DIR, LP_REG = "2605.06241, §5", "2603.22117", "2510.03222"

CLAIMS = (
    Asked(
        Claim(
            statement="ReasonMaxxer's share of GRPO's gain",
            source=REASONMAXXER,
            published="matches full RL (.502 against .496)",
            low=0.9,
        ),
        ("share", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="ReasonMaxxer's processor time, of GRPO's",
            source=REASONMAXXER,
            published="three orders of magnitude less",
            high=0.01,
        ),
        ("time", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="ReasonMaxxer with rank 8 on W_o alone: accuracy, less ReasonMaxxer's",
            source=REASONMAXXER,
            published="rank 8 on W_o alone is enough",
            low=-0.02,
            unit="%",
        ),
        ("less", "reasonmaxxer W_o rank 8", "reasonmaxxer"),
    ),
    Asked(
        Claim(
            statement="entropy in the last rounds of Lp-Reg, less GRPO's",
            source=LP_REG,
            published="low-probability tokens sustain exploration",
            low=0.0,
            unit="nats",
        ),
        ("entropy", "lp-reg"),
    ),
    Asked(
        Claim(
            statement="DIR's reweighting: accuracy, less GRPO's",
            source=DIR,
            published="raises pass@1",
            low=0.0,
            unit="%",
        ),
        ("less", "dir", "grpo"),
    ),
)
