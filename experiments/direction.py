"""Claims: Δ log p has two tails, one for what the base wrote and one for what RL wrote, where entropy and divergence
cannot tell the writers apart (arXiv 2603.22117); few positions hold the divergence (2603.22446); both models waver at
the same places (2506.01939); and what RL promotes from low probability are sparks rather than noise (2510.03222).

Reads the token table of `experiments.disagreement`, which is finished first where it is not. Draws the figures
"direction" and "signals" and writes every table of `rlprobe direction`.

    python -m experiments.direction
"""

import click

from experiments.claimed.direction import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.direction import direction
from rlprobe.commands.disagree import disagree
from rlprobe.commands.progress import Reporter
from rlprobe.reporting.direction import TABLES
from rlprobe.settings import DirectionSettings, DisagreeSettings


@click.command(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(DisagreeSettings)
    run = disagree(settings, Reporter()).run
    written = direction(DirectionSettings(run=run.path), Reporter())
    shelf = request.shelf(run)
    shelf.keep(run, ("direction", "signals"), tuple(TABLES))
    shelf.show("tails")
    write_claims("direction", CLAIMS, written.summary, shelf)


if __name__ == "__main__":
    main()
