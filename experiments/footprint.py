"""What RL changes first: the footprint of the bundled pair's RL model while it was trained, at the checkpoints kept.

Every checkpoint and the base answer every problem greedily; `disagree` and `direction` for each, and the disagreements
on the base's own text followed through training. Draws the figure "footprint" and writes its tables.

    python -m experiments.footprint
"""

from pathlib import Path

import click

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.request import Request, asked, known_pair
from experiments.script import script
from rlprobe.analysis.claims import Claim
from rlprobe.reporting.footprint import TABLES

# ---- what is claimed -------------------------------------------------------------------------------------------------
# Nothing of it is published. Most is more than half; few is less than a tenth.

CLAIMS = (
    Asked(
        Claim(statement="the first checkpoint has most of the final disagreements", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "of_final"),
    ),
    Asked(
        Claim(statement="… with the same token of RL", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "same_of_final"),
    ),
    Asked(
        Claim(statement="what the first checkpoint changes mostly lasts", source="ours", low=0.5, unit="%"),
        ("steps", 0, "followed", "lasting"),
    ),
    Asked(
        Claim(statement="few disagreements are lost in the last stretch", source="ours", high=0.1, unit="%"),
        ("steps", -1, "followed", "lost_share"),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------


@script(help=__doc__)
@asked
@click.option("--checkpoints", type=click.Path(path_type=Path), help="A folder of them.  [default: the bundled pair's]")
def main(request: Request, checkpoints: Path | None) -> None:
    """Run, and keep what a reader wants to see."""
    pair = known_pair(request.pair)
    known = checkpoints or pair.checkpoints
    if known is None:
        raise click.UsageError(f"{request.pair} has no checkpoints here: give a folder of them with --checkpoints")
    models = [f"{folder.name}={folder}" for folder in sorted(known.iterdir())]
    if not checkpoints:
        models.append(f"{pair.last}={pair.entry.rl}")
    options = {name: value for name, value in request.options.items() if name != "rl"}
    found = rp.footprint(models, **options | {"out": request.path("footprint")})
    shelf = request.shelf(found.run)
    shelf.keep(found.run, ("footprint",), tuple(TABLES))
    shelf.show("footprint")
    write_claims("footprint", CLAIMS, found.summary, shelf)


if __name__ == "__main__":
    main()
