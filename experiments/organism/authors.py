"""The solutions that the base model is trained on, written by authors of differing care.

Three authors restate what happens and then compute. The *careful* one splits every sum into tens and ones; the *direct* one
writes it down at once, now and then with a slip; the *hasty* one puts two events into one expression, and slips more.
The last two often read "3 to each of 5 friends" as 3. Who writes is redrawn now and then within a solution, and long
problems find a careful author less often than short ones. No rule marks the places where the choice matters.

Knows problems and English; knows nothing of tokens or models.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.organism.word_problems import Event, Wording, WordProblem

CAREFUL_SHARE = {2: 0.72, 3: 0.36, 4: 0.28}  # by the number of events
HASTY_SHARE = 0.20  # of the authors who are not careful
REDRAWN = 0.20  # how often another author goes on at the next event

MISREADING = {
    Wording.FROM_EACH: 0.72,
    Wording.TO_EACH: 0.72,
    Wording.JARS: 0.58,
    Wording.BOXES: 0.40,
    Wording.BAGS: 0.20,
    Wording.PACKS: 0.20,
}  # how often an author who is not careful takes "k times x" for x
SLIPS = (-20, -10, -10, -2, -1, -1, 1, 1, 2, 10, 10, 20)


@dataclass(frozen=True)
class Author:
    """The habits of one author; rates are probabilities, openers are words put before a restated event."""

    splits: bool = False
    lumps: bool = False
    slip: float = 0.0
    misreading: Mapping[Wording, float] = field(default_factory=dict)
    starts: tuple[float, float, float] = (0.60, 0.35, 0.05)
    openers: tuple[float, float, float] = (0.60, 0.30, 0.10)
    notices_error: float = 0.20
    doubts_right: float = 0.02


CAREFUL = Author(splits=True, starts=(0.35, 0.30, 0.35), openers=(0.60, 0.15, 0.25))
DIRECT = Author(slip=0.06, misreading=MISREADING)
HASTY = Author(lumps=True, slip=0.15, misreading=MISREADING)

STARTS = ("{name} has {start} {item}.", "We start with {start}.", "Let us go step by step.")
OPENERS = ("", "Then", "Now")
DOUBT = "Wait, that is wrong."


def draw_author(rng: random.Random, length: int) -> Author:
    """Who takes the pen in a problem of `length` events."""
    if rng.random() < CAREFUL_SHARE[length]:
        return CAREFUL
    return HASTY if rng.random() < HASTY_SHARE else DIRECT


def restated(rng: random.Random, author: Author, event: Event) -> str:
    """The event as the question tells it, perhaps after an opening word."""
    opener = rng.choices(OPENERS, author.openers)[0]
    if not opener:
        return event.sentence
    return f"{opener} {event.sentence[0].lower()}{event.sentence[1:]}"


def read_times(rng: random.Random, author: Author, event: Event) -> int:
    """How often the author believes that the amount is added or taken."""
    return 1 if rng.random() < author.misreading.get(event.wording, 0.0) else event.times


def slipped(rng: random.Random, author: Author, value: int) -> int:
    """The value, or now and then a wrong one near it."""
    if rng.random() >= author.slip:
        return value
    wrong = value + rng.choice(SLIPS)
    return wrong if wrong >= 0 else value + 10


def split_product(times: int, amount: int) -> str:
    """`4 * 12: 4 * 10 = 40, 4 * 2 = 8, 40 + 8 = 48.`"""
    tens, ones = amount - amount % 10, amount % 10
    if not (tens and ones):
        return f"{times} * {amount} = {times * amount}."
    a, b = times * tens, times * ones
    return f"{times} * {amount}: {times} * {tens} = {a}, {times} * {ones} = {b}, {a} + {b} = {a + b}."


def split_sum(total: int, change: int) -> str:
    """`60 + 27: 60 + 20 = 80, 80 + 7 = 87.`"""
    operator, size = ("+", change) if change >= 0 else ("-", -change)
    sign = 1 if change >= 0 else -1
    tens, ones = size - size % 10, size % 10
    if not (tens and ones):
        return f"{total} {operator} {size} = {total + change}."
    half = total + sign * tens
    return (
        f"{total} {operator} {size}: {total} {operator} {tens} = {half}, {half} {operator} {ones} = {total + change}."
    )


def work_out(rng: random.Random, author: Author, total: int, event: Event) -> tuple[str, int]:
    """The sums for one event, and the total that the author arrives at."""
    times = read_times(rng, author, event)
    size = times * event.amount
    sentences = []
    if times > 1:
        stated = slipped(rng, author, size)
        product = split_product(times, event.amount) if author.splits else f"{times} * {event.amount} = {stated}."
        size = size if author.splits else stated
        sentences.append(product)
    after = max(0, total + event.sign * size)  # below nothing only after an earlier mistake
    if author.splits and total + event.sign * size >= 0:
        return " ".join([*sentences, split_sum(total, event.sign * size)]), after
    after = slipped(rng, author, after)
    return " ".join([*sentences, f"{total} {'+' if event.sign > 0 else '-'} {size} = {after}."]), after


def lump_together(rng: random.Random, author: Author, total: int, events: tuple[Event, ...]) -> tuple[str, int]:
    """Several events in one expression, and the total that the author arrives at."""
    expression, after = str(total), total
    for event in events:
        times = read_times(rng, author, event)
        factor = f"{times} * " if times > 1 else ""
        expression += f" {'+' if event.sign > 0 else '-'} {factor}{event.amount}"
        after += event.sign * times * event.amount
    after = slipped(rng, author, max(0, after))
    return f"{expression} = {after}.", after


def solve(rng: random.Random, problem: WordProblem, author: Author | None = None) -> tuple[str, int]:
    """One solution (it begins with a space and ends in a box) and its answer; a given `author` writes all of it."""
    pen = author or draw_author(rng, len(problem.events))
    start = rng.choices(STARTS, pen.starts)[0].format(name=problem.name, start=problem.start, item=problem.item)
    text, total, done = [start], problem.start, 0
    while done < len(problem.events):
        if author is None and done and rng.random() < REDRAWN:
            pen = draw_author(rng, len(problem.events))
        events = problem.events[done : done + (2 if pen.lumps else 1)]
        text += [restated(rng, pen, event) for event in events]
        worked, after = lump_together(rng, pen, total, events) if pen.lumps else work_out(rng, pen, total, events[0])
        text.append(worked)
        right = after == total + sum(event.change for event in events)
        if rng.random() < (pen.doubts_right if right else pen.notices_error):
            pen, after = CAREFUL, total
            text.append(DOUBT)
            for event in events:
                worked, after = work_out(rng, pen, after, event)
                text.append(worked)
        total, done = after, done + len(events)
    text.append(f"{problem.name} has {total} {problem.item} now. The answer is \\boxed{{{total}}}.")
    return " " + " ".join(text), total
