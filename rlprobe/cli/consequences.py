"""The command `rlprobe consequences`."""

from typing import Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    FILE,
    common,
    compute_options,
    pair_options,
    problem_options,
    reading_options,
    share_of,
)
from rlprobe.cli.terminal import say


@click.command()
@pair_options
@problem_options
@compute_options
@click.option("--out", type=FILE, help="The run directory of `rlprobe disagree`.  [default: runs/PAIR-DATASET]")
@click.option("--shard", "share", callback=share_of, metavar="I/N", help="Only this machine's share of the work.")
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the plan; compute nothing.")
def consequences(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Which disagreements matter? Put the base's token once into RL's text, and see whether RL comes back."""
    from rlprobe.pipeline.consequences import ConsequenceSettings, consequences, plan

    settings = ConsequenceSettings(**common(asked | {"overwrite": False}))
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [consequences(settings, reporter(as_json))], as_json, asked["max_failed"])
