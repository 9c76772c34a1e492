"""The command `rlprobe signals`."""

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
    sample_options,
    sampling_of,
)
from rlprobe.cli.terminal import say
from rlprobe.errors import BadInput

if TYPE_CHECKING:
    from rlprobe.pipeline.signals import SignalSettings


@click.command()
@pair_options
@problem_options
@click.option(
    "--signal",
    "signals",
    multiple=True,
    help="delta, kl, js, entropy, margin, learned, or random: RL's edits thinned by chance.  [default: all]",
)
@click.option(
    "--equal",
    default="edits",
    show_default=True,
    type=click.Choice(["edits", "replaced"]),
    help="Compare at equal numbers of tokens really edited, or replaced with no-ops counted.",
)
@click.option(
    "--target",
    "targets",
    multiple=True,
    type=float,
    help="% of the oracle's edits [default: 10 25 50 75 90] or, replaced, of all tokens [default: 0.3 1 3 10 20].",
)
@click.option("--host", default="base", show_default=True, type=click.Choice(["base", "rl"]), help="Who decodes.")
@sample_options
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
    """Which signal finds the tokens that matter? Compare gates at equal doses: of real edits, or of replaced tokens."""
    from rlprobe.pipeline.signals import plan, signals

    settings = _signal_settings(asked)
    if dry_run:
        say("\n".join(plan(settings)))
        return
    finish(lambda: [signals(settings, reporter(as_json))], as_json, asked["max_failed"])


def _signal_settings(asked: dict[str, Any]) -> "SignalSettings":
    from rlprobe.pipeline.signal_arms import SignalChoice
    from rlprobe.pipeline.signals import SignalSettings

    own = given("signals", "equal", "targets", "host", "sample", "temperature", "top_p", "noise_seed", "most_decodes")
    if asked["preset"] and own:
        raise BadInput(f"--preset {asked['preset']} has its own signal, thresholds and sampling; leave {own[0]} out")
    targets = {"targets": tuple(target / 100 for target in asked["targets"])} if asked["targets"] else {}
    signals = {"signals": asked["signals"]} if asked["signals"] else {}
    rest = {name: value for name, value in asked.items() if name not in ("targets", "signals")}
    choice = noun(SignalChoice, rest, sampling=sampling_of(asked), **targets, **signals)
    return SignalSettings(**common(asked), choice=choice)
