"""The command `rlprobe intervene`."""

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
    renamed,
    sample_options,
    sampling_of,
)
from rlprobe.cli.terminal import say
from rlprobe.errors import BadInput

if TYPE_CHECKING:
    from rlprobe.pipeline.intervene import InterveneSettings


@click.command()
@pair_options
@problem_options
@click.option(
    "--mode",
    "modes",
    multiple=True,
    help="NAME or NAME:VALUE,... (see `rlprobe arms`); repeatable.  [default: oracle, random, entropy]",
)
@click.option(
    "--gate", "gates", multiple=True, help="Instead of --mode: NAME:ARG, NAME:p95 or not-NAME; repeated, all must fire."
)
@click.option("--writer", help="With --gate: NAME:ARG, what is written there.  [default: the donor's token]")
@click.option("--host", default="base", show_default=True, type=click.Choice(["base", "rl"]), help="Who decodes.")
@click.option("--tau", "taus", multiple=True, help="Threshold of the mode, nats, or a percentile: p95; repeatable.")
@click.option("--top-k", "top_ks", multiple=True, type=int, help="k of the mode; repeatable.")
@click.option("--budget", type=click.IntRange(min=0), help="At most so many gated tokens a response.")
@click.option("--allow-donor", is_flag=True, help="Controls may write RL's own token too, which undoes them.")
@renamed("--exclude-donor")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(min=1), help="Of greedy arms with randomness."
)
@sample_options
@click.option("--draws", default=4, show_default=True, type=click.IntRange(min=1), help="With --sample: per problem.")
@compute_options
@output_options
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the arms and the plan; compute nothing.")
def intervene(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Do those tokens cause the gain? Replace tokens while one model decodes, and grade."""
    from rlprobe.pipeline.intervene import intervene, plan

    settings = _intervene_settings(asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [intervene(settings, reporter(as_json))], as_json, asked["max_failed"])


def _intervene_settings(asked: dict[str, Any]) -> "InterveneSettings":
    from rlprobe.pipeline.arm_choice import ArmChoice
    from rlprobe.pipeline.intervene import InterveneSettings

    if idle := given("seeds") if asked["sample"] else given("draws"):
        sampled = "sampled arms have --draws" if asked["sample"] else "only sampled arms have draws: give --sample"
        raise BadInput(f"{idle[0]} has no use here; {sampled}")
    return InterveneSettings(**common(asked), arms=noun(ArmChoice, asked, sampling=sampling_of(asked)))
