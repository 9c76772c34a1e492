"""What the commands that look inside the models have in common: their options, and the nouns made of them."""

from typing import Any

import click

from rlprobe.cli.options import FILE, known_pair, noun, options
from rlprobe.errors import BadInput

inside_options = options(
    click.argument("run", type=FILE),
    click.option("--pair", callback=known_pair, help="A registered pair.  [default: the run's own]"),
    click.option("--base", help="Where the run's base model lies now: a Hub id or a folder."),
    click.option("--rl", help="Where the run's RL model lies now."),
    click.option("--trust-remote-code", is_flag=True, help="Run code that a model brings with it."),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ..."),
    click.option("--base-device", help="Another device for the base."),
    click.option("--rl-device", help="Another device for the RL model."),
    click.option(
        "--kind",
        default="disagreement",
        show_default=True,
        type=click.Choice(["disagreement", "reranked", "shifted"]),
        help="Which places; as many unchanged ones of the same entropy are set against them.",
    ),
    click.option("--points", default=200, show_default=True, type=click.IntRange(min=1), help="At most so many."),
    click.option(
        "--trajectory",
        default="base",
        show_default=True,
        type=click.Choice(["base", "rl"]),
        help="Along whose greedy responses.",
    ),
    click.option("--class-k", default=5, show_default=True, type=click.IntRange(min=1), help="Largest reranked rank."),
    click.option(
        "--answer", default="last", show_default=True, type=click.Choice(["first", "last"]), help="Places end with it."
    ),
    click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Of drawing and intervals."),
    click.option("--json", "as_json", is_flag=True, help="The summary as JSON on standard output, nothing else there."),
)


def inside_nouns(asked: dict[str, Any]) -> dict[str, Any]:
    """What every such command is told, as fields of pipeline.inside.InsideSettings."""
    from rlprobe.analysis.classes import Reading
    from rlprobe.analysis.points import PointChoice
    from rlprobe.pairs.loading import PairChoice

    if asked["pair"] and (asked["base"] or asked["rl"]):
        raise BadInput("give either --pair or --base and --rl, not both")
    return {
        "run": asked["run"],
        "pair": noun(PairChoice, asked),
        "choice": noun(PointChoice, asked),
        "reading": noun(Reading, asked),
    }
