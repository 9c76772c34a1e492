"""What reading costs and what is worth it, in counted units: reads of one more token by one model. Knows no models.

A pass has a fixed price, since its weights have to be fetched whatever it reads. A token at depth d of a proposal is
emitted with probability p^d, p being the share of such proposals that was accepted so far; it is worth reading while
that chance is above what reading it costs over what a token has cost of late. (The rule that maximises tokens per
cost: stop where the marginal yield falls below the average one.) Drafts by the host are weighed in the same way.

Costs are counted, never timed: passes of other shapes give other last digits, and a run must not depend on the hour.
So what a pass costs is a constant of the kind of machine. For a model of any size it is about the machine's balance:
the time to fetch a weight over the time to use it once.

    cpu     24     measured: Qwen2.5-0.5B's shape, bfloat16, AVX-512 without tiles, one thread: trunk and head take
                   94 ms and 3.9 ms more a token
    cuda  5000     measured on an H200 (figures/on_gpu.md): a pass takes some 20 ms, of launches, whatever it reads
                   up to 2,048 positions; 4,978 reads of Qwen2.5-1.5B's shape in bfloat16, 15,987 of 0.5B's (it falls as
                   the model grows, to the machine's balance of some 200); so for any other kind of accelerator
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

A_PASS = {"cpu": 24.0, "cuda": 5000.0}
OTHER = A_PASS["cuda"]  # on accelerators of another kind
LONGEST = 32  # tokens proposed from a known text in one round
LONGEST_DRAFT = 8  # tokens that the host drafts in one round where nothing is known
DRAFT = 0  # the kind of proposal that the host drafts; the others are called by how many tokens matched


@dataclass
class Price:
    """What tokens cost, in reads of one more token by one model, and what is worth that.

    `a_pass` is the fixed part of a pass: its weights have to be fetched whatever it reads.
    """

    a_pass: float
    models: int = 2
    cost: float = 0.0
    emitted: float = 0.0
    _seen: dict[int, list[float]] = field(default_factory=dict)

    def of_pass(self, rows: int, width: int) -> float:
        """One pass over `rows` texts, padded to `width` tokens."""
        return self.a_pass + rows * width

    def pay(self, cost: float, emitted: int) -> None:
        """A round is over; older ones fade, so that the price is that of the rows there are now."""
        self.cost, self.emitted = 0.9 * self.cost + cost, 0.9 * self.emitted + emitted

    def of_a_token(self, rows: int) -> float:
        """What an emitted token has cost of late; in the beginning, what it would cost in lock-step."""
        return self.cost / self.emitted if self.emitted else self.models * self.of_pass(rows, 1) / rows

    def learn(self, kind: int, accepted: int, rejected: bool) -> None:
        """So many tokens of a proposal were emitted, and the next one was not (or there was none)."""
        seen = self._counts(kind)
        seen[0] += accepted
        seen[1] += rejected

    def chance(self, kind: int) -> float:
        """That one more token of such a proposal is accepted."""
        accepted, rejected = self._counts(kind)
        return accepted / (accepted + rejected)

    def reach(self, kind: int, rows: int) -> int:
        """How many tokens of such a proposal are worth reading: one read by each model."""
        worth = min(1.0, self.models / self.of_a_token(rows))
        return min(LONGEST, int(math.log(worth) / math.log(self.chance(kind))))

    def draft(self, drafting: int, rows: int) -> int:
        """How many tokens `drafting` rows should draft together: a pass of the host for each, two reads a row."""
        if not drafting:
            return 0
        worth = (self.of_pass(drafting, 1) + drafting) / (drafting * self.of_a_token(rows))
        return min(LONGEST_DRAFT, int(math.log(worth) / math.log(self.chance(DRAFT)))) if worth < 1 else 0

    def _counts(self, kind: int) -> list[float]:
        return self._seen.setdefault(kind, [29.0, 1.0])  # taken for granted: of thirty, one rejected


def groups(widths: Sequence[int], a_pass: float, most: float = math.inf) -> list[list[int]]:
    """Rows 0..n-1 with so many tokens to read each, split into the passes that cost least in all.

    Rows in one pass are padded to its longest; every pass has its fixed cost. Exact, by dynamic programming over the
    rows in order of their widths. A pass of more than `most` positions is then cut into such as hold no more, or one
    row.
    """
    order = sorted(range(len(widths)), key=lambda r: (-widths[r], r))
    # rows of one width are never worth parting, so passes begin and end where the width changes
    borders = [i for i in range(len(order) + 1) if i in (0, len(order)) or widths[order[i - 1]] != widths[order[i]]]
    best: dict[int, tuple[float, int]] = {0: (0.0, 0)}  # of the first i rows: (cost, where their last pass begins)
    for i in borders[1:]:
        costs = ((best[j][0] + a_pass + (i - j) * widths[order[j]], j) for j in borders if j < i)
        best[i] = min(costs)
    found, end = [], len(order)
    while end:
        start = best[end][1]
        found.append(sorted(order[start:end]))
        end = start
    return [part for rows in found[::-1] for part in _cut(rows, most / max(1, *(widths[r] for r in rows)))]


def _cut(rows: list[int], at_once: float) -> list[list[int]]:
    """At most so many rows together, but at least one."""
    step = int(max(1, min(len(rows), at_once)))
    return [rows[start : start + step] for start in range(0, len(rows), step)]
