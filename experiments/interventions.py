"""Claims (arXiv 2605.06241, §3.2-3.3): RL's token at the disagreements recovers RL's accuracy (an identity when it is
every disagreement), at high-entropy positions too; random tokens at the same places do not.

The base decodes; the published arms, their controls and the sweeps of the dose figure run on the same problems. Draws
the figures "interventions" and "dose" and writes the table "interventions".

    python -m experiments.interventions
"""

import click

from experiments.claimed.interventions import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.intervene import intervene
from rlprobe.commands.progress import Reporter
from rlprobe.settings import ArmChoice, InterveneSettings

MODES = (
    *("oracle", "oracle-reranked", "entropy:0.3,0.6,0.9,1.2", "inverse:0.3,0.6,0.9,1.2"),
    *("random", "random-published", "random-top5", "random-replayed", "random-positions", "resample", "matched"),
    *("support:2,3,5", "first:1,2,3,5", "dose:0.25,0.5,0.75", "handoff:4,16,64", "handoff-first", "only", "without"),
    *("kl:0.1,0.3,1", "js:0.05,0.1,0.2", "delta:-0.3,-1,-2", "margin:0.5,1", "mix:0.25,0.5,0.75"),
)


@click.command(help=__doc__)
@asked
@click.option("--seeds", default=2, show_default=True, help="Of arms with randomness.")
def main(request: Request, seeds: int) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(
        InterveneSettings,
        arms=ArmChoice(modes=MODES, seeds=seeds),
    )
    written = intervene(settings, Reporter())
    shelf = request.shelf(written.run)
    shelf.keep(written.run, ("interventions", "dose"), ("interventions", "doses"))
    shelf.show("interventions")
    write_claims("interventions", CLAIMS, written.summary, shelf)


if __name__ == "__main__":
    main()
