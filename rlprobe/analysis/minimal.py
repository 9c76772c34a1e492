"""Which of many edits does a right answer need? Delta debugging, by sets and verdicts alone. Knows no models.

ddmin of Zeller and Hildebrandt ("Simplifying and isolating failure-inducing input", IEEE TSE 28(2), 2002, §3.3): cut
what is kept into parts; if one part alone is enough, keep it; else if what remains without one part is enough, keep
that; else cut finer. When the parts are single edits and none can be spared, the set is 1-minimal: dropping any one
edit makes the answer wrong, although a smaller set of other edits may exist. What a step must know is asked for all at
once, so that it can be decoded side by side; the first right set counts, so the result is that of trying them in turn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from rlprobe.records import SearchEnd

Edits = frozenset[int]  # ordinals
NONE: Edits = frozenset()


@dataclass
class Search:
    """One search. `kept` is right and shrinks; `tried` holds every verdict known, that NONE is wrong among them."""

    kept: Edits
    tried: dict[Edits, bool]
    most_trials: int
    trials: int = 0
    parts: int = 2
    end: SearchEnd | None = None

    @classmethod
    def start(cls, everything: Edits, right: bool, single: Mapping[int, bool], most_trials: int) -> "Search":
        """A search among all edits, given the verdicts on all of them together and on some alone.

        Where one edit alone is enough there is nothing to search for: no right set is smaller.
        """
        tried = {NONE: False, everything: right} | {frozenset({n}): verdict for n, verdict in single.items()}
        enough = next((frozenset({n}) for n in sorted(single) if single[n]), None)
        end = SearchEnd.ONE_FLIP if enough else None if right and everything else SearchEnd.ORACLE_WRONG
        return cls(enough or everything, tried, most_trials, end=end)

    def untried(self) -> list[Edits]:
        """The sets that the next step must know and does not; none when the search has ended."""
        while self.end is None:
            if len(self.kept) == 1:
                self.end = SearchEnd.ONE_FLIP
            elif wanted := self._step():
                if self.trials + len(wanted) <= self.most_trials:
                    return wanted
                self.end = SearchEnd.STOPPED
        return []

    def learn(self, verdicts: Mapping[Edits, bool]) -> None:
        """Some sets were decoded and judged."""
        self.tried |= verdicts
        self.trials += len(verdicts)

    def _step(self) -> list[Edits]:
        """Keep less, cut finer or end, as far as verdicts are known; or the sets whose verdicts are wanted."""
        pieces = _cut(self.kept, self.parts)
        rests = [self.kept - piece for piece in pieces]
        for sets, parts in ((pieces, 2), (rests, max(self.parts - 1, 2))):
            if wanted := [edits for edits in sets if edits not in self.tried]:
                return wanted
            if right := next((edits for edits in sets if self.tried[edits]), None):
                self.kept, self.parts = right, parts
                return []
        if self.parts == len(self.kept):
            self.end = SearchEnd.MINIMAL
        self.parts = min(2 * self.parts, len(self.kept))
        return []


def _cut(edits: Edits, parts: int) -> list[Edits]:
    """Runs of neighbouring edits, as equal in size as can be."""
    ordered = sorted(edits)
    ends = [len(ordered) * i // parts for i in range(parts + 1)]
    return [frozenset(ordered[start:stop]) for start, stop in pairwise(ends)]
