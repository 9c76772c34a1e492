"""How the share of responses in which no answer was found is told beside an accuracy. Computes nothing."""

from collections.abc import Iterable
from typing import Any

from rlprobe.problems.answers import extraction_of
from rlprobe.reporting.formats import Cell


def warning(shares: Iterable[dict[str, Any]], grader: dict[str, Any] | None) -> str:
    """What to say where the base's and RL's shares differ much; `grader` is the one that the summary names."""
    looked_for = extraction_of(grader["extract"]).words if grader else "the grader's extraction"
    base, rl = (Cell(share["value"], unit="%") for share in shares)
    return (
        f"No answer ({looked_for}) was found in {base} of the base's and {rl} of RL's responses: "
        "the difference in accuracy may be one of form. See `rlprobe grade RUN --extract general`."
    )
