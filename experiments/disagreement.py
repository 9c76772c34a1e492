"""Claim (arXiv 2605.06241, §3.1): RL changes few tokens, nearly all of them by reranking what the base already offered.

Both models answer every problem greedily, both read both answers, every position gets its class. Draws the figure
"disagreement" and writes table 1 ("classes") with its companions, each number with a 95 % interval over problems.

    python -m experiments.disagreement
"""

import click

from experiments.claimed.disagreement import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.disagree import disagree
from rlprobe.commands.progress import Reporter
from rlprobe.settings import DisagreeSettings


@click.command(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(DisagreeSettings)
    written = disagree(settings, Reporter())
    shelf = request.shelf(written.run)
    shelf.keep(written.run, ("disagreement",), ("classes", "accuracy", "rates", "entropy", "noise"))
    shelf.show("classes")
    write_claims("disagreement", CLAIMS, written.summary, shelf)


if __name__ == "__main__":
    main()
