"""`rlprobe view`: look at the page of a run, from disk or over a server that only this machine can reach."""

from pathlib import Path

import click

from rlprobe.cli.ending import reporter
from rlprobe.cli.options import FILE
from rlprobe.cli.report import TRAJECTORIES, written
from rlprobe.cli.terminal import say


@click.command()
@click.argument("run", type=FILE)
@click.option(
    "--trajectory", type=TRAJECTORIES, help="Whose token tables are on the page.  [default: the page's own, else both]"
)
@click.option("--serve", is_flag=True, help="Serve it on 127.0.0.1 instead, until Ctrl-C; nothing is opened.")
@click.option(
    "--port", default=0, show_default="any free one", type=click.IntRange(0, 65535), help="With --serve: where."
)
def view(run: Path, trajectory: str | None, serve: bool, port: int) -> None:
    """Open RUN's page in the browser; written first where it is missing, older than RUN, or of another trajectory."""
    from rlprobe.pipeline import serving
    from rlprobe.pipeline.report import ReportSettings, page_of, report

    page = page_of(run, trajectory)
    if page is None:
        page, *beside = report(run, ReportSettings(trajectory or "both"), reporter(as_json=False))
        say(written(run, [page, *beside]), err=True)
    if serve:
        with serving.server(page, port) as server:
            say(f"serving {page} at {serving.address(server)}, for this machine only; Ctrl-C ends it")
            serving.until_interrupted(server)
    elif click.launch(page.resolve().as_uri()) != 0:
        say(f"no browser to open it with: open {page} in one")
