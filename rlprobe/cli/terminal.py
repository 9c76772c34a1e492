"""Words on the terminal: whatever data is in them, the terminal obeys none of it (printable.py)."""

import logging
import sys

from rlprobe.printable import printable


def say(text: str = "", err: bool = False) -> None:
    """One or more lines on standard output, or on standard error, in the encoding that it has.

    Not click.echo, which writes UTF-8 to a stream that takes ASCII alone.
    """
    print(printable(text), file=sys.stderr if err else sys.stdout, flush=True)


class PrintableFormatter(logging.Formatter):
    """Of the Python log."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as text."""
        return printable(super().format(record))
