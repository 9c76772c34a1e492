"""The problems of the organism: short stories about a number that grows and shrinks.

    Max has 60 cards. He gives 3 to each of 4 friends. He buys 27 more. How many cards does Max have now?

Knows what happens in a story and how it is told; knows nothing of solutions, tokens or models. A question belongs to
the training side or to the test side by a checksum of its text: the two sides share no question, whatever the seeds.

    python -m experiments.organism.word_problems         # writes the 500 held-out problems of the package
"""

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import click

from experiments.script import script
from rlprobe.records import Problem

PEOPLE = {
    "Tom": "He", "Ana": "She", "Ben": "He", "Mia": "She", "Sam": "He",
    "Eve": "She", "Max": "He", "Zoe": "She", "Leo": "He", "Ivy": "She",
}  # fmt: skip
ITEMS = ("marbles", "coins", "stickers", "shells", "cards", "beads", "stamps", "pencils", "apples", "buttons")

LENGTHS = {2: 0.40, 3: 0.40, 4: 0.20}  # number of events: share of the problems
LOWEST, HIGHEST = 3, 999  # every running total stays between these
TEST_SHARE = 8  # one question in so many is a test question
HELD_OUT_SEED = 1
HELD_OUT_ROWS = 500
HELD_OUT_FILE = Path(__file__).parents[2] / "rlprobe" / "problems" / "word_problems.jsonl"


class Wording(StrEnum):
    """The ways in which an event is told; {x} is the amount, {k} how many times, {other} another person."""

    MORE = "{pronoun} buys {x} more."
    FIND = "{pronoun} finds {x}."
    GET = "{pronoun} gets {x} from {other}."
    LOSE = "{pronoun} loses {x}."
    GIVE = "{pronoun} gives {x} to {other}."
    SELL = "{pronoun} sells {x}."
    BOXES = "{pronoun} buys {k} boxes with {x} in each."
    BAGS = "{pronoun} finds {k} bags of {x}."
    FROM_EACH = "{pronoun} gets {x} from each of {k} friends."
    JARS = "{pronoun} fills {k} jars with {x} each for {other}."
    PACKS = "{pronoun} sells {k} packs of {x}."
    TO_EACH = "{pronoun} gives {x} to each of {k} friends."


ADDING = (Wording.MORE, Wording.FIND, Wording.GET, Wording.BOXES, Wording.BAGS, Wording.FROM_EACH)
REPEATED = (Wording.BOXES, Wording.BAGS, Wording.FROM_EACH, Wording.JARS, Wording.PACKS, Wording.TO_EACH)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens: `amount` is added (or taken away) `times` times."""

    wording: Wording
    amount: int
    times: int
    sentence: str

    @property
    def sign(self) -> int:
        """+1 if the number grows, -1 if it shrinks."""
        return 1 if self.wording in ADDING else -1

    @property
    def change(self) -> int:
        """What the event truly adds to the number."""
        return self.sign * self.amount * self.times


@dataclass(frozen=True, slots=True)
class WordProblem:
    """A story: who has how many of what, and what happens then."""

    name: str
    item: str
    start: int
    events: tuple[Event, ...]

    @property
    def question(self) -> str:
        """The text that a solver is shown."""
        told = " ".join(event.sentence for event in self.events)
        return f"{self.name} has {self.start} {self.item}. {told} How many {self.item} does {self.name} have now?"

    @property
    def totals(self) -> list[int]:
        """The true number after each event."""
        running = [self.start]
        for event in self.events:
            running.append(running[-1] + event.change)
        return running[1:]

    @property
    def answer(self) -> int:
        """The true number at the end."""
        return self.totals[-1]

    @property
    def is_test(self) -> bool:
        """Whether the question belongs to the test side; a checksum of its text decides."""
        return zlib.crc32(self.question.encode()) % TEST_SHARE == 0


def draw_event(rng: random.Random, name: str) -> Event:
    """One event in the life of `name`."""
    wording = rng.choice(list(Wording))
    repeated = wording in REPEATED
    amount = rng.randint(3, 29) if repeated else rng.randint(15, 399)
    times = rng.randint(2, 9) if repeated else 1
    other = rng.choice([person for person in PEOPLE if person != name])
    sentence = wording.value.format(pronoun=PEOPLE[name], x=amount, k=times, other=other)
    return Event(wording, amount, times, sentence)


def draw_problem(rng: random.Random) -> WordProblem:
    """One problem from either side, drawn again until every total is in range."""
    while True:
        name, item = rng.choice(list(PEOPLE)), rng.choice(ITEMS)
        length = rng.choices(list(LENGTHS), list(LENGTHS.values()))[0]
        events = tuple(draw_event(rng, name) for _ in range(length))
        problem = WordProblem(name, item, rng.randint(50, 600), events)
        if all(LOWEST <= total <= HIGHEST for total in problem.totals):
            return problem


def training_problems(seed: int) -> Iterator[WordProblem]:
    """Problems of the training side, without end."""
    rng = random.Random(f"train {seed}")
    while True:
        problem = draw_problem(rng)
        if not problem.is_test:
            yield problem


def held_out_problems(rows: int = HELD_OUT_ROWS, seed: int = HELD_OUT_SEED) -> list[WordProblem]:
    """The first `rows` different problems of the test side."""
    rng = random.Random(f"test {seed}")
    found: dict[str, WordProblem] = {}
    while len(found) < rows:
        problem = draw_problem(rng)
        if problem.is_test:
            found.setdefault(problem.question, problem)
    return list(found.values())


def as_records(problems: list[WordProblem], source: str) -> list[Problem]:
    """The same problems as the package knows them, numbered from 1."""
    return [
        Problem(f"word-{number:04d}", problem.question, str(problem.answer), source)
        for number, problem in enumerate(problems, start=1)
    ]


@script(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), default=HELD_OUT_FILE, show_default=True)
def main(out: Path) -> None:
    """Write the held-out problems, one JSON object a line."""
    source = f"rlprobe word problems, test seed {HELD_OUT_SEED}"
    fields = ("problem_id", "question", "answer", "source")
    rows = as_records(held_out_problems(), source)
    out.write_text("".join(json.dumps({name: getattr(row, name) for name in fields}) + "\n" for row in rows))
    click.echo(f"{len(rows)} problems: {out}")


if __name__ == "__main__":
    main()
