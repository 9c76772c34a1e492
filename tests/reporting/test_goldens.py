"""What every command shows of a small run, byte for byte as it was: csv, md, tex and the screen.

    python tests/reporting/test_goldens.py    what is shown now is what is right: look at the difference in git

No model runs: goldens/*.json.gz are summaries that `tests/goldens.py` left, their long lists cut short.
"""

import gzip
import importlib
import io
import json
from pathlib import Path

import pytest

from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.terminal import SafeConsole

GOLDENS = Path(__file__).parent / "goldens"
CASES = sorted(file.name.partition(".")[0] for file in GOLDENS.glob("*.json.gz"))


def shown(case):
    """All of it as one text."""
    summary = json.loads(gzip.decompress((GOLDENS / f"{case}.json.gz").read_bytes()))
    report = importlib.import_module(f"rlprobe.reporting.{case}")
    tables = report.TABLES | getattr(report, "RANK_TABLES", {})
    parts = {f"{n}.{suffix}": write(table(summary)) for n, table in tables.items() for suffix, write in FORMATS.items()}
    screen = io.StringIO()
    SafeConsole(file=screen, width=80).print(report.show(summary))
    return "".join(f"=== {name}\n{text}" for name, text in {**parts, "screen": screen.getvalue()}.items())


@pytest.mark.parametrize("case", CASES)
def test_everything_shown_of_a_summary_is_what_it_was(case):
    assert shown(case) == (GOLDENS / f"{case}.txt").read_text()


if __name__ == "__main__":
    for each in CASES:
        (GOLDENS / f"{each}.txt").write_text(shown(each))
