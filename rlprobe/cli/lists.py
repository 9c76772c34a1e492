"""The commands that say what has a name: `rlprobe pairs`, `rlprobe datasets` and `rlprobe arms`."""

import inspect
from collections.abc import Callable, Mapping, Sequence

import click

from rlprobe.cli.terminal import say


@click.command()
def pairs() -> None:
    """List the registered pairs."""
    from rlprobe.pairs.registry import PAIR_COLUMNS, PAIRS

    _list(PAIR_COLUMNS, [entry.shown(name) for name, entry in PAIRS.items()])


@click.command()
def datasets() -> None:
    """List the registered data sets."""
    from rlprobe.problems.datasets import DATASETS

    rows = [(name, entry.source, " or ".join(map(str, entry.rows))) for name, entry in DATASETS.items()]
    _list(("data set", "source", "problems"), rows)


@click.command()
def arms() -> None:
    """List the modes of `rlprobe intervene`, the gates and writers to put arms together from, and kinds of tokens."""
    from rlprobe.decoding.arms import GATES, WRITERS
    from rlprobe.decoding.modes import MODES
    from rlprobe.pairs.kinds import KINDS

    kinds: dict[str, Mapping[str, Callable]] = {"mode": MODES, "gate": GATES, "writer": WRITERS}
    for what, entries in kinds.items():
        rows = [(_call(name, each), (inspect.getdoc(each) or "").partition("\n")[0]) for name, each in entries.items()]
        _list((what, "what it does"), rows)
        say()
    _list(("kind", "which tokens"), [*KINDS.items()])


def _call(name: str, entry: Callable) -> str:
    """`NAME:ARG,ARG` as it is written on the command line; modes say themselves what their values are."""
    parameters = inspect.signature(entry).parameters
    own = [p for p in parameters if p not in ("options", "_")]
    return ":".join((name, ",".join(own).upper())) if own else name


def _list(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Plain aligned columns, the same on a terminal and in a pipe."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
