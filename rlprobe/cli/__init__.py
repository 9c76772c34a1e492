"""The one door: parse, call one function of pipeline/, print what was written. Knows no tensors.

One file a command; torch is imported only to work, so that --help and bad arguments are answered without it.
"""

import io
import logging
import sys
from typing import NoReturn

import click

from rlprobe import __version__
from rlprobe.cli.again import grade, merge
from rlprobe.cli.consequences import consequences
from rlprobe.cli.direction import direction
from rlprobe.cli.disagree import disagree
from rlprobe.cli.flips import flips
from rlprobe.cli.footprint import footprint
from rlprobe.cli.intervene import intervene
from rlprobe.cli.lens import lens
from rlprobe.cli.lists import arms, datasets, pairs
from rlprobe.cli.passk import passk
from rlprobe.cli.patch import patch
from rlprobe.cli.report import report
from rlprobe.cli.sample import sample
from rlprobe.cli.signals import signals
from rlprobe.cli.steer import steer
from rlprobe.cli.terminal import PrintableFormatter, say
from rlprobe.cli.view import view
from rlprobe.cli.weights import weights
from rlprobe.errors import INTERRUPTED, RlprobeError

# in the order of `rlprobe --help`
COMMANDS = (
    disagree,
    intervene,
    flips,
    consequences,
    sample,
    passk,
    direction,
    footprint,
    signals,
    lens,
    patch,
    steer,
    weights,
    grade,
    merge,
    report,
    view,
    pairs,
    datasets,
    arms,
)


class _InOrder(click.Group):
    """A group that lists its commands in the order in which they were added, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(
    cls=_InOrder,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "RLPROBE"},
)
@click.version_option(__version__, prog_name="rlprobe")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Of the Python log, on standard error.",
)
def cli(debug: bool, log_level: str) -> None:  # noqa: ARG001 - main() looks for --debug
    """Compare a base language model with the RL model trained from it, token by token."""
    handler = logging.StreamHandler()
    handler.setFormatter(PrintableFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=log_level.upper(), handlers=[handler])


def main() -> NoReturn:
    """Run the command line; every error of ours is one line and its own exit code (errors.py)."""
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding cannot say is escaped, not an error
            stream.reconfigure(errors="backslashreplace")
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        say(f"rlprobe: {error.format_message()}", err=True)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        say("\ninterrupted; the same command goes on where it stopped", err=True)
        sys.exit(INTERRUPTED)
    except (RlprobeError, OSError) as error:  # OSError: a name that is too long, a folder that may not be read
        if debug:
            raise
        say(f"rlprobe: {' '.join(str(error).split())}", err=True)
        sys.exit(getattr(error, "exit_code", RlprobeError.exit_code))
