r"""The problems of the SmolLM2 pair: everyday stories of one step, in families with thousands of texts each.

    Mia buys 7 boxes with 8 cards in each. How many cards does Mia have now?

Knows the stories and their answers; knows nothing of prompts, tokens or models. A question belongs to the training
side or to the test side by a checksum of its text: the two sides share no question, whatever the seeds.

    python -m experiments.smollm2.problems         # writes the 500 held-out problems of the package
"""

import json
import random
import zlib
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import click

from experiments.script import script

NAMES = ("Tom", "Ana", "Ben", "Mia", "Sam", "Eve", "Max", "Zoe", "Leo", "Ivy", "Kim", "Joe", "Lucy", "Paul")
ITEMS = ("marbles", "coins", "stickers", "shells", "cards", "beads", "stamps", "pencils", "apples", "buttons")
GOODS = ("a pen", "a book", "a cake", "a ball", "a ticket", "a cup", "a toy", "a plant", "a lamp", "a hat")

TEST_SHARE = 8  # one question in so many is a test question
HELD_OUT_ROWS = 500
HELD_OUT_SEED = 1
HELD_OUT_FILE = Path(__file__).parents[2] / "rlprobe" / "problems" / "short_problems.jsonl"


class ShortProblem(NamedTuple):
    """A question with its answer, and the family that it was drawn from."""

    family: str
    question: str
    answer: int

    @property
    def is_test(self) -> bool:
        """Whether the question belongs to the test side; a checksum of its text decides."""
        return zlib.crc32(self.question.encode()) % TEST_SHARE == 0


Story = Callable[[random.Random], tuple[str, int]]


def boxes(rng: random.Random) -> tuple[str, int]:
    """So many boxes with so many things in each."""
    name, item, p, q = rng.choice(NAMES), rng.choice(ITEMS), rng.randint(2, 12), rng.randint(2, 12)
    return f"{name} buys {p} boxes with {q} {item} in each. How many {item} does {name} buy in all?", p * q


def price(rng: random.Random) -> tuple[str, int]:
    """Several goods at one price."""
    name, good, p, q = rng.choice(NAMES), rng.choice(GOODS), rng.randint(2, 12), rng.randint(2, 12)
    plural = good.removeprefix("a ") + "s"
    return f"The price of {good} is {p} dollars. {name} buys {q} {plural}. How many dollars does {name} pay?", p * q


def gain(rng: random.Random) -> tuple[str, int]:
    """Somebody gets more."""
    (name, other), item, a, b = rng.sample(NAMES, 2), rng.choice(ITEMS), rng.randint(5, 50), rng.randint(3, 30)
    return f"{name} has {a} {item}. {other} gives {name} {b} more. How many {item} does {name} have now?", a + b


def lose(rng: random.Random) -> tuple[str, int]:
    """Somebody gives some away."""
    (name, other), item, b = rng.sample(NAMES, 2), rng.choice(ITEMS), rng.randint(2, 9)
    a = b + rng.randint(2, 15)
    return f"{name} has {a} {item}. {name} gives {b} of them to {other}. How many {item} are left?", a - b


def together(rng: random.Random) -> tuple[str, int]:
    """Two people put together what they have."""
    (one, two), item, a, b = rng.sample(NAMES, 2), rng.choice(ITEMS), rng.randint(3, 40), rng.randint(3, 40)
    return f"{one} has {a} {item} and {two} has {b}. How many {item} do they have together?", a + b


def share(rng: random.Random) -> tuple[str, int]:
    """An equal share."""
    name, item, k, q = rng.choice(NAMES), rng.choice(ITEMS), rng.randint(2, 10), rng.randint(2, 12)
    return f"{name} shares {k * q} {item} equally among {k} friends. How many {item} does each friend get?", q


FAMILIES: dict[str, Story] = {
    "boxes": boxes,
    "price": price,
    "gain": gain,
    "lose": lose,
    "together": together,
    "share": share,
}


def problems(rng: random.Random, test: bool, families: tuple[str, ...] = tuple(FAMILIES)) -> Iterator[ShortProblem]:
    """Problems of one side without end, the families in turn."""
    for family in cycle(families):
        while True:
            problem = ShortProblem(family, *FAMILIES[family](rng))
            if problem.is_test == test:
                yield problem
                break


def training_problems(seed: int) -> Iterator[ShortProblem]:
    """Problems of the training side, without end."""
    return problems(random.Random(f"train {seed}"), test=False)


def held_out_problems(rows: int = HELD_OUT_ROWS, seed: int = HELD_OUT_SEED) -> list[ShortProblem]:
    """The first `rows` different problems of the test side."""
    found: dict[str, ShortProblem] = {}
    for problem in problems(random.Random(f"test {seed}"), test=True):
        found.setdefault(problem.question, problem)
        if len(found) == rows:
            break
    return list(found.values())


@script(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=HELD_OUT_FILE, show_default=True)
def main(out: Path) -> None:
    """Write the held-out problems, one JSON object a line."""
    source = f"rlprobe short problems, test seed {HELD_OUT_SEED}"
    with out.open("w") as file:
        for number, (family, question, answer) in enumerate(held_out_problems(), start=1):
            row = {"problem_id": f"short-{number:04d}", "question": question, "answer": str(answer)}
            file.write(json.dumps(row | {"source": f"{source}, {family}"}) + "\n")
    click.echo(f"{HELD_OUT_ROWS} problems: {out}")


if __name__ == "__main__":
    main()
