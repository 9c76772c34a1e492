"""The command `rlprobe sample`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    common,
    compute_options,
    given,
    noun,
    output_options,
    pair_options,
    problem_options,
    reading_options,
    sampling_of,
    temperature_options,
)
from rlprobe.cli.terminal import say
from rlprobe.errors import BadInput

if TYPE_CHECKING:
    from rlprobe.pipeline.sample import SampleSettings


@click.command()
@pair_options
@problem_options
@click.option("--n", "draws", default=16, show_default=True, type=click.IntRange(min=1), help="Draws of each problem.")
@temperature_options
@click.option("--rl-temperature", type=float, help="RL's own temperature.  [default: the same as the base's]")
@click.option(
    "--match-entropy",
    is_flag=True,
    help="Find RL's temperature: that at which its mean entropy is the base's (arXiv 2504.13837).",
)
@click.option(
    "--power",
    type=float,
    metavar="ALPHA",
    help="Draw the base from this power of itself over whole texts: sharpening alone, without RL (arXiv 2510.14901).",
)
@click.option(
    "--power-block", default=192, show_default=True, type=click.IntRange(min=1), help="With --power: tokens of a block."
)
@click.option(
    "--power-moves",
    default=10,
    show_default=True,
    type=click.IntRange(min=1),
    help="With --power: moves after a block.",
)
@click.option(
    "--member", default="both", show_default=True, type=click.Choice(["both", "base", "rl"]), help="Which model."
)
@compute_options
@output_options
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the plan; compute nothing.")
def sample(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """What is in reach of either model? Sample several answers to each problem; pass@k."""
    from rlprobe.pipeline.sample import plan, sample

    settings = _sample_settings(asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [sample(settings, reporter(as_json))], as_json, asked["max_failed"])


def _sample_settings(asked: dict[str, Any]) -> "SampleSettings":
    from rlprobe.pipeline.sample import SampleChoice, SampleSettings

    if asked["power"] is None and (idle := given("power_block", "power_moves")):
        raise BadInput(f"{idle[0]} is of the power sampler: give --power with it")
    choice = noun(SampleChoice, asked, sampling=sampling_of(asked))
    return SampleSettings(**common(asked), choice=choice)
