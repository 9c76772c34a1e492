"""Question (ours): which single token does an answer hang on, and how few of RL's tokens are enough?

For every problem that RL solves and the base does not, RL's token is put once at each disagreement along the base's own
answer, and the fewest edits that are enough are searched for. Writes the tables "needed_sizes", "needed_edits", "flips"
and "flip_tokens".

    python -m experiments.flips
"""

import click

from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.flips import FlipChoice, FlipSettings, flips
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
def main(pair: str, dataset: str, limit: int | None) -> None:
    """Run, and keep what a reader wants to see."""
    settings = FlipSettings(
        pair=pair_of(pair),
        problems=ProblemChoice(dataset=dataset, limit=limit),
        output=run_of(pair, dataset),
        flips=FlipChoice(),
    )
    keep(flips(settings, Reporter()).run, (), ("needed_sizes", "needed_edits", "flips", "flip_tokens"))
    click.echo((FIGURES / "needed_sizes.md").read_text())


if __name__ == "__main__":
    main()
