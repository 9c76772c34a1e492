"""Which half a problem belongs to: what is chosen on data is chosen on the one, and told for the other.

Decided by the problem_id alone: the same for every command, machine, seed and limit.
"""

import hashlib
from collections.abc import Iterable

from rlprobe.errors import BadInput

HALVES = CALIBRATION, EVALUATION = "calibration", "evaluation"
RULE = "calibration where the first byte of BLAKE2b(problem_id) is even, else evaluation"


def half_of(problem_id: str) -> str:
    """Which half a problem belongs to."""
    return HALVES[hashlib.blake2b(problem_id.encode()).digest()[0] % 2]


def members(problem_ids: Iterable[str], half: str) -> list[str]:
    """The problems of one half, in their order. Raises BadInput if it has none."""
    everyone = list(problem_ids)
    here = [i for i in everyone if half_of(i) == half]
    if not here:
        raise BadInput(
            f"the {half} half of {len(everyone)} problems is empty; give a larger --limit or another data set"
        )
    return here
