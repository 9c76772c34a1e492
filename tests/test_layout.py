"""The house: imports go down the list of rooms, never up; every registry entry is usable; experiments are outside."""

import ast
import re
from pathlib import Path

import pytest

import rlprobe

PACKAGE = Path(rlprobe.__file__).parent
ROOMS = (  # design, section 3: each may import what stands below it
    "api",
    "functions",
    "cli",
    "results",
    "commands",
    "training",
    "reporting",
    "analysis",
    "internals",
    "scoring",
    "decoding",
    "measures",
    "problems",
    "pairs",
    "runs",
    "storage",
    "columns",
    "signal",
    "arm_labels",
    "records",
    "settings",
    "own",
    "fingerprint",
    "errors",
    "printable",
)
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    return module.split(".")[1]


def imported(file: Path) -> set[str]:
    """Every module of this package that a file imports, at the top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("rlprobe"):
            names = {f"rlprobe.{alias.name}" for alias in node.names} if node.module == "rlprobe" else {node.module}
            found |= {name for name in names if name.count(".") and room_of(name) in ROOMS}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith("rlprobe.")}
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{file}: imports are absolute"
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_go_down_the_house(file):
    room = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room not in ROOMS:
        return
    for module in imported(file):
        assert ROOMS.index(room_of(module)) >= ROOMS.index(room), f"{room} imports {module}"


def test_imports_between_files_make_no_circle():
    graph = {}
    for file in FILES:
        name = ".".join(["rlprobe", *file.relative_to(PACKAGE).with_suffix("").parts])
        graph[name] = {module for module in imported(file) if module != name}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' -> '.join([*path, name])}"
        if name not in done:
            for module in graph.get(name, ()):
                visit(module, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


@pytest.mark.parametrize("room", ["analysis", "reporting"])
def test_rooms_that_know_no_models_import_no_torch(room):
    for file in (PACKAGE / room).rglob("*.py"):
        text = file.read_text()
        assert "import torch" not in text
        assert "from torch" not in text
        assert "transformers" not in text


def test_nothing_in_the_project_names_a_path_of_a_machine():
    for file in [*PACKAGE.parent.glob("*.md"), *FILES, *(PACKAGE.parent / "experiments").rglob("*.py")]:
        absolute = re.search(r"(?<![\w./*])/(work|root|home|tmp|Users)/", file.read_text())
        assert absolute is None, f"{file}: {absolute}"
