"""Everything that rlprobe raises on purpose, and the exit code that each ends the command with.

    RlprobeError              1   failed: a disk is full, a file cannot be written
    ├── Damaged               1   a file of a run is not what was written, and cannot be made again here
    ├── BadInput              2   an argument, a file or a setting that cannot be used
    │   └── OtherRun          2   the run directory holds a run of another identity
    ├── ProblemsLeftOut       3   finished, but more problems were left out or ungraded than --max-failed allows; or
    │                             workers died of a shard, and everything else is there
    ├── NotAvailable          4   a model, a tokenizer or a data set that cannot be loaded, or not as it is on disk
    └── IncompatiblePair      5   two models that cannot be compared, or a model that is not read exactly
        └── UnsupportedArchitecture   5   a model whose layers cannot be found, or that carries an adapter
    (Ctrl-C)                130   interrupted: the same command goes on where it stopped

A message is one line: what is wrong, where, and what to do about it. Characters of data in it that a terminal would
obey are escaped.
"""

from rlprobe.printable import one_line


class RlprobeError(Exception):
    """The root; `exit_code` is what the command line ends with."""

    exit_code = 1

    def __str__(self) -> str:
        return one_line(super().__str__())


class Damaged(RlprobeError):
    """A file of a run is not what was written: cut short, changed, another's, or without its digest."""


class BadInput(RlprobeError):
    """An argument, a file or a setting that cannot be used."""

    exit_code = 2


class OtherRun(BadInput):
    """The run directory was made with other settings."""


class ProblemsLeftOut(RlprobeError):
    """Too many problems are not in what a command wrote."""

    exit_code = 3


class NotAvailable(RlprobeError):
    """A model, a tokenizer or a data set that is not there, is damaged, or needs a network that is not."""

    exit_code = 4


class IncompatiblePair(RlprobeError):
    """Two models that cannot be compared token by token, or a model that cannot be read as was asked."""

    exit_code = 5


class UnsupportedArchitecture(IncompatiblePair):
    """A model that cannot be looked into: its layers are not where they are sought, or an adapter lies on them."""


INTERRUPTED = 130
