"""What a user installs: everything that is imported is declared, and the wheel has every file of the package."""

import ast
import importlib.metadata
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import rlprobe
from rlprobe.fingerprint import version_of

ROOT = Path(rlprobe.__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
EVERYTHING = [*PROJECT["dependencies"], *(requirement for extra in EXTRAS.values() for requirement in extra)]


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*requirements: str) -> set[str]:
    return {normalised(re.match(r"[\w.-]+", requirement)[0]) for requirement in requirements}


def imported(folder: Path) -> set[str]:
    """The top-level names that the files of a folder import, without their own and the standard library's."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.partition(".")[0])
    own = {"rlprobe", "experiments", *(file.stem for file in (ROOT / "tests").rglob("*.py"))}
    return found - sys.stdlib_module_names - own


@pytest.mark.parametrize(
    ("folder", "requirements"),
    [
        ("rlprobe", [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["ray"]]),
        ("experiments", [*PROJECT["dependencies"], *EXTRAS["train"], *EXTRAS["ray"], *EXTRAS["dev"]]),
        ("tests", EVERYTHING),
    ],
)
def test_every_package_that_is_imported_is_declared(folder, requirements):
    distributions = importlib.metadata.packages_distributions()
    packages = imported(ROOT / folder)
    assert {"click", "torch"} <= packages or folder != "rlprobe", "the imports are seen at all"
    for package in packages:
        names = {normalised(name) for name in distributions[package]}
        assert names & declared(*requirements), f"{folder} imports {package}, and pyproject.toml does not declare it"


@pytest.mark.parametrize(("package", "room"), [("trl", "training/"), ("ray", "commands/crew.py")])
def test_what_only_an_extra_needs_is_imported_by_its_room_alone(package, room):
    importing = re.compile(rf"^\s*(from|import) {package}\b", re.MULTILINE)
    found = {
        str(f.relative_to(ROOT / "rlprobe"))
        for f in (ROOT / "rlprobe").rglob("*.py")
        if importing.search(f.read_text())
    }
    assert found
    assert all(file.startswith(room) for file in found), found


def test_every_declared_package_has_a_version_in_the_constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normalised(line.partition("==")[0]) for line in lines if "==" in line}
    assert declared(*EVERYTHING) <= pinned


def test_the_version_is_said_once():
    assert PROJECT["version"] == rlprobe.__version__


def test_a_source_that_is_not_installed_has_its_version(monkeypatch):
    def of_others(name, known=importlib.metadata.version):
        if name == "rlprobe":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", of_others)
    assert version_of("rlprobe") == rlprobe.__version__
    assert version_of("torch") == of_others("torch")


def test_the_wheel_has_every_file_of_the_package(tmp_path):
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "rlprobe", source / "rlprobe", ignore=shutil.ignore_patterns("__pycache__"))
    build = f"from setuptools import build_meta; build_meta.build_wheel({str(built)!r})"
    built.mkdir()
    subprocess.run([sys.executable, "-c", build], cwd=source, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {f"rlprobe/{f.relative_to(source / 'rlprobe').as_posix()}" for f in (source / "rlprobe").rglob("*.*")}
    assert "rlprobe/py.typed" in names
    assert {file for file in files if (source / file).is_file()} <= names
