"""What RL changes first: the footprint of the bundled pair's RL model while it was trained, at the checkpoints kept.

Every checkpoint and the base answer every problem greedily; `disagree` and `direction` for each, and the disagreements
on the base's own text followed through training. Draws the figure "footprint" and writes its tables.

    python -m experiments.footprint
"""

from pathlib import Path

import click

from experiments.claimed.footprint import CLAIMS
from experiments.claims import write_claims
from experiments.kept import FIGURES, keep
from rlprobe.pairs.loading import PairChoice
from rlprobe.pipeline.footprint import Checkpoint, FootprintSettings, footprint
from rlprobe.pipeline.prepare import OutputChoice, ProblemChoice
from rlprobe.pipeline.progress import Reporter
from rlprobe.reporting.footprint.tables import TABLES

CHECKPOINTS = Path(__file__).parent / "organism" / "checkpoints"


@click.command(help=__doc__)
@click.option("--pair", default="bundled", show_default=True, help="Whose base.")
@click.option("--checkpoints", default=CHECKPOINTS, type=click.Path(path_type=Path), help="A folder of checkpoints.")
@click.option("--dataset", default="word-problems", show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N problems.")
def main(pair: str, checkpoints: Path, dataset: str, limit: int | None) -> None:
    """Run, and keep what a reader wants to see."""
    settings = FootprintSettings(
        pair=PairChoice(pair=pair),
        problems=ProblemChoice(dataset=dataset, limit=limit),
        output=OutputChoice(Path("runs") / f"{pair}-footprint"),
        checkpoints=tuple(Checkpoint(folder.name, str(folder)) for folder in sorted(checkpoints.iterdir())),
    )
    written = footprint(settings, Reporter())
    keep(written.run, ("footprint",), tuple(TABLES))
    click.echo((FIGURES / "footprint.md").read_text())
    write_claims("footprint", CLAIMS, written.summary, pair)


if __name__ == "__main__":
    main()
