"""The command `rlprobe direction`."""

from pathlib import Path
from typing import Any

import click

from rlprobe.cli.ending import finish
from rlprobe.cli.options import FILE, noun, table_options


@click.command()
@click.argument("run", type=FILE)
@click.option(
    "--tail", default=1.0, show_default=True, type=float, help="Nats from 0 at which a tail begins, for its words."
)
@table_options
def direction(run: Path, tail: float, as_json: bool, **asked: Any) -> None:
    """Which tokens does RL make likelier, which rarer? Reads a finished RUN of `rlprobe disagree`; needs no models."""
    from rlprobe.analysis.classes import Reading
    from rlprobe.pipeline.direction import DirectionSettings, direction

    settings = DirectionSettings(noun(Reading, asked), tail)
    finish(lambda: [direction(run, settings)], as_json, asked["max_failed"])
