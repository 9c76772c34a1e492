"""Claim (arXiv 2603.22446): few of the base's tokens, put into RL's text, lose what RL has gained.

RL decodes greedily and the base is the donor: its token at every disagreement (the base's own text, by identity), at
the first ones only, at RL's high entropy, where the two diverge; and controls that write other tokens of RL's own.
Draws the figures "backward" and "backward-dose" and writes the table "backward".

    python -m experiments.backward
"""

import click

from experiments.claimed.backward import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.intervene import intervene
from rlprobe.commands.progress import Reporter
from rlprobe.settings import ArmChoice, InterveneSettings

MODES = ("oracle", "first:1,2,3", "entropy:0.6,1.2", "inverse:1.2", "js:0.05,0.1,0.2", "random", "resample")


@click.command(help=__doc__)
@asked
@click.option("--seeds", default=2, show_default=True, help="Of arms with randomness.")
def main(request: Request, seeds: int) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(
        InterveneSettings,
        arms=ArmChoice(modes=MODES, host="rl", seeds=seeds),
    )
    written = intervene(settings, Reporter())
    shelf = request.shelf(written.run)  # the command calls its files alike in both directions
    shelf.keep(written.run, ("interventions",), ("interventions",), ("interventions", "backward"))
    shelf.keep(written.run, ("dose",), (), ("dose", "backward-dose"))
    shelf.show("backward")
    write_claims("backward", CLAIMS, written.summary, shelf)


if __name__ == "__main__":
    main()
