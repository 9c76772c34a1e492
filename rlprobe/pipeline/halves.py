"""Two halves of a run's problems: one to choose thresholds on, one to measure on.

A problem's half is decided by its problem_id alone, so that a larger --limit never moves one. Each half is a run of its
own inside the run (RUN/signals/calibration, RUN/signals/evaluation), so that its arms are shards like any other: they
are resumed, and they never pass for arms of the whole run.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rlprobe.errors import BadInput
from rlprobe.pipeline.prepare import OutputChoice, Prepared
from rlprobe.pipeline.progress import Reporter
from rlprobe.runs import INSIDE, Run

HALVES = ("calibration", "evaluation")
RULE = "calibration where the first byte of BLAKE2b(problem_id) is even, else evaluation"


@dataclass(frozen=True)
class Part:
    """Some problems of a run, with the run that holds their arms."""

    prepared: Prepared
    run: Run


def half_of(problem_id: str) -> str:
    """Which half a problem belongs to: the same on every machine and for every limit."""
    return HALVES[hashlib.blake2b(problem_id.encode()).digest()[0] % 2]


@contextmanager
def split(prepared: Prepared, output: OutputChoice, reporter: Reporter) -> Iterator[dict[str, Part]]:
    """Both halves, held for writing. Raises BadInput if one has no problem that can be decoded."""
    with ExitStack() as held:
        parts = {name: only(prepared, name) for name in HALVES}
        runs = {
            name: held.enter_context(part.open_run(replace(output, out=part.out), reporter))
            for name, part in parts.items()
        }
        yield {name: Part(part, runs[name]) for name, part in parts.items()}


def only(prepared: Prepared, half: str) -> Prepared:
    """What is settled, for the problems of one half. Raises BadInput if it has none."""
    problems = tuple(p for p in prepared.problems if half_of(p.problem_id) == half)
    here = {p.problem_id for p in problems}
    prompts = {i: ids for i, ids in prepared.prompts.items() if i in here}
    if not prompts:
        number = len(prepared.problems)
        raise BadInput(f"the {half} half of {number} problems is empty; give a larger --limit or another data set")
    return replace(
        prepared,
        problems=problems,
        prompts=prompts,
        left_out={i: reason for i, reason in prepared.left_out.items() if i in here},
        out=prepared.out / INSIDE / half,
        identity={**prepared.identity, "half": half},
        claims=None,  # they are about the run that holds the halves
    )
