"""`rlprobe runs`: the runs below a folder, each with its pair, its problems, its arms and how far it is. Reads only."""

from collections.abc import Iterator
from pathlib import Path

from rlprobe import runs, storage
from rlprobe.commands.collected import families
from rlprobe.commands.merge import problems_unheld
from rlprobe.errors import Damaged, OtherRun, RlprobeError
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

COLUMNS = ("run", "pair", "data set", "problems", "arms", "state")
ARMS_SHOWN = 4


def listed(folder: Path) -> list[tuple[str, ...]]:
    """A row of text a run, in the order of COLUMNS."""
    return [_row(path, folder) for path in _runs_below(folder)]


def _runs_below(folder: Path) -> Iterator[Path]:
    """The folders that hold a run, but not the runs inside one."""
    if (folder / "run.json").is_file():
        yield folder
        return
    for each in sorted(folder.iterdir()) if folder.is_dir() else ():
        if each.is_dir() and not each.is_symlink():
            yield from _runs_below(each)


def _row(path: Path, folder: Path) -> tuple[str, ...]:
    name = str(path.relative_to(folder)) if path != folder else str(path)
    try:
        run = runs.read(path)
        held, arms = len(run.problems()), _arms(run)
        about = (str(run.about.get(what, "–")) for what in ("pair", "dataset"))
        return (name, *about, str(held), arms, _state(run))
    except OtherRun:
        return (name, "–", "–", "–", "–", "of another rlprobe")
    except (Damaged, RlprobeError):
        return (name, "–", "–", "–", "–", "damaged")


def _arms(run: Run) -> str:
    """What the arms are called, the ends first, and how many more there are."""
    labels = {arm.name: arm.title for family in families(run) for arm in family.arms}
    there = sorted(run.arms("rollouts"), key=lambda arm: (arm not in MEMBERS, arm not in labels))
    names = list(dict.fromkeys(labels.get(arm, arm) for arm in there))
    return ", ".join(names[:ARMS_SHOWN]) + (f" and {len(names) - ARMS_SHOWN} more" if len(names) > ARMS_SHOWN else "")


def _state(run: Run) -> str:
    if storage.is_held(run.path):
        return "being written"
    if not run.arms("rollouts"):
        return "begun"
    lacking = len(problems_unheld(run))
    return f"{lacking} problems to do" if lacking else "whole"
