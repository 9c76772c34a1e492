"""How every command ends: what it found is shown or printed as JSON, and problems left out are its exit code."""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rlprobe.pipeline.written import Written


def reporter(as_json: bool) -> Any:
    """Progress on standard error; with JSON on standard output only where somebody looks on."""
    from rlprobe.pipeline.progress import Reporter

    return Reporter(quiet=False) if not as_json else Reporter(quiet=not sys.stderr.isatty())


def finish(work: Callable[[], "list[Written]"], as_json: bool, max_failed: int | None) -> None:
    """Do the work and show what it found, also when it then ends with problems left out; None asks for no check."""
    written = work()
    for each in written:
        if as_json:
            click.echo(json.dumps(each.summary, allow_nan=False))
        else:
            _show(each)
    if max_failed is not None:
        for each in written:
            each.check(max_failed)


def _show(written: "Written") -> None:
    from rich.console import Console

    Console().print(written.text)
    names = sorted({str(file.relative_to(written.run.path).with_suffix("")) for file in written.files})
    click.echo(f"\nwritten to {written.run.path}: {', '.join(names)}")
