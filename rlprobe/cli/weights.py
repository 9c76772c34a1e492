"""The command `rlprobe weights`."""

from typing import TYPE_CHECKING, Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.options import FILE, common, compute_options, pair_options, problem_options, reading_options

if TYPE_CHECKING:
    from rlprobe.pipeline.weights import WeightSettings


@click.command()
@click.argument("run", type=FILE, required=False)
@pair_options
@click.option(
    "--ranks",
    help="Also decode with ΔW cut to these ranks: 1,8,full or auto (powers of two).  [default: read the files only]",
)
@click.option("--kinds", help="With --ranks: whose change is cut, as q,k,v,o.  [default: every matrix]")
@click.option(
    "--rest",
    default="rl",
    show_default=True,
    type=click.Choice(["base", "rl"]),
    help="With --ranks: whose are the norms, the biases and the other matrices.",
)
@problem_options
@compute_options
@click.option("--out", type=FILE, help="The run directory.  [default: runs/PAIR-weights, or runs/PAIR-DATASET]")
@click.option("--overwrite", is_flag=True, help="Delete the run that is there and start anew.")
@reading_options
def weights(as_json: bool, **asked: Any) -> None:
    """What did RL change in the weights, and how few directions of it are enough?

    A finished RUN says which pair; without one, --pair or --base and --rl do.
    """
    from rlprobe.pipeline.weights import weights

    settings = _weight_settings(asked)
    finish(lambda: [weights(settings, reporter(as_json))], as_json, asked["max_failed"])


def _weight_settings(asked: dict[str, Any]) -> "WeightSettings":
    from rlprobe.pipeline.weights import RankChoice, WeightSettings

    ranks, kinds = (tuple((asked[name] or "").replace(",", " ").split()) for name in ("ranks", "kinds"))
    choice = RankChoice(ranks, kinds, asked["rest"])
    return WeightSettings(**common(asked | {"share": (0, 1)}), ranks=choice, run=asked["run"])
