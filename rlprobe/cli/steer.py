"""The command `rlprobe steer`."""

from typing import Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.inside import inside_nouns, inside_options
from rlprobe.cli.options import grader_of, grader_options, noun, tau_option


@click.command()
@inside_options
@click.option("--layer", type=click.IntRange(min=0), help="After which layer, from 0.  [default: the middle one]")
@click.option(
    "--coefficient",
    "coefficients",
    multiple=True,
    type=float,
    default=(1.0, 2.0, 4.0),
    show_default=True,
    help="How many times the direction is added; repeatable.",
)
@click.option(
    "--directions", default=3, show_default=True, type=click.IntRange(min=1), help="Random directions of equal norm."
)
@tau_option
@grader_options
@click.option("--limit", type=click.IntRange(min=1), help="Answer only so many problems of either half.")
def steer(as_json: bool, **asked: Any) -> None:
    """Is the correction one direction? Add the mean difference at the disagreements of a finished RUN to the base."""
    from rlprobe.pipeline.steer import SteerChoice, SteerSettings, steer

    settings = SteerSettings(**inside_nouns(asked), steering=noun(SteerChoice, asked), grader=grader_of(asked))
    finish(lambda: [steer(settings, reporter(as_json))], as_json, None)
