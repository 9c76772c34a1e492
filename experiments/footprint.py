"""What RL changes first: the footprint of the bundled pair's RL model while it was trained, at the checkpoints kept.

Every checkpoint and the base answer every problem greedily; `disagree` and `direction` for each, and the disagreements
on the base's own text followed through training. Draws the figure "footprint" and writes its tables.

    python -m experiments.footprint
"""

from pathlib import Path

import click

from experiments.claimed.footprint import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked, known_pair
from rlprobe.commands.footprint import footprint
from rlprobe.commands.progress import Reporter
from rlprobe.reporting.footprint import TABLES
from rlprobe.settings import Checkpoint, FootprintSettings, OutputChoice


@click.command(help=__doc__)
@asked
@click.option("--checkpoints", type=click.Path(path_type=Path), help="A folder of them.  [default: the bundled pair's]")
def main(request: Request, checkpoints: Path | None) -> None:
    """Run, and keep what a reader wants to see."""
    pair = known_pair(request.pair)
    known = checkpoints or pair.checkpoints
    if known is None:
        raise click.UsageError(f"{request.pair} has no checkpoints here: give a folder of them with --checkpoints")
    models = [Checkpoint(folder.name, str(folder)) for folder in sorted(known.iterdir())]
    if not checkpoints:
        models.append(Checkpoint(pair.last, pair.entry.rl))
    settings = request.settings(
        FootprintSettings,
        output=OutputChoice(request.path("footprint")),
        checkpoints=tuple(models),
    )
    written = footprint(settings, Reporter())
    shelf = request.shelf(written.run)
    shelf.keep(written.run, ("footprint",), tuple(TABLES))
    shelf.show("footprint")
    write_claims("footprint", CLAIMS, written.summary, shelf)


if __name__ == "__main__":
    main()
