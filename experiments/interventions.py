"""Claims (arXiv 2605.06241, §3.2-3.3): RL's token at the disagreements recovers RL's accuracy (an identity when it is
every disagreement), at high-entropy positions too; random tokens at the same places do not.

The base decodes; the published arms, their controls and the sweeps of the dose figure run on the same problems. Draws
the figures "interventions" and "dose" and writes the table "interventions".

    python -m experiments.interventions
"""

import click

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim, Kind

# ---- what is claimed -------------------------------------------------------------------------------------------------
# The margins are ours: the paper says "equal", "close" and "partial" and gives neither numbers nor intervals. Its bars
# can be read to about a point, so no more than two points below RL is "equal" (to be above it is not to fail); five
# points below RL are still "close"; "partial" is any recovery that is not none. A control has to stay below half of
# the gain, and writes RL's token nowhere, but for the published one.

ORACLE, ENTROPY = "2605.06241 §3.2", "2605.06241 §3.3"
EQUAL, CLOSE, HALF = 0.02, 0.05, 0.5


def against(arm: str, end: str) -> tuple[str, ...]:
    """The way to an arm's accuracy minus that of an end."""
    return ("arms", arm, "answers", "last", "against", end, "difference")


def recovery(arm: str) -> tuple[str, ...]:
    """The way to the share of RL's gain that an arm recovers."""
    return ("arms", arm, "answers", "last", "recovery")


CLAIMS = (
    Asked(
        Claim(
            statement="RL's token at every disagreement gives RL's own responses",
            source=ORACLE,
            published="RL's pass@1 exactly, 4 of 4 pairs",
            low=1,
            high=1,
            unit="%",
            kind=Kind.IDENTITY,
        ),
        ("arms", "oracle", "identical", "rl"),
    ),
    Asked(
        Claim(
            statement="it edits no more than the published pairs disagree",
            source=ORACLE,
            published="1.0–4.1 % (disagreements along the base's text)",
            high=0.041,
            unit="%",
        ),
        ("arms", "oracle", "edited"),
    ),
    Asked(
        Claim(
            statement="reranked tokens alone are as good as RL (2 points below it at most)",
            source=ORACLE,
            published="exactly RL's pass@1",
            low=-EQUAL,
            unit="%",
            kind=Kind.BY_CONSTRUCTION,  # where nothing is shifted this is the oracle
        ),
        against("oracle-reranked", "rl"),
    ),
    Asked(
        Claim(
            statement="one token, the first disagreement, recovers more than half of the gain",
            source="ours",
            low=HALF,
        ),
        recovery("first 1"),
    ),
    Asked(
        Claim(
            statement="random tokens of the base's top 20 there: no better than the base (+ 2 points)",
            source=ORACLE,
            published="≤ base",
            high=EQUAL,
            unit="%",
        ),
        against("random-published (donor allowed)", "base"),
    ),
    Asked(
        Claim(
            statement="… RL's token left out",
            source="ours",
            high=EQUAL,
            unit="%",
        ),
        against("random", "base"),
    ),
    Asked(
        Claim(
            statement="random tokens of the base's top 5 there, never RL's: no better than the base (+ 2 points)",
            source=ORACLE + " (note)",
            published="≤ base",
            high=EQUAL,
            unit="%",
        ),
        against("random-top5", "base"),
    ),
    Asked(
        Claim(
            statement="as many random tokens at random places, never RL's: no better than the base (+ 2 points)",
            source=ORACLE + " (note)",
            published="≤ base",
            high=EQUAL,
            unit="%",
        ),
        against("random-positions", "base"),
    ),
    Asked(
        Claim(
            statement="the base's own second thoughts there, RL's token left out, recover less than half (control)",
            source="ours",
            high=HALF,
        ),
        recovery("resample"),
    ),
    Asked(
        Claim(
            statement="RL's token where the entropy is above 1.2 nats: equal to RL (2 points below it at most)",
            source=ENTROPY,
            published="= RL (7B, GRPO)",
            low=-EQUAL,
            unit="%",
        ),
        against("entropy 1.2", "rl"),
    ),
    Asked(
        Claim(
            statement="… close to RL (5 points below it at most)",
            source=ENTROPY,
            published="close (PPO)",
            low=-CLOSE,
            unit="%",
        ),
        against("entropy 1.2", "rl"),
    ),
    Asked(
        Claim(
            statement="… a part of the gain is recovered",
            source=ENTROPY,
            published="partial (the other pairs)",
            low=0,
        ),
        recovery("entropy 1.2"),
    ),
    Asked(
        Claim(
            statement="… no more tokens gated than published, no-ops included",
            source=ENTROPY,
            published="1.2–8.3 %",
            high=0.083,
            unit="%",
        ),
        ("arms", "entropy 1.2", "gated"),
    ),
    Asked(
        Claim(
            statement="RL's token where the entropy is at most 1.2 nats recovers less than half (control)",
            source="ours",
            high=HALF,
        ),
        recovery("inverse 1.2"),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------

MODES = (
    *("oracle", "oracle-reranked", "entropy:0.3,0.6,0.9,1.2", "inverse:0.3,0.6,0.9,1.2"),
    *("random", "random-published", "random-top5", "random-replayed", "random-positions", "resample", "matched"),
    *("support:2,3,5", "first:1,2,3,5", "dose:0.25,0.5,0.75", "handoff:4,16,64", "handoff-first", "only", "without"),
    *("kl:0.1,0.3,1", "js:0.05,0.1,0.2", "delta:-0.3,-1,-2", "margin:0.5,1", "mix:0.25,0.5,0.75"),
)


@script(help=__doc__)
@asked
@click.option("--seeds", default=2, show_default=True, help="Of arms with randomness.")
def main(request: Request, seeds: int) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.intervene(**request.options, modes=MODES, seeds=seeds, arms="asked")
    shelf = request.shelf(found.run)
    shelf.keep(found.run, ("interventions", "dose"), ("interventions", "doses"))
    shelf.show("interventions")
    write_claims("interventions", CLAIMS, found.summary, shelf)


if __name__ == "__main__":
    main()
