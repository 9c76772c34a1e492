"""The solutions that the base model is trained on, written by authors of differing care.

Three authors restate what happens and then compute. The *careful* one splits sums into tens and ones; the *direct* one
writes them down at once, now and then with a slip; the *hasty* one puts two events into one expression, and slips more.
The last two often read "3 to each of 5 friends" as 3. Who writes is redrawn now and then within a solution, and long
problems find a careful author less often than short ones. No rule marks the places where the choice matters.

Knows problems and English; knows nothing of tokens or models.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.organism.word_problems import Event, Wording, WordProblem

CAREFUL_SHARE = {2: 0.42, 3: 0.36, 4: 0.30}  # by the number of events
HASTY_SHARE = 0.20  # of the authors who are not careful
REDRAWN = 0.20  # how often another author goes on at the next event

MISREADING = {
    Wording.FROM_EACH: 0.75,
    Wording.TO_EACH: 0.75,
    Wording.JARS: 0.65,
    Wording.BOXES: 0.55,
    Wording.BAGS: 0.20,
    Wording.PACKS: 0.20,
}  # how often an author who is not careful takes "k times x" for x
SLIPS = (-20, -10, -10, -2, -1, -1, 1, 1, 2, 10, 10, 20)

STARTS = ("{name} has {start} {item}.", "We start with {start}.", "Let us go step by step.")
OPENERS = ("", "Then", "Now")  # before a restated event
DOUBT = "Wait, that is wrong."


@dataclass(frozen=True)
class Author:
    """The habits of one author: rates are probabilities, `starts` and `openers` the weights of STARTS and OPENERS."""

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


def operator(sign: int) -> str:
    """The sign as it is written."""
    return "+" if sign > 0 else "-"


def split_product(times: int, amount: int) -> str:
    """`4 * 12: 4 * 10 = 40, 4 * 2 = 8, 40 + 8 = 48.`"""
    tens, ones = amount - amount % 10, amount % 10
    if not (tens and ones):
        return f"{times} * {amount} = {times * amount}."
    a, b = times * tens, times * ones
    return f"{times} * {amount}: {times} * {tens} = {a}, {times} * {ones} = {b}, {a} + {b} = {a + b}."


def split_sum(total: int, sign: int, size: int) -> str:
    """`360 + 127: 360 + 120 = 480, 480 + 7 = 487.`"""
    op, after = operator(sign), total + sign * size
    tens, ones = size - size % 10, size % 10
    if not (tens and ones):
        return f"{total} {op} {size} = {after}."
    half = total + sign * tens
    return f"{total} {op} {size}: {total} {op} {tens} = {half}, {half} {op} {ones} = {after}."


def multiplied(rng: random.Random, author: Author, times: int, amount: int) -> tuple[str, int]:
    """The product as the author writes it, and its value as the author states it."""
    stated = slipped(rng, author, times * amount)
    if author.splits:
        return split_product(times, amount), stated
    return f"{times} * {amount} = {stated}.", stated


def added(rng: random.Random, author: Author, total: int, sign: int, size: int) -> tuple[str, int]:
    """The sum as the author writes it, and the total that the author arrives at."""
    after = max(0, total + sign * size)  # below nothing only after an earlier mistake
    if author.splits and total + sign * size >= 0:
        return split_sum(total, sign, size), after
    after = slipped(rng, author, after)
    return f"{total} {operator(sign)} {size} = {after}.", after


def one_by_one(rng: random.Random, author: Author, total: int, events: Sequence[Event]) -> tuple[str, int]:
    """The sums for each event in turn, and the total that the author arrives at."""
    sentences = []
    for event in events:
        times, size = read_times(rng, author, event), event.amount
        if times > 1:
            product, size = multiplied(rng, author, times, event.amount)
            sentences.append(product)
        sentence, total = added(rng, author, total, event.sign, size)
        sentences.append(sentence)
    return " ".join(sentences), total


def lumped_together(rng: random.Random, author: Author, total: int, events: Sequence[Event]) -> tuple[str, int]:
    """All events in one expression, and the total that the author arrives at."""
    expression, after = str(total), total
    for event in events:
        times = read_times(rng, author, event)
        factor = f"{times} * " if times > 1 else ""
        expression += f" {operator(event.sign)} {factor}{event.amount}"
        after += event.sign * times * event.amount
    after = slipped(rng, author, max(0, after))
    return f"{expression} = {after}.", after


def has_doubts(rng: random.Random, author: Author, right: bool) -> bool:
    """Whether the author stops and goes back; wrong steps are noticed now and then, right ones rarely doubted."""
    return rng.random() < (author.doubts_right if right else author.notices_error)


def take_step(rng: random.Random, author: Author, total: int, events: Sequence[Event]) -> tuple[list[str], int, bool]:
    """What is written about the next events, the total arrived at, and whether doubt made the author careful."""
    sentences = [restated(rng, author, event) for event in events]
    compute = lumped_together if author.lumps else one_by_one
    worked, after = compute(rng, author, total, events)
    sentences.append(worked)
    right = after == total + sum(event.change for event in events)
    doubted = has_doubts(rng, author, right)
    if doubted:
        worked, after = one_by_one(rng, CAREFUL, total, events)
        sentences += [DOUBT, worked]
    return sentences, after, doubted


def solve(rng: random.Random, problem: WordProblem, only: Author | None = None) -> tuple[str, int]:
    """One solution (it begins with a space and ends in a box) and its answer; `only` begins and is never redrawn."""
    length = len(problem.events)
    pen = only or draw_author(rng, length)
    start = rng.choices(STARTS, pen.starts)[0]
    text, total, done = [start.format(name=problem.name, start=problem.start, item=problem.item)], problem.start, 0
    while done < length:
        if only is None and done and rng.random() < REDRAWN:
            pen = draw_author(rng, length)
        events = problem.events[done : done + (2 if pen.lumps else 1)]
        sentences, total, doubted = take_step(rng, pen, total, events)
        pen = CAREFUL if doubted else pen
        text, done = text + sentences, done + len(events)
    text.append(f"{problem.name} has {total} {problem.item} now. The answer is \\boxed{{{total}}}.")
    return " " + " ".join(text), total
