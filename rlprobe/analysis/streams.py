"""Statistics of numbers that come in stretches, too many to hold: to the bit what numpy says of them all at once.

A stream is a function that starts it anew: some statistics go over it several times. Sums are added in numpy's own
order; what is looked for by size is found digit by digit of its bits, and ranks are told a bucket of neighbouring
values at a time. Memory depends on none of their numbers. Knows no table, no problem and no interval.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Int, UInt64

from rlprobe.columns import HELD, STRETCH, Stored

Numbers = Float[np.ndarray, " _"]
Labelled = tuple[Numbers, Bool[np.ndarray, " _"]]  # numbers, and which of them are positive

LEAF = 2**17  # numbers that numpy adds itself
DIGITS = ((48, 16), (36, 12), (24, 12), (12, 12), (0, 12))  # of the 64 bits of a key: how far from its end, how many


# ---- sums


def total(stretches: Iterable[Numbers], n: int) -> float:
    """The sum of n numbers, added pairwise as `numpy.sum` adds them. Raises ValueError where there are more."""
    queue = _Queue(iter(stretches))

    def of(n: int) -> float:
        if n <= LEAF:
            return float(queue.take(n).sum())
        left = n // 2 - n // 2 % 8  # as numpy halves
        return of(left) + of(n - left)

    found = of(n)
    if queue.rest():
        raise ValueError(f"there are more than {n} numbers")
    return found


def compensated(stretches: Iterable[Numbers]) -> float:
    """The sum of numbers, one after the other, with Kahan's compensation, as pandas adds up the groups of a table."""
    found = lost = 0.0
    for numbers in stretches:
        for number in numbers.tolist():
            more = number - lost
            lost = (found + more) - found - more
            found += more
    return found


class _Queue:
    """Numbers that come in stretches, taken in parts of another length."""

    def __init__(self, stretches: Iterator[Numbers]) -> None:
        self._stretches, self._waiting = stretches, np.empty(0)

    def take(self, n: int) -> Numbers:
        """The next n numbers."""
        there, parts = len(self._waiting), [self._waiting]
        while there < n:
            parts.append(next(self._stretches))
            there += len(parts[-1])
        joined = np.concatenate(parts)
        self._waiting = joined[n:]
        return joined[:n]

    def rest(self) -> int:
        """How many are left, to the end of the stream: whoever makes it may count on being asked for all of it."""
        return len(self._waiting) + sum(len(some) for some in self._stretches)


# ---- by size


def keys_of(numbers: Numbers) -> UInt64[np.ndarray, " _"]:
    """Whole numbers in the order of the given ones, 0 and -0 the same."""
    bits = (np.asarray(numbers, np.float64) + 0.0).view(np.uint64)
    return np.where(bits >> np.uint64(63), ~bits, bits | np.uint64(1 << 63))


def _numbers_of(keys: UInt64[np.ndarray, " _"]) -> Numbers:
    return np.where(keys >> np.uint64(63), keys & ~np.uint64(1 << 63), ~keys).view(np.float64)


class Sought:
    """Numbers sought in one stream by their ranks (from 0 for the smallest), digit by digit of their keys."""

    def __init__(self, ranks: Sequence[int]) -> None:
        self._found, self._left = np.zeros(len(ranks), np.uint64), np.array(ranks, np.int64)
        self._open(0)

    def _open(self, level: int) -> None:
        """Count the next digit of the numbers that begin as those that are sought."""
        self._shift, self._bits = DIGITS[level]
        self._begin, self._which = np.unique(self._found, return_inverse=True)
        self._counts = np.zeros(len(self._begin) << self._bits, np.int64)
        self._level = level

    def add(self, numbers: Numbers) -> None:
        """More of the stream."""
        keys = keys_of(numbers) >> np.uint64(self._shift)
        at: Int[np.ndarray, " _"] | int = 0
        if self._level:
            begins = keys >> np.uint64(self._bits)
            at = np.minimum(np.searchsorted(self._begin, begins), len(self._begin) - 1)
            inside = self._begin[at] == begins
            at, keys = at[inside] << self._bits, keys[inside]
        digits = (keys & np.uint64((1 << self._bits) - 1)).astype(np.int64)
        self._counts += np.bincount(digits + at, minlength=len(self._counts))

    def narrow(self) -> None:
        """At the end of the stream: the next digit is known."""
        up_to = self._counts.reshape(-1, 1 << self._bits).cumsum(axis=1)
        for i, row in enumerate(self._which):
            digit = int(np.searchsorted(up_to[row], self._left[i], side="right"))
            self._left[i] -= up_to[row, digit - 1] if digit else 0
            self._found[i] = self._found[i] << np.uint64(self._bits) | np.uint64(digit)
        if self._level + 1 < len(DIGITS):
            self._open(self._level + 1)

    @property
    def numbers(self) -> Numbers:
        """What was sought, when all digits are known."""
        return _numbers_of(self._found)


def at_ranks(streams: Callable[[], Iterable[Sequence[Numbers]]], ranks: Sequence[Sequence[int]]) -> list[Numbers]:
    """Of several streams that run together the numbers of some ranks, from 0 for the smallest."""
    sought = [Sought(some) for some in ranks]
    for _ in DIGITS if any(len(some) for some in ranks) else ():
        for stretches in streams():
            for one, numbers in zip(sought, stretches, strict=True):
                if len(one.numbers):
                    one.add(numbers)
        for one in sought:
            if len(one.numbers):
                one.narrow()
    return [one.numbers for one in sought]


def medians(streams: Callable[[], Iterable[Sequence[Numbers]]], sizes: Sequence[int]) -> list[float | None]:
    """The median of each of several streams, whose sizes are known; None of one without numbers."""
    below = [(n - 1) // 2 for n in sizes]
    found = at_ranks(streams, [[i, n - 1 - i] if n else [] for i, n in zip(below, sizes, strict=True)])
    return [float(np.median(middle)) if len(middle) else None for middle in found]


def quantile(stream: Callable[[], Iterable[Numbers]], n: int, q: float) -> float:
    """`numpy.quantile` of n numbers, which is between two of them."""
    place = q * (n - 1)
    below = int(place)
    (pair,) = at_ranks(lambda: ((numbers,) for numbers in stream()), [[below, min(below + 1, n - 1)]])
    return float(np.quantile(pair, place - below))


# ---- ranks


def shares(stream: Callable[[], Iterable[Labelled]], positives: int, negatives: int) -> Iterator[Numbers]:
    """Of each number, in stretches like the stream's: of a positive one the share of negatives below it, of a negative
    one the share of positives above it; half of those that are equal."""
    if positives + negatives <= HELD:
        return _shares_of_few(list(stream()), (positives, negatives))
    return _shares_of_many(stream, (positives, negatives))


def _shares_of_few(stretches: list[Labelled], sizes: tuple[int, int]) -> Iterator[Numbers]:
    numbers, positive = (np.concatenate(columns) for columns in zip(*stretches, strict=True))
    told, _ = _ranked(numbers, positive, (0, 0), sizes)
    yield from np.split(told, np.cumsum([len(some) for some, _ in stretches])[:-1])


def _shares_of_many(stream: Callable[[], Iterable[Labelled]], sizes: tuple[int, int]) -> Iterator[Numbers]:
    """Buckets of neighbouring values go to disk, are ranked one by one, and are read again in the stream's order."""
    bucket_of, rows = _buckets(stream)
    starts = np.cumsum(rows) - rows
    kept = Stored({"number": np.dtype(np.float64), "positive": np.dtype(bool)}, int(rows.sum()))
    filled = starts.copy()
    for numbers, positive in stream():
        for bucket, at in _dealt(bucket_of, numbers):
            kept.put("number", int(filled[bucket]), numbers[at])
            kept.put("positive", int(filled[bucket]), positive[at])
            filled[bucket] += len(at)
    below = (0, 0)
    for start, size in zip(starts, rows, strict=True):
        below = _rank(kept, int(start), int(start + size), below, sizes)
    taken = starts.copy()
    for numbers, _ in stream():
        told = np.empty(len(numbers))
        for bucket, at in _dealt(bucket_of, numbers):
            told[at] = kept.read("number", int(taken[bucket]), int(taken[bucket]) + len(at))
            taken[bucket] += len(at)
        yield told


def _buckets(
    stream: Callable[[], Iterable[Labelled]],
) -> tuple[Int[np.ndarray, " digits"], Int[np.ndarray, " buckets"]]:
    """The bucket of each first digit of a key, and how many numbers each bucket gets: about `HELD`."""
    shift, bits = DIGITS[0]
    counts = np.zeros(1 << bits, np.int64)
    for numbers, _ in stream():
        counts += np.bincount((keys_of(numbers) >> np.uint64(shift)).astype(np.int64), minlength=len(counts))
    bucket_of, bucket, size = np.zeros(len(counts), np.int64), 0, 0
    for digit in np.flatnonzero(counts):
        if size and size + counts[digit] > HELD:
            bucket, size = bucket + 1, 0
        bucket_of[digit], size = bucket, size + counts[digit]
    return bucket_of, np.bincount(bucket_of, weights=counts, minlength=bucket + 1).astype(np.int64)


def _dealt(bucket_of: np.ndarray, numbers: Numbers) -> Iterator[tuple[int, Int[np.ndarray, " _"]]]:
    """Each bucket with the places of its numbers, in order."""
    buckets = bucket_of[(keys_of(numbers) >> np.uint64(DIGITS[0][0])).astype(np.int64)]
    order = np.argsort(buckets, kind="stable")
    there, starts = np.unique(buckets[order], return_index=True)
    yield from zip(there.tolist(), np.split(order, starts[1:]), strict=True)


def _rank(kept: Stored, start: int, stop: int, below: tuple[int, int], sizes: tuple[int, int]) -> tuple[int, int]:
    """Put shares in the place of a bucket's numbers; returns how many positives and negatives lie below the next."""
    if stop - start <= HELD:
        told, below = _ranked(kept.read("number", start, stop), kept.read("positive", start, stop), below, sizes)
        kept.put("number", start, told)
        return below
    pairs = list(pairwise([*range(start, stop, STRETCH), stop]))
    ranks = _Ranks(((kept.read("number", a, b), kept.read("positive", a, b)) for a, b in pairs), below)
    for a, b in pairs:
        kept.put("number", a, ranks.shares(kept.read("number", a, b), kept.read("positive", a, b), sizes))
    return ranks.below_next


def _ranked(
    numbers: Numbers, positive: Bool[np.ndarray, " _"], below: tuple[int, int], sizes: tuple[int, int]
) -> tuple[Numbers, tuple[int, int]]:
    """The shares of numbers that are held, and how many positives and negatives lie below what comes behind them."""
    order = np.argsort(numbers, kind="stable")
    values, is_positive = numbers[order], positive[order]
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])  # of each run of equal numbers
    run, share = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(values)])), np.empty(len(numbers))
    tied = [np.add.reduceat(np.int64(is_positive == kind), starts) for kind in (True, False)]
    positives, negatives = (first + counts.cumsum() - counts / 2 for first, counts in zip(below, tied, strict=True))
    share[order] = np.where(is_positive, negatives[run] / sizes[1], 1 - positives[run] / sizes[0])
    return share, (below[0] + int(tied[0].sum()), below[1] + int(tied[1].sum()))


class _Ranks:
    """The different numbers of some stretches, and how many positives and negatives lie below each (equal ones half).

    Many equal numbers are one: what a bucket takes depends on how many different ones it has.
    """

    def __init__(self, stretches: Iterable[Labelled], below: tuple[int, int]) -> None:
        values, tied = np.empty(0), np.zeros((2, 0), np.int64)
        for numbers, positive in stretches:
            joined, place = np.unique(np.concatenate([values, numbers]), return_inverse=True)
            more = np.zeros((2, len(joined)), np.int64)
            for row, these in enumerate((positive, ~positive)):
                more[row] = np.bincount(place[len(values) :][these], minlength=len(joined))
            more[:, place[: len(values)]] += tied
            values, tied = joined, more
        up_to = tied.cumsum(axis=1)
        self._values = values
        self._below = [offset + up_to[row] - tied[row] / 2 for row, offset in enumerate(below)]
        self.below_next = below[0] + int(tied[0].sum()), below[1] + int(tied[1].sum())

    def shares(self, numbers: Numbers, positive: Bool[np.ndarray, " _"], sizes: tuple[int, int]) -> Numbers:
        """Of numbers that are among them, as `shares` tells them."""
        at = np.searchsorted(self._values, numbers)
        positives, negatives = self._below
        return np.where(positive, negatives[at] / sizes[1], 1 - positives[at] / sizes[0])
