"""The command `rlprobe disagree`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    FILE,
    common,
    compute_options,
    noun,
    output_options,
    pair_options,
    problem_options,
    reading_options,
    tau_option,
)
from rlprobe.cli.terminal import say

if TYPE_CHECKING:
    from rlprobe.pipeline.disagree import DisagreeSettings


@click.command()
@pair_options
@problem_options
@click.option(
    "--trajectory",
    default="both",
    show_default=True,
    type=click.Choice(["both", "base", "rl"]),
    help="Whose greedy responses both models read.",
)
@click.option("--responses", type=FILE, help="Read responses made elsewhere instead: a JSONL, JSON or Parquet file.")
@click.option("--id-field", help="Where a row of --responses names its problem, as id or doc.unique_id.")
@click.option("--response-field", help="Where it holds text or token ids, or a list of draws, as out.0.text.")
@click.option("--text", type=FILE, help="Read plain documents instead, without questions and gold answers.")
@click.option("--text-field", help="Column of a JSONL, JSON, Parquet or CSV file of documents.")
@compute_options
@output_options
@reading_options
@tau_option
@click.option("--dry-run", is_flag=True, help="Print one rendered prompt, its ids and the plan; compute nothing.")
def disagree(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Where do a base model and its RL model disagree?"""
    from rlprobe.pipeline.disagree import disagree, plan

    settings = _disagree_settings(asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [disagree(settings, reporter(as_json))], as_json, asked["max_failed"])


def _disagree_settings(asked: dict[str, Any]) -> "DisagreeSettings":
    from rlprobe.pipeline.disagree import DisagreeSettings
    from rlprobe.pipeline.given import GivenChoice

    return DisagreeSettings(**common(asked), trajectory=asked["trajectory"], given=noun(GivenChoice, asked))
