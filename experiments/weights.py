"""Claims: RL's update is nearly full rank (arXiv 2505.11711); the correction is low-dimensional (arXiv 2605.06241, §4).

The first is read off the files. For the second each matrix keeps the best rank-r part of its change and the model so
made answers, and reads, as the pair's own do. Draws the figures "weights" and "low_rank" and writes their tables.

    python -m experiments.weights
"""

import click

from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.weights import RankChoice, WeightSettings, weights

RANKS = ("0", "1", "4", "16", "full")


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
def main(pair: str, dataset: str, limit: int | None) -> None:
    """Run, and keep what a reader wants to see."""
    settings = WeightSettings(
        pair=pair_of(pair),
        problems=ProblemChoice(dataset=dataset, limit=limit),
        output=run_of(pair, dataset),
        ranks=RankChoice(RANKS),
    )
    written = weights(settings, Reporter())
    keep(
        written.run,
        ("weights", "low_rank"),
        ("weights_by_kind", "weights_by_tensor", "low_rank_answers", "low_rank_choices"),
    )
    click.echo((FIGURES / "low_rank_answers.md").read_text())


if __name__ == "__main__":
    main()
