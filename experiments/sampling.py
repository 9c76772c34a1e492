"""Claim (arXiv 2504.13837): RL raises pass@1 and not what is in reach: with enough draws the base solves as many
problems as its RL model, or more.

Both models answer every problem several times at temperature 1; pass@k is the unbiased estimate, with intervals over
problems. Draws the figure "pass_at_k" and writes the tables "sampling", "pass_at_k" and "solvable".

    python -m experiments.sampling
"""

import click

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.interventions import EQUAL
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim

# ---- what is claimed -------------------------------------------------------------------------------------------------
# RL wins at k = 1: above 0. With enough draws the base is at least as good: RL is at most two points above it, at the
# most draws that were made (16 by default; the paper makes 128 to 1024).

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

# ---- how it is measured ----------------------------------------------------------------------------------------------


@script(help=__doc__)
@asked
@click.option("--n", "draws", default=16, show_default=True, type=click.IntRange(min=1), help="Draws of each problem.")
def main(request: Request, draws: int) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.sample(**request.options, draws=draws)
    shelf = request.shelf(found.run)
    shelf.keep(found.run, ("pass_at_k",), ("sampling", "pass_at_k", "solvable"))
    shelf.show("pass_at_k")
    gain = list(found.summary["answers"]["last"]["gain"].values())  # from pass@1 up
    write_claims("sampling", CLAIMS, {"gain": gain}, shelf)


if __name__ == "__main__":
    main()
