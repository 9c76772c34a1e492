"""What an arm will probably say next: a known text to the same problem goes on where the arm's last tokens stand in it.

Proposals change how many rounds a response takes, never what it says: nothing here has to be right, only often right.
Knows no models and no prices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlprobe.decoding.prices import DRAFT

MATCHED = 8  # tokens looked at to choose among places that match


@dataclass(frozen=True)
class Proposal:
    """Tokens to come, and how many tokens before them matched."""

    ids: list[int]
    kind: int = DRAFT


class Proposer:
    """Looks for the next tokens of one response in texts that are known."""

    def __init__(self, prompt_ids: Sequence[int], known: Sequence[Sequence[int]]):
        border = list(prompt_ids[-2:])
        self._border = len(border)
        self._texts = [border + list(text) for text in known]
        self._places: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # last two tokens -> (text, index after them)
        for number, text in enumerate(self._texts):
            for i in range(1, len(text)):
                self._places.setdefault((text[i - 1], text[i]), []).append((number, i + 1))
        self._followed: tuple[int, int] | None = None  # where the last proposal would go on

    def propose(self, context: Sequence[int], said: int, most: int) -> Proposal:
        """Up to `most` tokens to come after `context` (prompt and response, whose last `said` tokens are response)."""
        places = [p for p in self._places.get(tuple(context[-2:]), ()) if p[1] < len(self._texts[p[0]])]
        if not places or most <= 0:
            return Proposal([])
        same, (number, index) = max((self._worth(place, context, said), place) for place in places)
        self._followed = (number, index)
        return Proposal(self._texts[number][index : index + most], same[0])

    def follow(self, taken: int) -> None:
        """So many tokens were emitted since the last proposal."""
        if self._followed:
            self._followed = (self._followed[0], self._followed[1] + taken)

    def _worth(self, place: tuple[int, int], context: Sequence[int], said: int) -> tuple[int, bool, int]:
        """By what places are compared: how many tokens match, then the one followed so far, then the nearest."""
        number, index = place
        before = self._texts[number][max(0, index - MATCHED) : index]
        same = 0
        for mine, theirs in zip(reversed(context[-MATCHED:]), reversed(before), strict=False):
            if mine != theirs:
                break
            same += 1
        return same, place == self._followed, -abs(index - self._border - said)
