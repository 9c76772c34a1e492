"""The commands that work on finished runs without a model: `rlprobe grade` and `rlprobe merge`."""

from pathlib import Path
from typing import Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import FILE, field_options, known_dataset, noun, reading_of, reading_options, tau_option


@click.command()
@click.argument("run", type=FILE)
@click.option(
    "--dataset", callback=known_dataset, help="Other golds for the same problems: a registered data set or a file."
)
@field_options
@reading_options
@tau_option
def grade(run: Path, as_json: bool, **asked: Any) -> None:
    """Grade a finished RUN again and summarise it anew; needs no models."""
    from rlprobe.pipeline.grade import Golds, grade

    golds = noun(Golds, asked)
    finish(lambda: grade(run, *reading_of(asked), reporter(as_json), golds), as_json, asked["max_failed"])


@click.command()
@click.argument("out", type=FILE)
@click.argument("runs", nargs=-1, required=True, type=FILE)
@reading_options
@tau_option
def merge(out: Path, runs: tuple[Path, ...], as_json: bool, **asked: Any) -> None:
    """Bring the shares of several machines (RUNS, made with --shard) together in OUT."""
    from rlprobe.pipeline.merge import merge

    finish(lambda: merge(out, runs, *reading_of(asked), reporter(as_json)), as_json, asked["max_failed"])
