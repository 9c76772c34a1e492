"""The command `rlprobe flips`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    FILE,
    common,
    compute_options,
    noun,
    pair_options,
    problem_options,
    reading_options,
    share_of,
)
from rlprobe.cli.terminal import say

if TYPE_CHECKING:
    from rlprobe.pipeline.flips import FlipSettings


@click.command()
@pair_options
@problem_options
@click.option("--problem", help="Only this problem (its problem_id), whoever is right.")
@click.option("--all", "all_problems", is_flag=True, help="Every problem, not only those that RL alone gets right.")
@click.option(
    "--most-trials",
    default=256,
    show_default=True,
    type=click.IntRange(min=0),
    help="Sets of edits tried for one problem.",
)
@compute_options
@click.option("--out", type=FILE, help="The run directory of `rlprobe disagree`.  [default: runs/PAIR-DATASET]")
@click.option("--shard", "share", callback=share_of, metavar="I/N", help="Only this machine's share of the work.")
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the plan; compute nothing.")
def flips(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Which single tokens matter? Put RL's token once at each disagreement; find the few edits an answer needs."""
    from rlprobe.pipeline.flips import flips, plan

    settings = _flip_settings(asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [flips(settings, reporter(as_json))], as_json, asked["max_failed"])


def _flip_settings(asked: dict[str, Any]) -> "FlipSettings":
    from rlprobe.pipeline.flips import FlipChoice, FlipSettings

    return FlipSettings(**common(asked | {"overwrite": False}), flips=noun(FlipChoice, asked))
