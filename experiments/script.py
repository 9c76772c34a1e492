"""What every script here is: a command of click that tells an error of rlprobe in one line, with its exit code."""

from functools import partial
from typing import Any

import click

from rlprobe.errors import RlprobeError


class Script(click.Command):
    """A command whose errors of rlprobe, and of the disk, are told in one line."""

    def invoke(self, context: click.Context) -> Any:
        """Run it."""
        try:
            return super().invoke(context)
        except (RlprobeError, OSError) as error:
            click.echo(f"Error: {' '.join(str(error).split())}", err=True)
            context.exit(getattr(error, "exit_code", RlprobeError.exit_code))


script = partial(click.command, cls=Script)
