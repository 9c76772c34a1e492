"""What every command leaves in its run: a summary, and the tables, figures and words that are drawn from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Group

from rlprobe.commands.claims import judged
from rlprobe.commands.progress import Reporter
from rlprobe.errors import ProblemsLeftOut
from rlprobe.reporting.claims import own_claims_table, show_own_claims
from rlprobe.reporting.drawing import Drawing, corner_of, encode, render
from rlprobe.reporting.formats import FORMATS
from rlprobe.runs import Run
from rlprobe.settings import GraderChoice, Reading

if TYPE_CHECKING:
    from rlprobe.commands.crew import Crew


@dataclass(frozen=True)
class Written:
    """What a command made: the run, its summary, the files to look at, and the summary as a rich renderable."""

    run: Run
    summary: dict[str, Any]
    files: list[Path]
    text: Any
    unheld: tuple[str, ...] = ()  # of a merged run: the problems that no part holds

    def check(self, max_failed: int) -> None:
        """Raise ProblemsLeftOut if more than `max_failed` problems are missing from the numbers."""
        left_out, ungraded = len(self.summary["problems"]["left_out"]), len(self.summary["problems"]["ungraded"])
        failed = left_out + ungraded + len(self.unheld)
        if failed > max_failed:
            unheld = f", and {len(self.unheld)} are in no part" if self.unheld else ""
            raise ProblemsLeftOut(
                f"finished, but {left_out} problems were left out and {ungraded} have a gold answer that does not "
                f"parse (see summary.json){unheld}; --max-failed {failed} accepts that"
            )


@dataclass(frozen=True)
class Retelling:
    """What summaries are written anew with: a run, the layer of its verdicts, and how it is graded and read.

    What a summary speaks of (arms, problems) is said by the first of the runs `told` that has it.
    """

    run: Run
    told: Sequence[Run]
    layer: str
    grader: GraderChoice
    reading: Reading
    reporter: Reporter
    crew: "Crew | None" = None

    def said_by(self, summary: str) -> Run | None:
        """The first run that has a summary of that name."""
        return next((run for run in self.told if run.files(summary)), None)


@dataclass(frozen=True)
class Report:
    """How a command's summary is shown: the registries of its folder in reporting/."""

    tables: Mapping[str, Callable[[dict[str, Any]], pd.DataFrame]]
    figures: Mapping[str, Drawing]
    show: Callable[[dict[str, Any]], Any]

    def write(self, run: Run, name: str, summary: dict[str, Any], *known: Any, suffix: str = "") -> Written:
        """Write everything; a figure is drawn from `known` and the summary. A run that is read-only is only read.

        `suffix` stands behind the name of each file: a run keeps what is told of several families of arms.
        """
        summary = without_nan(summary)
        if not run.is_writable:
            return Written(run, summary, [], self.show(summary))
        files = [run.write_json(name.replace(".json", f"{suffix}.json"), summary)]
        for title, table in self.tables.items():
            files += write_table(run, title + suffix, table(summary))
        for title, drawing in self.figures.items():
            figure, data = render(
                drawing, *known, summary, corner=corner_of(summary, drawing.counted, drawing.intervals)
            )
            images = {kind: encode(figure, kind) for kind in ("png", "pdf")}
            files += [run.write_bytes(f"figures/{title}{suffix}.{kind}", image) for kind, image in images.items()]
            files.append(run.write_text(f"figures/{title}{suffix}.csv", FORMATS["csv"](data)))
        claims = judged(run)
        files += write_table(run, "claims", own_claims_table(claims)) if claims else []
        return Written(run, summary, files, Group(self.show(summary), *show_own_claims(claims)))


def write_table(run: Run, title: str, table: pd.DataFrame) -> list[Path]:
    """A table in every format; returns the files."""
    return [run.write_text(f"tables/{title}.{suffix}", text(table)) for suffix, text in FORMATS.items()]


def without_nan(value: Any) -> Any:
    """The same for JSON: a number that is none is None (a table of numbers has no other word for it than nan)."""
    if isinstance(value, Mapping):
        return {name: without_nan(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not isfinite(value) else value


def problems_of(run: Run, verdicts: pd.DataFrame, answer: str) -> dict[str, Any]:
    """How many problems were asked for, and which of them are not in the numbers, and why."""
    ungraded = verdicts.loc[verdicts[f"status_{answer}"].isna(), "problem_id"].unique()
    return {"asked": len(run.problems()), "left_out": run.left_out(), "ungraded": sorted(ungraded)}
