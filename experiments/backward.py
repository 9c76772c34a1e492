"""Claim (arXiv 2603.22446): few of the base's tokens, put into RL's text, lose what RL has gained.

RL decodes greedily and the base is the donor: its token at every disagreement (the base's own text, by identity), at
the first ones only, at RL's high entropy, where the two diverge; and controls that write other tokens of RL's own.
Draws the figures "backward" and "backward-dose" and writes the table "backward".

    python -m experiments.backward
"""

import click

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.interventions import EQUAL, HALF, against, recovery
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim, Kind

# ---- what is claimed -------------------------------------------------------------------------------------------------
# The gain is lost where less than half of it is left, seen from the base: a recovery of RL's gain below a half. The
# paper samples both models and gives its edits as 5 % and 10 %; experiments/signals.py repeats its own protocol.

PAPER = "2603.22446 (cross-sampling)"

CLAIMS = (
    Asked(
        Claim(
            statement="the base's token at every disagreement gives the base's own responses",
            source="ours",
            low=1,
            high=1,
            unit="%",
            kind=Kind.IDENTITY,
        ),
        ("arms", "oracle backward", "identical", "base"),
    ),
    Asked(
        Claim(
            statement="it edits no more than the published arms",
            source=PAPER,
            published="5 %, 10 %",
            high=0.05,
            unit="%",
        ),
        ("arms", "oracle backward", "edited"),
    ),
    Asked(
        Claim(
            statement="one of the base's tokens, the first, leaves less than half of the gain", source="ours", high=HALF
        ),
        recovery("first 1 backward"),
    ),
    Asked(
        Claim(
            statement="the base's token where RL's entropy is above 1.2 nats leaves less than half of the gain",
            source="ours",
            high=HALF,
        ),
        recovery("entropy 1.2 backward"),
    ),
    Asked(
        Claim(
            statement="the base's token where RL's entropy is above 0.6 nats leaves less than half of the gain",
            source="ours",
            high=HALF,
        ),
        recovery("entropy 0.6 backward"),
    ),
    Asked(
        Claim(
            statement="the base's token where JS > 0.1 nats leaves less than half of the gain",
            source=PAPER,
            published="25.5 → < 8.3 (base 8.2)",
            high=HALF,
        ),
        recovery("js 0.1 backward"),
    ),
    Asked(
        Claim(
            statement="random tokens of RL's top 20 there harm RL (2 points at least)",
            source="ours",
            high=-EQUAL,
            unit="%",
        ),
        against("random backward", "rl"),
    ),
    Asked(
        Claim(
            statement="RL's own second thoughts there leave more than half of the gain (control)",
            source="ours",
            low=HALF,
        ),
        recovery("resample backward"),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------

MODES = ("oracle", "first:1,2,3", "entropy:0.6,1.2", "inverse:1.2", "js:0.05,0.1,0.2", "random", "resample")


@script(help=__doc__)
@asked
@click.option("--seeds", default=2, show_default=True, help="Of arms with randomness.")
def main(request: Request, seeds: int) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.intervene(**request.options, modes=MODES, host="rl", seeds=seeds, arms="asked")
    shelf = request.shelf(found.run)  # the command calls its files alike in both directions
    shelf.keep(found.run, ("interventions",), ("interventions",), ("interventions", "backward"))
    shelf.keep(found.run, ("dose",), (), ("dose", "backward-dose"))
    shelf.show("backward")
    write_claims("backward", CLAIMS, found.summary, shelf)


if __name__ == "__main__":
    main()
