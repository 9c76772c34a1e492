"""Words on the terminal: whatever data is in them, the terminal obeys none of it (printable.py)."""

import logging

import click

from rlprobe.printable import printable


def say(text: str = "", err: bool = False) -> None:
    """One or more lines on standard output, or on standard error."""
    click.echo(printable(text), err=err)


class PrintableFormatter(logging.Formatter):
    """Of the Python log."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as text."""
        return printable(super().format(record))
