"""The problems of the discovery pair: functions of digit strings with opaque names, nested.

    What is ka(ku(3124))?                        ku: every digit one up, 8 becomes 1;  ka: the last digit to the front

Digits and not letters, since a box of letters is a product to the grader, which commutes. No function undoes itself or
another of its kind. A question belongs to the training side or to the test side by a checksum of its text. Knows no
solutions, tokens or models.

    python -m experiments.discovery.functions          # writes the held-out problems of the package
"""

import json
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import click

from experiments.script import script
from rlprobe.records import Problem

DIGITS = "12345678"
LENGTHS = (4, 5, 6)  # of the string in the question
SHORTEST, LONGEST = 3, 8  # of every string on the way
TEST_SHARE = 8  # one question in so many is a test question
HELD_OUT = {2: 200, 3: 200, 4: 100}  # depth: how many problems
HELD_OUT_FILE = Path(__file__).parents[2] / "rlprobe" / "problems" / "string_functions.jsonl"

Function = Callable[[str], str]
_UP, _DOWN = str.maketrans(DIGITS, DIGITS[1:] + DIGITS[0]), str.maketrans(DIGITS, DIGITS[-1] + DIGITS[:-1])

# the base sees these nested, and how that is worked out
OLD: dict[str, Function] = {
    "ba": lambda s: s[1:] + s[0],
    "be": lambda s: s[0] + s,
    "bi": lambda s: s[:-1],
    "bo": lambda s: s.translate(_DOWN),
}
# and of these only that they are taken alone: the nestings that RL has to do
NEW: dict[str, Function] = {
    "ka": lambda s: s[-1] + s[:-1],
    "ke": lambda s: s + s[-1],
    "ki": lambda s: s[1:],
    "ku": lambda s: s.translate(_UP),
}
FUNCTIONS = OLD | NEW


@dataclass(frozen=True, slots=True)
class Nesting:
    """A string and the names of the functions around it, the inner one first."""

    digits: str
    names: tuple[str, ...]

    @property
    def strings(self) -> list[str]:
        """The string of the question, what each function makes of it in turn, and so the answer."""
        found = [self.digits]
        for name in self.names:
            found.append(FUNCTIONS[name](found[-1]))
        return found

    @property
    def answer(self) -> str:
        """What the outermost function gives."""
        return self.strings[-1]

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """(name, before, after), the inner one first."""
        return [(name, *ends) for name, ends in zip(self.names, pairwise(self.strings), strict=True)]

    @property
    def solution(self) -> str:
        """Worked out, as the base reads it of the old functions."""
        lines = (f"Then {name}({before}) = {after}." for name, before, after in self.steps)
        return f" {' '.join(lines)} The answer is \\boxed{{{self.answer}}}."

    @property
    def call(self) -> str:
        """ka(ku(3124))"""
        return "".join(f"{name}(" for name in reversed(self.names)) + self.digits + ")" * len(self.names)

    @property
    def question(self) -> str:
        """As it is asked."""
        return f"What is {self.call}?"

    @property
    def is_test(self) -> bool:
        """Whether the question is on the test side."""
        return zlib.crc32(self.question.encode()) % TEST_SHARE == 0

    @property
    def is_coincidence(self) -> bool:
        """Whether a nesting is answered right without being nested: by the string, or by one function of it alone."""
        alone = {self.digits, *(FUNCTIONS[name](self.digits) for name in self.names)}
        return len(self.names) > 1 and self.answer in alone


def drawn(rng: random.Random, depth: int, names: Sequence[str]) -> Nesting:
    """A nesting of `depth` functions of these, every string on the way of a fit length; of either side."""
    while True:
        digits = "".join(rng.choice(DIGITS) for _ in range(rng.choice(LENGTHS)))
        found = Nesting(digits, tuple(rng.choice(names) for _ in range(depth)))
        if all(SHORTEST <= len(string) <= LONGEST for string in found.strings):
            return found


def training(rng: random.Random, depth: int, names: Sequence[str]) -> Nesting:
    """The same on the training side."""
    return next(each for each in _drawn(rng, depth, names) if not each.is_test)


def _drawn(rng: random.Random, depth: int, names: Sequence[str]) -> Iterator[Nesting]:
    while True:
        yield drawn(rng, depth, names)


def held_out() -> list[Nesting]:
    """The test problems: nestings of the new functions, each once, in order of depth; coincidences among them."""
    rng, found = random.Random("held out"), dict[str, Nesting]()
    for depth, count in HELD_OUT.items():
        before = len(found)
        for nesting in _drawn(rng, depth, tuple(NEW)):
            if nesting.is_test:
                found.setdefault(nesting.question, nesting)
            if len(found) - before == count:
                break
    return list(found.values())


def problems() -> list[Problem]:
    """The same as rlprobe reads problems; the depth is part of the name, and the first so many are of every depth."""
    of_depths = {depth: [(i, n) for i, n in enumerate(held_out()) if len(n.names) == depth] for depth in HELD_OUT}
    shares = sorted((place / count, depth, place) for depth, count in HELD_OUT.items() for place in range(count))
    return [
        Problem(f"depth-{depth}-{i:03d}", n.question, n.answer, "rlprobe string functions", n.solution)
        for i, n, depth in ((*of_depths[depth][place], depth) for _, depth, place in shares)
    ]


@script(help=__doc__)
def main() -> None:
    """Write the held-out problems."""
    HELD_OUT_FILE.write_text("".join(json.dumps(asdict(problem)) + "\n" for problem in problems()))
    click.echo(f"{len(problems())} problems: {HELD_OUT_FILE}")


if __name__ == "__main__":
    main()
