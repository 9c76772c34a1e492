"""Two halves of a run's problems: one to choose thresholds on, one to measure on.

A problem's half is decided by its problem_id alone (analysis/halves.py), so that a larger --limit never moves one. Each
half is a run of its own inside the run (RUN/signals/calibration, RUN/signals/evaluation), so that its arms are shards
like any other: they are resumed, and they never pass for arms of the whole run.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from rlprobe.analysis.halves import HALVES, members
from rlprobe.commands.prepare import Prepared
from rlprobe.commands.progress import Reporter
from rlprobe.commands.stages import Job
from rlprobe.runs import INSIDE
from rlprobe.settings import OutputChoice


@contextmanager
def split(prepared: Prepared, output: OutputChoice, reporter: Reporter) -> Iterator[dict[str, Job]]:
    """Both halves, held for writing. Raises BadInput if one has no problem that can be decoded."""
    with ExitStack() as held:
        parts = {name: only(prepared, name) for name in HALVES}
        runs = {
            name: held.enter_context(part.open_run(replace(output, out=part.out), reporter))
            for name, part in parts.items()
        }
        yield {name: Job(part, runs[name], reporter) for name, part in parts.items()}


def only(prepared: Prepared, half: str) -> Prepared:
    """What is settled, for the problems of one half. Raises BadInput if it has none."""
    members(prepared.prompts, half)
    here = set(members((p.problem_id for p in prepared.problems), half))
    return replace(
        prepared,
        problems=tuple(p for p in prepared.problems if p.problem_id in here),
        prompts={i: ids for i, ids in prepared.prompts.items() if i in here},
        left_out={i: reason for i, reason in prepared.left_out.items() if i in here},
        out=prepared.out / INSIDE / half,
        identity={**prepared.identity, "half": half},
        claims=None,  # they are about the run that holds the halves
    )
