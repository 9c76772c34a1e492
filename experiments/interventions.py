"""Claims (arXiv 2605.06241, §3.2-3.3): RL's token at the disagreements recovers RL's accuracy (an identity when it is
every disagreement), at high-entropy positions too; random tokens at the same places do not.

The base decodes; the published arms, their controls and the sweeps of the dose figure run on the same problems. Draws
the figures "interventions" and "dose" and writes the table "interventions".

    python -m experiments.interventions
"""

import click

from experiments.claimed.interventions import CLAIMS
from experiments.claims import write_claims
from experiments.kept import FIGURES, keep, pair_of, run_of
from rlprobe.pipeline.intervene import ArmChoice, InterveneSettings, intervene
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter

MODES = (
    *("oracle", "oracle-reranked", "entropy:0.3,0.6,0.9,1.2", "inverse:0.3,0.6,0.9,1.2"),
    *("random", "random-top5", "random-replayed", "random-positions", "resample", "matched"),
    *("support:2,3,5", "first:1,2,3,5", "dose:0.25,0.5,0.75"),
    *("kl:0.1,0.3,1", "js:0.05,0.1,0.2", "delta:-0.3,-1,-2", "margin:0.5,1", "mix:0.25,0.5,0.75"),
)


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True)
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
@click.option("--seeds", default=2, show_default=True, help="Of arms with randomness.")
def main(pair: str, dataset: str, limit: int | None, seeds: int) -> None:
    """Run, and keep what a reader wants to see."""
    settings = InterveneSettings(
        pair=pair_of(pair),
        problems=ProblemChoice(dataset=dataset, limit=limit),
        output=run_of(pair, dataset),
        arms=ArmChoice(modes=MODES, seeds=seeds),
    )
    written = intervene(settings, Reporter())
    keep(written.run, ("interventions", "dose"), ("interventions", "doses"))
    click.echo((FIGURES / "interventions.md").read_text())
    write_claims("interventions", CLAIMS, written.summary, pair)


if __name__ == "__main__":
    main()
