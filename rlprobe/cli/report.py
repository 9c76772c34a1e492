"""`rlprobe report`: the page of a finished run."""

from collections.abc import Sequence
from pathlib import Path

import click

from rlprobe.cli.ending import reporter
from rlprobe.cli.options import FILE
from rlprobe.cli.terminal import say

TRAJECTORIES = click.Choice(["both", "base", "rl"])


@click.command()
@click.argument("run", type=FILE)
@click.option(
    "--trajectory", default="both", show_default=True, type=TRAJECTORIES, help="Whose token tables are on the page."
)
def report(run: Path, trajectory: str) -> None:
    """Write RUN/report.html: its tables, figures and every token, in one page that opens from disk."""
    from rlprobe.pipeline.report import ReportSettings, report

    say(written(run, report(run, ReportSettings(trajectory), reporter(as_json=False))))


def written(run: Path, files: Sequence[Path]) -> str:
    """What lies where, and how large it is."""
    page, *beside = files
    line = f"written to {run}: {page.name} ({_megabytes([page])})"
    return line + (f", and {len(beside)} files in {beside[0].parent.name}/ ({_megabytes(beside)})" if beside else "")


def _megabytes(files: Sequence[Path]) -> str:
    return f"{sum(file.stat().st_size for file in files) / 1e6:.1f} MB"
