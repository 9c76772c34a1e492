"""What texts have in common at their beginning: a row may copy another's cache instead of reading. Knows only ids.

Flips of one response, draws for one problem and questions behind the same examples all begin alike. A text begins
either from a row that is read already or from the longest of those that are about to be read; so there are two waves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ids = Sequence[int]


@dataclass(frozen=True, slots=True)
class Start:
    """How a row begins: with the first `shared` tokens of what the row `source` holds; the rest it reads itself."""

    row: int
    source: int
    shared: int


def starts(held: Sequence[Ids], new: Sequence[Ids]) -> tuple[list[Start], list[Start]]:
    """How the rows of `new` texts, numbered after those that are `held`, begin: the second wave copies the first."""
    texts, first, second = [*held, *new], list[Start](), list[Start]()
    for row in sorted(range(len(held), len(texts)), key=lambda r: (-len(texts[r]), r)):
        of_held = _best(texts, row, range(len(held)))
        of_new = _best(texts, row, (start.row for start in first))
        if of_new.shared > of_held.shared:
            second.append(of_new)
        else:
            first.append(of_held)
    return sorted(first, key=lambda start: start.row), sorted(second, key=lambda start: start.row)


def common(a: Ids, b: Ids) -> int:
    """How many ids two texts have in common at their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if a[low:middle] == b[low:middle] else (low, middle - 1)
    return low


def _best(texts: Sequence[Ids], row: int, sources: Iterable[int]) -> Start:
    """From the row that has most in common, if that is at least half of the text: less is not worth a copy."""
    shared, source = max(((common(texts[s], texts[row]), -s) for s in sources), default=(0, 0))
    return Start(row, -source, shared) if 2 * shared >= len(texts[row]) > 0 else Start(row, row, 0)
