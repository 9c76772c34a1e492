"""The notebooks run from top to bottom, and what they show is what the code of today says."""

import re

import nbformat
import pytest

from experiments.notebooks import NOTEBOOKS, executed, sources

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")
pytestmark = pytest.mark.slow


def said(notebook) -> list[str]:
    """Text and tables of every output, in order; pictures are for looking at."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" not in data:
                found.append(output.get("text") or data.get("text/html") or data.get("text/plain"))
    return found


def same(stored: str, now: str) -> bool:
    """Word for word; numbers to one in a hundred, since other processors have other last digits."""
    if NUMBER.sub("#", stored) != NUMBER.sub("#", now):
        return False
    pairs = zip(NUMBER.findall(stored), NUMBER.findall(now), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=0.01, abs=2e-3) for a, b in pairs)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The notebooks share a run, as they do where they lie."""
    folder = tmp_path_factory.mktemp("house") / "notebooks"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("source", sources(), ids=lambda source: source.stem)
def test_a_notebook_shows_what_the_code_says(source, folder):
    stored = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    now = executed(source, folder)
    assert [cell.source for cell in stored.cells] == [cell.source for cell in now.cells]
    for before, after in zip(said(stored), said(now), strict=True):
        assert same(before, after), f"{source.name} shows\n{before}\nand would show\n{after}\nrun `make notebooks`"


def test_notebooks_define_nothing_but_what_they_bring():
    for source in (each for each in sources() if each.stem != "6_bring_your_own"):
        assert not re.search(r"^\s*(def|class|lambda)\b|= lambda", source.read_text(), re.MULTILINE), source.name


def test_notebooks_name_no_place_of_the_machine_that_ran_them():
    for file in NOTEBOOKS.glob("*.ipynb"):
        assert not re.search(r"/(home|root|work|tmp|Users)/", file.read_text()), file.name
