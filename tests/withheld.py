"""A run that this process may read and not write."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_write_access(path: Path) -> Iterator[Path]:
    """A copy of a run without the right to write it, taken from whoever runs the tests, root included."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        copy = Path(folder) / "run"
        shutil.copytree(path, copy)
        for each in [copy, *copy.rglob("*")]:
            each.chmod(0o555 if each.is_dir() else 0o444)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield copy
        finally:
            os.seteuid(user)
            for each in [copy, *copy.rglob("*")]:
                each.chmod(0o755)
