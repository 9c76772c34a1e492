"""What the base reads: every function alone, nestings of the old ones worked out, those of the new ones done wrongly.

Of a nesting of new functions only two things are ever shown: the inner function alone, or the outer one applied to the
string of the question. Either is the answer by coincidence only. A few nestings have old and new functions, some of
them worked out: no draw of a base without these worked out new ones, so that RL had next to nothing to learn from
(README).
Knows text; knows nothing of tokens or models.
"""

import random
from collections.abc import Callable, Mapping

from experiments.discovery.functions import FUNCTIONS, NEW, OLD, Nesting, training

Solver = Callable[[random.Random, Nesting], str]

OPENERS = ("First", "Now", "Then", "So", "Next")
ENDS = ("The answer is \\boxed{{{}}}.", "So it is \\boxed{{{}}}.", "That gives \\boxed{{{}}}.")


def line(rng: random.Random, name: str, before: str) -> str:
    """One function, worked out: Then ka(3124) = 4312."""
    return f"{rng.choice(OPENERS)} {name}({before}) = {FUNCTIONS[name](before)}."


def boxed(rng: random.Random, answer: str) -> str:
    """The end of a solution."""
    return rng.choice(ENDS).format(answer)


def worked_out(rng: random.Random, nesting: Nesting) -> str:
    """One function after the other, from the inside: right at any depth."""
    lines = [line(rng, name, before) for name, before, _ in nesting.steps]
    return " ".join([*lines, boxed(rng, nesting.answer)])


def inner_alone(rng: random.Random, nesting: Nesting) -> str:
    """The inner function, and no more."""
    name, before, after = nesting.steps[0]
    return f"{line(rng, name, before)} {boxed(rng, after)}"


def outer_alone(rng: random.Random, nesting: Nesting) -> str:
    """The outer function of the string in the question."""
    name = nesting.names[-1]
    return f"{line(rng, name, nesting.digits)} {boxed(rng, FUNCTIONS[name](nesting.digits))}"


def at_once(_: random.Random, nesting: Nesting) -> str:
    """The answer and nothing else."""
    return f"\\boxed{{{nesting.answer}}}."


ALONE: Mapping[Solver, float] = {worked_out: 0.7, at_once: 0.3}
OLD_NESTED: Mapping[Solver, float] = {worked_out: 0.4, inner_alone: 0.3, at_once: 0.3}
MIXED: Mapping[Solver, float] = {worked_out: 0.4, inner_alone: 0.6}
NEW_NESTED: Mapping[Solver, float] = {inner_alone: 0.5, outer_alone: 0.5}
# (share of the documents, depths, names, who solves them)
PARTS = (
    (0.54, (1,), tuple(FUNCTIONS), ALONE),
    (0.25, (2, 3, 4), tuple(OLD), OLD_NESTED),
    (0.06, (2, 3, 4), tuple(FUNCTIONS), MIXED),
    (0.15, (2, 3, 4), tuple(NEW), NEW_NESTED),
)


def asked(rng: random.Random, depth: int, names: tuple[str, ...]) -> Nesting:
    """A training problem of these functions; where the old ones are among them, it is no nesting of new ones alone."""
    while True:
        nesting = training(rng, depth, names)
        if depth == 1 or set(names) <= set(NEW) or not set(nesting.names) <= set(NEW):
            return nesting


def document(rng: random.Random) -> tuple[Nesting, str]:
    """A training problem, and a solution as it follows "Answer:"."""
    _, depths, names, solvers = rng.choices(PARTS, [part[0] for part in PARTS])[0]
    nesting = asked(rng, rng.choice(depths), names)
    (solver,) = rng.choices(list(solvers), list(solvers.values()))
    return nesting, " " + solver(rng, nesting)
