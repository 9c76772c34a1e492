"""The command `rlprobe passk`."""

from pathlib import Path
from typing import Any

import click

from rlprobe.cli.ending import finish
from rlprobe.cli.options import FILE


@click.command()
@click.argument("source", type=FILE)
@click.option("--base", help="Of a table: the model that is the base.  [default: the one called base]")
@click.option("--rl", help="Of a table: the model that RL made of it.  [default: the one called rl]")
@click.option(
    "--between", help="Of a table: a model from the middle of RL's training, which tells plateau from growth."
)
@click.option("--families", type=FILE, help="A table of problem_id and family.  [default: a table's column family]")
@click.option(
    "--margin",
    default=0.02,
    show_default=True,
    type=click.FloatRange(min=0, max=1, max_open=True),
    help="A gain up to which a family's pass@k stays where it was, a share of problems.",
)
@click.option(
    "--k",
    "ks",
    multiple=True,
    type=click.IntRange(min=1),
    help="Shown in the tables; repeatable.  [default: 1, 2, 4, ...]",
)
@click.option("--out", type=FILE, help="Of a table: the folder of the results.  [default: runs/passk-TABLE]")
@click.option("--overwrite", is_flag=True, help="Delete the results that are there and start anew.")
@click.option(
    "--answer",
    default="last",
    show_default=True,
    type=click.Choice(["first", "last"]),
    help="Of a run: which one counts.",
)
@click.option("--seed", default=0, show_default=True, type=int, help="Of the bootstrap intervals.")
@click.option(
    "--resamples", default=2000, show_default=True, type=click.IntRange(min=100), help="Of the bootstrap intervals."
)
@click.option("--max-failed", default=0, show_default=True, type=click.IntRange(min=0), help="Problems left out.")
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output, nothing else there.")
def passk(source: Path, as_json: bool, max_failed: int, **asked: Any) -> None:
    """Does RL find what its base lacks? pass@k of a finished run of `rlprobe sample`, or of a table of counts.

    SOURCE is a run directory, or a CSV, JSON, JSONL or Parquet file with the columns problem_id, model, n (draws), c
    (how many of them are right) and, where there are several, family. Needs no models.
    """
    from rlprobe.analysis.classes import Reading
    from rlprobe.pipeline.passk import PasskSettings, passk

    reading = Reading(**{name: asked.pop(name) for name in ("answer", "seed", "resamples")})
    settings = PasskSettings(reading=reading, **asked)
    finish(lambda: [passk(source, settings)], as_json, max_failed)
