"""Claim (arXiv 2603.22446): few of the base's tokens, put into RL's text, lose what RL has gained.

RL decodes greedily and the base is the donor: its token at every disagreement (the base's own text, by identity), at
the first ones only, at RL's high entropy, where the two diverge; and controls that write other tokens of RL's own.
Draws the figure "backward" and writes its table.

    python -m experiments.backward
"""

from pathlib import Path

import click

from experiments.claimed.backward import CLAIMS
from experiments.claims import write_claims
from experiments.kept import FIGURES, pair_of, run_of
from rlprobe.pipeline.intervene import ArmChoice, InterveneSettings, intervene
from rlprobe.pipeline.prepare import ProblemChoice
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written

MODES = ("oracle", "first:1,2,3", "entropy:0.6,1.2", "inverse:1.2", "js:0.05,0.1,0.2", "random", "resample")


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
        arms=ArmChoice(modes=MODES, host="rl", seeds=seeds),
    )
    written = intervene(settings, Reporter())
    _keep(written)
    click.echo((FIGURES / "backward.md").read_text(encoding="utf-8"))
    write_claims("backward", CLAIMS, written.summary, pair)


def _keep(written: Written) -> None:
    """The command calls its files alike in both directions: these are the backward ones."""
    FIGURES.mkdir(exist_ok=True)
    kinds: dict[str, tuple[str, ...]] = {"tables": ("csv", "md", "tex"), "figures": ("png", "pdf")}
    for folder, suffixes in kinds.items():
        for suffix in suffixes:
            file = Path(written.run.path) / folder / f"interventions.{suffix}"
            (FIGURES / f"backward.{suffix}").write_bytes(file.read_bytes())


if __name__ == "__main__":
    main()
