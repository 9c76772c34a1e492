"""What figures/ holds: what a text links or reads, with the CSV beside it, and nothing else."""

import re

import pytest

from experiments import kept
from experiments.kept import FIGURES, Shelf, is_wanted, linked, named
from experiments.own_pairs import OWN


class Made:
    """A run that holds these files, each with its own name in it."""

    def __init__(self, folder, *names):
        self.path = folder
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(name)

    def files(self, pattern):
        return sorted(self.path.glob(pattern))

    def file(self, name):
        return self.path / name


@pytest.fixture
def run(tmp_path):
    tables = [
        f"tables/{name}.{suffix}" for name in ("arms", "doses", "dose") for suffix in ("csv", "md", "tex", "json")
    ]
    figures = [f"figures/{name}.{suffix}" for name in ("dose", "lens") for suffix in ("png", "pdf", "csv")]
    return Made(tmp_path / "run", *tables, *figures)


@pytest.fixture
def figures(tmp_path, monkeypatch):
    monkeypatch.setattr(kept, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(kept, "named", lambda: {"dose.png", "arms.json", "do*.md"})
    return tmp_path / "figures"


def test_every_file_under_figures_is_linked_or_read_from_a_text():
    names = named()
    for file in sorted(each for each in FIGURES.rglob("*") if each.is_file()):
        of_pair = file.parent != FIGURES
        assert file.suffix in kept.SUFFIXES, file
        assert file.parent.name in OWN if of_pair else is_wanted(file.name, names), f"no text names {file}"


def test_every_file_that_a_text_links_is_there():
    """The findings' template is ahead of its tables now and then; the page that is made of it is not."""
    patterns = linked([text for text in kept.TEXTS if not text.endswith(".jinja")])
    assert len(patterns) > 30
    for pattern in sorted(patterns):
        assert list(FIGURES.glob(pattern)), pattern


def test_the_tables_that_the_findings_read_are_found_in_their_words():
    said = re.findall(r'cell\("([a-z_-]+)", "', kept.FINDINGS.read_text(encoding="utf-8"))
    assert {f"{name}.json" for name in said} <= named()


def test_a_shelf_in_figures_keeps_what_is_named_as_picture_numbers_and_words(figures, run):
    shelf = Shelf.shown("bundled")
    shelf.keep(run, ("dose", "lens"), ("arms", "doses", "dose"))
    there = {file.name: file.read_text() for file in figures.iterdir()}
    assert there == {
        "dose.png": "figures/dose.png",
        "dose.csv": "figures/dose.csv",
        "dose.md": "tables/dose.md",
        "dose_table.csv": "tables/dose.csv",  # gives way to the figure's
        "doses.md": "tables/doses.md",
        "doses.csv": "tables/doses.csv",
        "arms.json": "tables/arms.json",
        "arms.md": "tables/arms.md",
        "arms.csv": "tables/arms.csv",
    }


def test_a_table_whose_figure_is_not_shown_has_its_own_name(figures, run, monkeypatch):
    monkeypatch.setattr(kept, "named", lambda: {"dose.md"})
    Shelf.shown("bundled").keep(run, ("dose",), ("dose",), ("dose", "backward-dose"))
    assert not figures.exists()
    monkeypatch.setattr(kept, "named", lambda: {"backward-dose.md"})
    Shelf.shown("bundled").keep(run, ("dose",), ("dose",), ("dose", "backward-dose"))
    assert {file.name: file.read_text() for file in figures.iterdir()} == {
        "backward-dose.md": "tables/dose.md",
        "backward-dose.csv": "tables/dose.csv",
    }


def test_a_shelf_of_a_run_keeps_all_of_it(figures, run, tmp_path):
    Shelf("bundled", tmp_path / "kept").keep(run, ("dose", "lens"), ("arms",))
    assert {file.name for file in (tmp_path / "kept").iterdir()} == {
        *("dose.png", "dose.csv", "lens.png", "lens.csv"),
        *("arms.csv", "arms.md", "arms.json"),
    }


def test_what_is_not_kept_is_shown_from_the_run(figures, run, capsys):
    shelf = Shelf.shown("bundled")
    shelf.keep(run, (), ("arms",))
    run.file("tables/arms.md").write_text("changed since")
    run.file("tables/other.md").write_text("of the run")
    shelf.show("arms", "other", run=run)
    assert capsys.readouterr().out == "tables/arms.md\nof the run\n"
