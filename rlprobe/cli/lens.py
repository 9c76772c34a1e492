"""The command `rlprobe lens`."""

from typing import Any

import click

from rlprobe.cli.ending import finish, reporter
from rlprobe.cli.inside import inside_nouns, inside_options


@click.command()
@inside_options
def lens(as_json: bool, **asked: Any) -> None:
    """In which layer is the choice made? The logit lens of both models where a finished RUN has them disagree."""
    from rlprobe.pipeline.inside import InsideSettings
    from rlprobe.pipeline.lens import lens

    settings = InsideSettings(**inside_nouns(asked))
    finish(lambda: [lens(settings, reporter(as_json))], as_json, None)
