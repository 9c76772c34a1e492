"""Memory made small: what a table's size decides, tested on small tables."""

from contextlib import contextmanager

import pytest

from rlprobe import columns
from rlprobe.analysis import streams, texts


@contextmanager
def held(rows):
    """As if no more rows than these were held in memory, and a third of them looked at at once."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (columns, streams):
            patch.setattr(module, "HELD", rows)
        for module in (columns, streams, texts):
            patch.setattr(module, "STRETCH", rows // 3)
        patch.setattr(streams, "LEAF", 256)
        yield
