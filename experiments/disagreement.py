"""Claim (arXiv 2605.06241, §3.1): RL changes few tokens, nearly all of them by reranking what the base already offered.

Both models answer every problem greedily, both read both answers, every position gets its class. Draws the figure
"disagreement" and writes table 1 ("classes") with its companions, each number with a 95 % interval over problems.

    python -m experiments.disagreement
"""

import click

from experiments.claimed.disagreement import CLAIMS
from experiments.claims import write_claims
from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.disagree import DisagreeSettings, disagree
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
def main(pair: str, dataset: str, limit: int | None) -> None:
    """Run, and keep what a reader wants to see."""
    settings = DisagreeSettings(
        pair=pair_of(pair), problems=ProblemChoice(dataset=dataset, limit=limit), output=run_of(pair, dataset)
    )
    written = disagree(settings, Reporter())
    keep(written.run, ("disagreement",), ("classes", "rates", "accuracy", "entropy", "noise"))
    click.echo((FIGURES / "classes.md").read_text())
    write_claims("disagreement", CLAIMS, written.summary, pair)


if __name__ == "__main__":
    main()
