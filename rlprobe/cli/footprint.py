"""The command `rlprobe footprint`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    FILE,
    common,
    compute_options,
    device_options,
    known_pair,
    problem_options,
    reading_options,
    tau_option,
)
from rlprobe.cli.terminal import say

if TYPE_CHECKING:
    from rlprobe.pipeline.footprint import FootprintSettings


@click.command()
@click.argument("checkpoints", nargs=-1, required=True, metavar="NAME=MODEL...")
@click.option(
    "--pair", callback=known_pair, help="The base of a registered pair; MODEL `rl` is its RL model.  [default: bundled]"
)
@click.option("--base", help="The base model: a Hub id or a folder.")
@click.option("--base-revision", help="Hub revision of the base.")
@device_options
@problem_options
@compute_options
@click.option("--out", type=FILE, help="Holds a run a checkpoint.  [default: runs/PAIR-footprint]")
@click.option("--overwrite", is_flag=True, help="Delete what is there and start anew.")
@reading_options
@tau_option
@click.option("--dry-run", is_flag=True, help="Print the checkpoints and the plan; compute nothing.")
def footprint(checkpoints: tuple[str, ...], dry_run: bool, as_json: bool, **asked: Any) -> None:
    """How does RL's footprint grow? Disagree and direction for the CHECKPOINTS of one base, in the order of training.

    MODEL is a folder, a Hub id, MODEL@REVISION or base+ADAPTER; a folder without a tokenizer has the base's.
    """
    from rlprobe.pipeline.footprint import footprint, plan

    settings = _footprint_settings(checkpoints, asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [footprint(settings, reporter(as_json))], as_json, asked["max_failed"])


def _footprint_settings(checkpoints: tuple[str, ...], asked: dict[str, Any]) -> "FootprintSettings":
    from rlprobe.pipeline.footprint import Checkpoint, FootprintSettings

    found = tuple(map(Checkpoint.parse, checkpoints))
    return FootprintSettings(**common({**asked, "rl": None, "share": (0, 1)}), checkpoints=found)
