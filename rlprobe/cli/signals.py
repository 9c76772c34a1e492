"""The command `rlprobe signals`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import (
    common,
    compute_options,
    noun,
    output_options,
    pair_options,
    problem_options,
    reading_options,
)
from rlprobe.errors import BadInput

if TYPE_CHECKING:
    from rlprobe.pipeline.signals import SignalSettings


@click.command()
@pair_options
@problem_options
@click.option("--signal", "signals", multiple=True, help="delta, kl, js, entropy, margin, random.  [default: all]")
@click.option(
    "--target", "targets", multiple=True, type=float, help="% of the oracle's edits.  [default: 10 25 50 75 90]"
)
@click.option("--host", default="base", show_default=True, type=click.Choice(["base", "rl"]), help="Who decodes.")
@click.option("--sample", is_flag=True, help="Sample both models instead of greedy decoding.")
@click.option("--temperature", default=1.0, show_default=True, type=float, help="With --sample.")
@click.option("--top-p", default=1.0, show_default=True, type=float, help="With --sample.")
@click.option(
    "--draws",
    default=4,
    show_default=True,
    type=click.IntRange(min=1),
    help="Responses a problem where there is chance: with --sample, in a preset, of the random gate.",
)
@click.option("--preset", type=click.Choice(["dir", "sbc"]), help="A published protocol, its thresholds fixed.")
@click.option(
    "--most-decodes", default=8, show_default=True, type=click.IntRange(min=1), help="For one threshold, at most."
)
@compute_options
@output_options
@reading_options
@click.option("--dry-run", is_flag=True, help="Print the plan; compute nothing.")
def signals(dry_run: bool, as_json: bool, **asked: Any) -> None:
    """Which signal finds the tokens that matter? Compare gates at equal numbers of real edits."""
    from rlprobe.pipeline.signals import plan, signals

    settings = _signal_settings(asked)
    if dry_run:
        click.echo("\n".join(plan(settings)))
        return
    finish(lambda: [signals(settings, reporter(as_json))], as_json, asked["max_failed"])


def _signal_settings(asked: dict[str, Any]) -> "SignalSettings":
    from rlprobe.decoding.arms import Sampling
    from rlprobe.pipeline.signal_arms import SignalChoice
    from rlprobe.pipeline.signals import SignalSettings

    if asked["preset"] and (asked["signals"] or asked["targets"] or asked["sample"]):
        raise BadInput(
            f"--preset {asked['preset']} has its own signal, thresholds and sampling; leave those options out"
        )
    sampling = Sampling(asked["temperature"], asked["top_p"]) if asked["sample"] else None
    given = {"targets": tuple(target / 100 for target in asked["targets"]), "signals": asked["signals"]}
    own = {name: value for name, value in given.items() if value}  # the others have their defaults
    rest = {name: value for name, value in asked.items() if name not in given}
    return SignalSettings(**common(asked), choice=noun(SignalChoice, rest, sampling=sampling, **own))
