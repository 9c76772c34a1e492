"""The command `rlprobe patch`."""

from typing import Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.inside import inside_nouns, inside_options
from rlprobe.cli.options import noun


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    """`1,2,4` as (1, 2, 4); nothing as it is."""
    if value is None:
        return None
    try:
        return tuple(int(part) for part in value.split(",") if part.strip())
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of whole numbers such as 0,2,3") from None


@click.command()
@inside_options
@click.option("--host", default="base", show_default=True, type=click.Choice(["base", "rl"]), help="Who is patched.")
@click.option("--layers", callback=_numbers, help="Only these layers, from 0: 0,2,3.  [default: all]")
@click.option(
    "--before", default="1,2,4,8", show_default=True, callback=_numbers, help="Also so many tokens before the decision."
)
@click.option("--heads/--no-heads", default=True, show_default=True, help="Every single head as well.")
@click.option("--whole/--no-whole", default=True, show_default=True, help="Also the prompt, and everything before.")
@click.option(
    "--factorial/--no-factorial",
    default=True,
    show_default=True,
    help="Also cross residual streams with later layers, at the first disagreement of each response.",
)
def patch(as_json: bool, **asked: Any) -> None:
    """Which activations carry the choice? Put one model's into the other where a finished RUN has them disagree."""
    from rlprobe.pipeline.patch import PatchChoice, PatchSettings, patch

    settings = PatchSettings(**inside_nouns(asked), patches=noun(PatchChoice, asked))
    finish(lambda: [patch(settings, reporter(as_json))], as_json, None)
