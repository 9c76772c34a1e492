"""Where what a command left in its run is kept for a reader: under figures/, or on a shelf of the run's own.

figures/ shows the bundled pair on all its problems, figures/PAIR another pair of this project, as the scripts ask by
themselves; whatever is asked otherwise must not stand under the same names, and is kept in RUN/kept.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import click

from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.runs import Run

FIGURES = Path(__file__).parent.parent / "figures"
KEPT = "kept"  # the folder of a run


@dataclass(frozen=True)
class Shelf:
    """A folder of kept files, and the pair that they are about."""

    pair: str
    folder: Path

    @classmethod
    def shown(cls, pair: str) -> "Shelf":
        """figures/ itself, or the folder there that a pair has of its own."""
        return cls(pair, FIGURES if pair == DEFAULT_PAIR else FIGURES / pair)

    def file(self, name: str) -> Path:
        """A file on the shelf, which is there from now on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def keep(
        self, run: Run, figures: tuple[str, ...], tables: tuple[str, ...], words: tuple[str, str] = ("", "")
    ) -> None:
        """Copy figures (with the CSV they were drawn from) and tables by name; a table's CSV gives way to a figure's.

        `words`: what a name has in the run, and on the shelf. In figures/ only the first figure and the first two
        tables of another pair than the bundled one are kept, as PNG, CSV and Markdown: the space there is small.
        """
        if small := self.folder.parent == FIGURES and self.pair != DEFAULT_PAIR:
            figures, tables = figures[:1], tables[:2]
        patterns = [*(f"figures/{name}.*" for name in figures), *(f"tables/{name}.*" for name in tables)]
        for file in (file for pattern in patterns for file in run.files(pattern)):
            if small and file.suffix not in (".png", ".csv", ".md"):
                continue
            gives_way = file.suffix == ".csv" and file.parent.name == "tables" and file.stem in figures
            name = f"{file.stem}_table.csv" if gives_way else file.name
            shutil.copy(file, self.file(name.replace(*words) if words[0] else name))

    def show(self, *names: str) -> None:
        """Print tables that are kept."""
        for name in names:
            click.echo(self.file(f"{name}.md").read_text(encoding="utf-8"))


def rewrite(file: Path, name: str, part: str) -> None:
    """Put `part` between the two marks of this name in a file that is otherwise written by hand."""
    start, end = f"<!-- {name}: written by a script -->", f"<!-- end of {name} -->"
    before, _, rest = file.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{start}\n\n{part}\n{end}{after}", encoding="utf-8")
