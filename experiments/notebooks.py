"""The notebooks, executed: notebooks/*.py (what is written) become notebooks/*.ipynb (with what came out).

What is said on standard error while work goes on is not kept: it differs from machine to machine.

    python -m experiments.notebooks
"""

from base64 import b64decode, b64encode
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from experiments.script import script
from rlprobe.reporting.drawing import in_palette

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def sources() -> list[Path]:
    """The notebooks as they are written, in order."""
    return sorted(NOTEBOOKS.glob("*.py"))


def executed(source: Path, folder: Path) -> NotebookNode:
    """A notebook with its outputs, run from top to bottom in `folder`. Raises CellExecutionError where a cell fails."""
    notebook = jupytext.read(source)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}}).execute()
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            for output in cell.outputs:
                if png := output.get("data", {}).get("image/png"):
                    output["data"]["image/png"] = b64encode(in_palette(b64decode(png))).decode()
    return notebook


@script(help=__doc__)
@click.argument("names", nargs=-1)
def main(names: tuple[str, ...]) -> None:
    """Execute all notebooks in their order, and write them, or those whose names begin with one of NAMES.

    They share a run, which begins in an empty folder: what an earlier one left must not show.
    """
    with TemporaryDirectory() as house:
        (folder := Path(house) / NOTEBOOKS.name).mkdir()
        for source in sources():
            notebook = executed(source, folder)
            if source.name.startswith(names or ("",)):
                nbformat.write(notebook, source.with_suffix(".ipynb"))
                click.echo(source.with_suffix(".ipynb").name)


if __name__ == "__main__":
    main()
