"""What a command left in its run, kept under figures/ for a reader."""

import shutil
from pathlib import Path

import torch

from rlprobe.pairs.loading import PairChoice
from rlprobe.pipeline.prepare import OutputChoice
from rlprobe.runs import Run

FIGURES = Path(__file__).parent.parent / "figures"


def pair_of(name: str) -> PairChoice:
    """A registered pair; its RL model is on the second GPU where there are two."""
    return PairChoice(pair=name, rl_device="cuda:1" if torch.cuda.device_count() > 1 else None)


def run_of(pair: str, dataset: str) -> OutputChoice:
    """The run that all experiments on a pair and a data set share."""
    return OutputChoice(Path("runs") / f"{pair}-{dataset}")


def keep(run: Run, figures: tuple[str, ...], tables: tuple[str, ...]) -> None:
    """Copy figures (with the CSV they were drawn from) and tables by name; a table's CSV gives way to a figure's."""
    FIGURES.mkdir(exist_ok=True)
    patterns = [*(f"figures/{name}.*" for name in figures), *(f"tables/{name}.*" for name in tables)]
    for file in (file for pattern in patterns for file in run.path.glob(pattern)):
        gives_way = file.suffix == ".csv" and file.parent.name == "tables" and file.stem in figures
        shutil.copy(file, FIGURES / (f"{file.stem}_table.csv" if gives_way else file.name))


def rewrite(file: Path, name: str, part: str) -> None:
    """Put `part` between the two marks of this name in a file that is otherwise written by hand."""
    start, end = f"<!-- {name}: written by a script -->", f"<!-- end of {name} -->"
    before, _, rest = file.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{start}\n\n{part}\n{end}{after}", encoding="utf-8")
