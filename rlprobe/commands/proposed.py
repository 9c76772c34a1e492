"""Responses made elsewhere as proposals: texts that decoding looks its next tokens up in. What comes out stays exact.

What is right in the file costs a read, what is wrong in it a little more than nothing (decoding/prices.py).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rlprobe.errors import IncompatiblePair
from rlprobe.pairs.loading import LocatedPair
from rlprobe.printable import one_line
from rlprobe.problems.datasets import ProblemSet
from rlprobe.problems.matching import Matching
from rlprobe.problems.responses import Asked, ResponseFile, load_responses


@dataclass(frozen=True)
class Proposed:
    """The texts of a file by problem, all its draws, and what names the file."""

    texts: dict[str, list[list[int]]]
    sha256: str
    note: str

    def of(self, problem_id: str) -> list[list[int]]:
        """The texts to one problem; none, where the file has none."""
        return self.texts.get(problem_id, [])


NOTHING = Proposed({}, "", "")


def asked_of(problem_set: ProblemSet, prompts: dict[str, list[int]], located: LocatedPair) -> Asked:
    """What responses made elsewhere are read against."""
    return Asked(
        Matching(problem_set.name, problem_set.problems),
        prompts,
        located.prompt_tokenizer,
        frozenset(located.stop_ids),
        frozenset(located.vocabulary.ids.tolist()),
        located.context,
    )


def proposed(file: Path, problem_set: ProblemSet, prompts: dict[str, list[int]], located: LocatedPair) -> Proposed:
    """The texts of a response file.

    Raises BadInput for a file that is none, IncompatiblePair for a pair to which nothing can be proposed.
    """
    if located.not_rewound:
        raise IncompatiblePair(f"{located.not_rewound[0]}, so nothing can be proposed to it: leave out --propose-from")
    loaded, texts = (
        load_responses(ResponseFile(file), asked_of(problem_set, prompts, located)),
        dict[str, list[list[int]]](),
    )
    for (problem_id, _), rollout in loaded.rollouts.items():
        texts.setdefault(problem_id, []).append(list(rollout.response_ids))
    note = (
        f"{one_line(file.name)}, read as {loaded.format}: {len(loaded.rollouts)} responses to {len(texts)} of "
        f"{len(prompts)} problems are proposed"
    )
    return Proposed(texts, hash_of(file), note)


def hash_of(file: Path) -> str:
    """The sha256 of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
