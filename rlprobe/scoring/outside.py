"""How much of their probability the two models put outside the common vocabulary, and when that is too much.

Numbers of a pair are taken over the tokens that both models have. Where one of them says much that the other cannot
(an added <think>), those numbers describe something that neither model does; so the mean is watched from the first
shard on. Knows token tables and the ids; knows no disk.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from rlprobe.errors import IncompatiblePair
from rlprobe.pairs.loading import LocatedPair
from rlprobe.records import MEMBERS

_NAMED = 3  # ids that a refusal names


@dataclass
class Outside:
    """The running means over the tables added; `allowed` is the largest mean that is put up with."""

    located: LocatedPair
    allowed: float
    positions: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(MEMBERS, 0.0))

    @property
    def idle(self) -> bool:
        """Whether both heads hold common ids alone, so that there is nothing to watch."""
        return self.located.vocabulary.is_whole

    def add(self, table: pa.Table, by_row: dict[str, Tensor] | None = None) -> None:
        """Count a token table. Raises IncompatiblePair, naming ids where `by_row` tells them, if it is too much."""
        if self.idle:
            return
        self.positions += len(table)
        for member in MEMBERS:
            self.sums[member] += float(pc.sum(table[f"outside_{member}"]).as_py() or 0.0)
            mean = self.sums[member] / max(1, self.positions)
            if mean > self.allowed:
                raise IncompatiblePair(
                    f"{member} puts {100 * mean:.2g} % of its probability on ids outside the common vocabulary (mean "
                    f"of {self.positions} positions{self._most(member, by_row or {})}); numbers over the common ids "
                    f"would not be about this model: --max-outside {self.allowed:g} is the most that is put up with"
                )

    def _most(self, member: str, by_row: dict[str, Tensor]) -> str:
        """The ids that hold most of it, in words."""
        if member not in by_row:
            return ""
        source = {"base": self.located.base, "rl": self.located.rl}[member]
        ids = self.located.vocabulary.outside(self.located.head_rows[member])
        best = by_row[member].topk(min(_NAMED, len(ids))).indices
        return ", most of it on " + ", ".join(_named(source.tokenizer, int(ids[i])) for i in best)


def _named(tokenizer: object, i: int) -> str:
    token = {number: token for token, number in tokenizer.get_vocab().items()}.get(i)  # type: ignore[attr-defined]
    return f"{i} {token!r}" if token is not None else f"{i} (a row without a token)"
