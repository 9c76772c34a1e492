"""Claim (arXiv 2504.13837): RL raises pass@1 and not what is in reach: with enough draws the base solves as many
problems as its RL model, or more.

Both models answer every problem several times at temperature 1; pass@k is the unbiased estimate, with intervals over
problems. Draws the figure "pass_at_k" and writes the tables "sampling", "pass_at_k" and "solvable".

    python -m experiments.sampling
"""

import click

from experiments.claimed.sampling import CLAIMS
from experiments.claims import write_claims
from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.sample import SampleChoice, SampleSettings, sample


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
@click.option("--n", "draws", default=16, show_default=True, type=click.IntRange(min=1), help="Draws of each problem.")
def main(pair: str, dataset: str, limit: int | None, draws: int) -> None:
    """Run, and keep what a reader wants to see."""
    settings = SampleSettings(
        pair=pair_of(pair),
        problems=ProblemChoice(dataset=dataset, limit=limit),
        output=run_of(pair, dataset),
        choice=SampleChoice(draws=draws),
    )
    written = sample(settings, Reporter())
    keep(written.run, ("pass_at_k",), ("sampling", "pass_at_k", "solvable"))
    click.echo((FIGURES / "pass_at_k.md").read_text())
    gain = list(written.summary["answers"][settings.reading.answer]["gain"].values())  # from pass@1 up
    write_claims("sampling", CLAIMS, {"gain": gain}, pair)


if __name__ == "__main__":
    main()
