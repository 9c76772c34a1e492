"""Where what a command left in its run is kept for a reader: under figures/, or on a shelf of the run's own.

figures/ shows the bundled pair on all its problems, figures/PAIR another pair of this project, as the scripts ask by
themselves; whatever is asked otherwise must not stand under the same names, and is kept in RUN/kept. In figures/ stands
what a text links or reads (`named`), and nothing else: the rest lies in the run.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import click

from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.runs import Run

ROOT = Path(__file__).parent.parent
FIGURES = ROOT / "figures"
KEPT = "kept"  # the folder of a run
TEXTS = ("*.md", "docs/*.md", "experiments/**/*.md", "experiments/*.jinja", "notebooks/*.py", "rlprobe/pairs/**/*.md")
FINDINGS = ROOT / "experiments" / "findings.md.jinja"
READ = {"claims_*.csv", "claims_*.md", "sharpening_or_discovery.csv"}  # by what is of all pairs
SUFFIXES = (".png", ".csv", ".md", ".json")


def linked(texts: Sequence[str] = TEXTS) -> set[str]:
    """The files of figures/ that texts link; * stands for anything."""
    said = [file.read_text(encoding="utf-8") for pattern in texts for file in ROOT.glob(pattern)]
    return {name for text in said for name in re.findall(r"figures/([\w*-][\w.*-]*\.(?:png|csv|md|json))", text)}


def named() -> set[str]:
    """The same, with those that a number is read from."""
    tables = re.findall(r'(?:cell\(|value\(|table=)"([\w-]+)"', FINDINGS.read_text(encoding="utf-8"))
    return linked() | READ | {f"{table}.json" for table in tables}


def is_wanted(name: str, of: set[str]) -> bool:
    """Whether a file of figures/ is one of those named, or the CSV or the Markdown beside one."""
    stem, suffix = Path(name).stem, Path(name).suffix
    beside = {".csv": (".png", ".md", ".json"), ".md": (".json",)}.get(suffix, ())
    stems = (stem, stem.removesuffix("_table")) if suffix == ".csv" else (stem,)
    others = [f"{each}{other}" for each in stems for other in beside]
    return any(fnmatch(each, pattern) for each in (name, *others) for pattern in of)


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

    def keeps(self, name: str) -> bool:
        """Whether a file is kept here: in figures/ what a text names, elsewhere everything."""
        return self.folder != FIGURES or is_wanted(name, named())

    def keep(
        self, run: Run, figures: tuple[str, ...], tables: tuple[str, ...], words: tuple[str, str] = ("", "")
    ) -> None:
        """Copy figures (with the CSV they were drawn from) and tables by name; a table's CSV gives way to a figure's.

        `words`: what a name has in the run, and on the shelf. In figures/ only what a text names is kept
        (`keeps`), of another pair than the bundled one the first figure and the first two tables.
        """
        if small := self.folder.parent == FIGURES and self.pair != DEFAULT_PAIR:
            figures, tables = figures[:1], tables[:2]

        def called(name: str) -> str:
            return name.replace(*words) if words[0] else name

        figures = tuple(name for name in figures if self.keeps(called(f"{name}.png")))
        patterns = [*(f"figures/{name}.*" for name in figures), *(f"tables/{name}.*" for name in tables)]
        for file in (file for pattern in patterns for file in run.files(pattern) if file.suffix in SUFFIXES):
            gives_way = file.suffix == ".csv" and file.parent.name == "tables" and file.stem in figures
            name = called(f"{file.stem}_table.csv" if gives_way else file.name)
            if self.keeps(name) and not (small and file.suffix == ".json"):
                shutil.copy(file, self.file(name))

    def show(self, *names: str, run: Run | None = None) -> None:
        """Print tables that are kept; or, where they are not, those of the run."""
        for name in names:
            is_kept = run is None or (self.folder / f"{name}.md").exists()
            file = self.file(f"{name}.md") if is_kept else run.file(f"tables/{name}.md")  # type: ignore[union-attr]
            click.echo(file.read_text(encoding="utf-8"))


def rewrite(file: Path, name: str, part: str) -> None:
    """Put `part` between the two marks of this name in a file that is otherwise written by hand."""
    start, end = f"<!-- {name}: written by a script -->", f"<!-- end of {name} -->"
    before, _, rest = file.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(end)
    file.write_text(f"{before}{start}\n\n{part}\n{end}{after}", encoding="utf-8")
