"""What an arm will probably say next: a known text to the same problem goes on where the arm's last tokens stand in it.

Proposals change how many rounds a response takes, never what it says: nothing here has to be right, only often right.
Knows no models.
"""

from collections.abc import Sequence

LONGEST = 32  # tokens proposed from a known text in one round
LONGEST_DRAFT = 8  # tokens that the host drafts in one round where nothing is known
_MATCHED = 8  # tokens looked at to choose among places that match


class Proposer:
    """Proposals for one response. Its reach grows while everything is accepted and shrinks to what was."""

    def __init__(self, prompt_ids: Sequence[int], known: Sequence[Sequence[int]]):
        border = list(prompt_ids[-2:])
        self._border = len(border)
        self._texts = [border + list(text) for text in known]
        self._places: dict[tuple[int, ...], list[tuple[int, int]]] = {}  # last two tokens -> (text, index after them)
        for number, text in enumerate(self._texts):
            for i in range(1, len(text)):
                self._places.setdefault((text[i - 1], text[i]), []).append((number, i + 1))
        self._followed: tuple[int, int] | None = None  # where the last proposal would go on
        self._reach, self.draft_reach = 8, 4

    def propose(self, context: Sequence[int], said: int, most: int) -> list[int]:
        """At most `most` tokens to come after `context` (prompt and response, of which `said` tokens are response)."""
        place = self._best_place(context, said)
        if place is None:
            return []
        number, index = place
        proposal = self._texts[number][index : index + min(self._reach, most)]
        self._followed = (number, index)
        return proposal

    def learn(self, proposed: int, accepted: int) -> None:
        """Of so many tokens proposed from a known text, so many were emitted."""
        if proposed:
            self._reach = min(LONGEST, 2 * self._reach) if accepted == proposed else max(2, accepted + 1)
            if self._followed:
                self._followed = (self._followed[0], self._followed[1] + accepted + 1)

    def learn_draft(self, proposed: int, accepted: int) -> None:
        """The same of tokens that the host drafted."""
        if proposed:
            self.draft_reach = (
                min(LONGEST_DRAFT, self.draft_reach + 2) if accepted == proposed else max(2, accepted + 1)
            )

    def _best_place(self, context: Sequence[int], said: int) -> tuple[int, int] | None:
        """The place whose preceding tokens match longest; of equal ones the one followed so far, then the nearest."""
        places = [p for p in self._places.get(tuple(context[-2:]), ()) if p[1] < len(self._texts[p[0]])]
        if not places:
            return None

        def worth(place: tuple[int, int]) -> tuple[int, bool, int]:
            number, index = place
            before = self._texts[number][max(0, index - _MATCHED) : index]
            same = 0
            for mine, theirs in zip(reversed(context[-_MATCHED:]), reversed(before), strict=False):
                if mine != theirs:
                    break
                same += 1
            return same, place == self._followed, -abs(index - self._border - said)

        return max(places, key=worth)
