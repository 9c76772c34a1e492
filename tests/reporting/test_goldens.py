"""What every command shows of a small run, byte for byte as it was: csv, md, tex and the screen.

    python tests/reporting/test_goldens.py    what is shown now is what is right: look at the difference in git

No model runs: goldens/*.json are summaries that `tests/goldens.py` left, their long lists cut short.
"""

import contextlib
import importlib
import io
import json
from pathlib import Path

import pytest

from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.terminal import SafeConsole

GOLDENS = Path(__file__).parent / "goldens"
CASES = sorted(file.stem for file in GOLDENS.glob("*.json"))
# where a command has several sets of tables: which
OTHERS = {"signals-preset": "PRESET_", "signals-replaced": "REPLACED_", "weights-ranks": "RANK_"}


def registries(case):
    """The tables and the screen of a command."""
    command, prefix = case.partition("-")[0], OTHERS.get(case, "")
    modules = [importlib.import_module(f"rlprobe.reporting.{command}")]
    for name in ("tables", "text"):
        with contextlib.suppress(ModuleNotFoundError):
            modules.append(importlib.import_module(f"rlprobe.reporting.{command}.{name}"))
    held = {name: value for module in modules for name, value in vars(module).items()}
    return held[f"{prefix}TABLES"], held["show"]


def shown(case):
    """All of it as one text."""
    summary = json.loads((GOLDENS / f"{case}.json").read_text())
    tables, show = registries(case)
    parts = {f"{n}.{suffix}": write(table(summary)) for n, table in tables.items() for suffix, write in FORMATS.items()}
    screen = io.StringIO()
    SafeConsole(file=screen, width=80).print(show(summary))
    return "".join(f"=== {name}\n{text}" for name, text in {**parts, "screen": screen.getvalue()}.items())


@pytest.mark.parametrize("case", CASES)
def test_everything_shown_of_a_summary_is_what_it_was(case):
    assert shown(case) == (GOLDENS / f"{case}.txt").read_text()


if __name__ == "__main__":
    for each in CASES:
        (GOLDENS / f"{each}.txt").write_text(shown(each))
