"""The commands that say what has a name: `rlprobe pairs` and `rlprobe datasets`."""

from collections.abc import Sequence

import click


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


def _list(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Plain aligned columns, the same on a terminal and in a pipe."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]
    for row in (header, *rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
