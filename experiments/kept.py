"""What a command left in its run, kept under figures/ for a reader."""

import shutil
from pathlib import Path

from rlprobe.pipeline.prepare import OutputChoice
from rlprobe.runs import Run

FIGURES = Path(__file__).parent.parent / "figures"


def run_of(pair: str, dataset: str) -> OutputChoice:
    """The run that all experiments on a pair and a data set share."""
    return OutputChoice(Path("runs") / f"{pair}-{dataset}")


def keep(run: Run, figures: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """Copy figures (with the CSV they were drawn from) and tables by name."""
    FIGURES.mkdir(exist_ok=True)
    patterns = [*(f"figures/{name}.*" for name in figures), *(f"tables/{name}.*" for name in tables)]
    for file in (file for pattern in patterns for file in run.path.glob(pattern)):
        shutil.copy(file, FIGURES / file.name)
