"""Claim (arXiv 2504.13837): RL raises pass@1 and not what is in reach: with enough draws the base solves as many
problems as its RL model, or more.

Both models answer every problem several times at temperature 1; pass@k is the unbiased estimate, with intervals over
problems. Draws the figure "pass_at_k" and writes the tables "sampling", "pass_at_k" and "solvable".

    python -m experiments.sampling
"""

import click

from experiments.claimed.sampling import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.progress import Reporter
from rlprobe.commands.sample import sample
from rlprobe.settings import SampleChoice, SampleSettings


@click.command(help=__doc__)
@asked
@click.option("--n", "draws", default=16, show_default=True, type=click.IntRange(min=1), help="Draws of each problem.")
def main(request: Request, draws: int) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(
        SampleSettings,
        choice=SampleChoice(draws=draws),
    )
    written = sample(settings, Reporter())
    shelf = request.shelf(written.run)
    shelf.keep(written.run, ("pass_at_k",), ("sampling", "pass_at_k", "solvable"))
    shelf.show("pass_at_k")
    gain = list(written.summary["answers"][settings.reading.answer]["gain"].values())  # from pass@1 up
    write_claims("sampling", CLAIMS, {"gain": gain}, shelf)


if __name__ == "__main__":
    main()
