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
from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.direction import DirectionSettings, direction
from rlprobe.pipeline.disagree import DisagreeSettings, disagree
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter
from rlprobe.reporting.direction.tables import TABLES


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
def main(pair: str, dataset: str, limit: int | None) -> None:
    """Run, and keep what a reader wants to see."""
    settings = DisagreeSettings(
        pair=pair_of(pair), problems=ProblemChoice(dataset=dataset, limit=limit), output=run_of(pair, dataset)
    )
    run = disagree(settings, Reporter()).run
    written = direction(run.path, DirectionSettings())
    keep(run, ("direction", "signals"), tuple(TABLES))
    click.echo((FIGURES / "tails.md").read_text())
    write_claims("direction", CLAIMS, written.summary, pair)


if __name__ == "__main__":
    main()
