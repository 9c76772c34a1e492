"""The host's text with few of the donor's tokens in it: one flip, or a chosen set of edits. Ids in, ids out.

An edit is the ordinal n of a disagreement met (from 0): the n-th time that the two argmaxes differ on the text as it
stands, the donor's token is written. So the empty set gives the host's own greedy text, all ordinals the donor's, and
{n} the host's own up to its n-th disagreement, the donor's token there, and the host alone from then on, which is a
flip. A flip needs no donor, since the place is known: the host reads the beginning and goes on, proposing to itself
what either text goes on with.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rlprobe.decoding.arms import Arm, Facts, disagree, donor_argmax, donor_at_ordinals, never
from rlprobe.decoding.engine import SILENT, DecodingSettings, Players, Response, Task, Watch, decode
from rlprobe.records import Stop

Edits = frozenset[int]
ALONE = Arm(never(), donor_argmax())
EDITED = Arm(disagree(), donor_at_ordinals())


@dataclass(frozen=True)
class Ends:
    """One problem: its prompt, and the greedy response of either model."""

    problem_id: str
    prompt_ids: Sequence[int]
    host_ids: Sequence[int]
    donor_ids: Sequence[int]


@dataclass(frozen=True)
class Flip:
    """Another token at one position of the host's own response: at its `ordinal`-th disagreement the donor's."""

    ends: Ends
    ordinal: int
    position: int
    written_id: int

    @property
    def host_id(self) -> int:
        """The token that stood there."""
        return self.ends.host_ids[self.position]

    @property
    def beginning(self) -> list[int]:
        """The response up to and with the token written."""
        return [*self.ends.host_ids[: self.position], self.written_id]

    @property
    def task(self) -> Task:
        """What is left to the host."""
        begun = self.beginning
        known = [self.ends.host_ids, self.ends.donor_ids]
        return Task(self.ends.problem_id, [*self.ends.prompt_ids, *begun], known=known, said=len(begun))


def decode_flips(
    players: Players, flips: Sequence[Flip], settings: DecodingSettings, watch: Watch = SILENT
) -> list[Response]:
    """The whole response of each flip, as long at most as any other. Ids and stop only: nothing else was decoded."""
    tasks = [flip.task for flip in flips]
    going = [task for task in tasks if not _has_ended(task, settings)]
    alone = Players(players.host, None, players.vocabulary)
    rest = iter(decode(alone, ALONE, going, settings, watch)[0])
    nothing = {True: Response(stop=Stop.EOS), False: Response(stop=Stop.LENGTH)}
    ends = [
        nothing[flip.written_id in settings.stop_ids] if _has_ended(task, settings) else next(rest)
        for flip, task in zip(flips, tasks, strict=True)
    ]
    return [Response([*flip.beginning, *end.ids], stop=end.stop) for flip, end in zip(flips, ends, strict=True)]


def decode_edits(
    players: Players, asked: Sequence[tuple[Ends, Edits]], settings: DecodingSettings, watch: Watch = SILENT
) -> list[Response]:
    """The response that each set of edits gives; `gated` marks every disagreement met, and so counts the ordinals."""
    tasks = [
        Task(e.problem_id, e.prompt_ids, known=[e.host_ids, e.donor_ids], facts=Facts(ordinals=edits))
        for e, edits in asked
    ]
    return decode(players, EDITED, tasks, settings, watch)[0]


def every_edit(settings: DecodingSettings) -> Edits:
    """More ordinals than a response can have disagreements."""
    return frozenset(range(settings.max_new_tokens))


def _has_ended(task: Task, settings: DecodingSettings) -> bool:
    return task.prompt_ids[-1] in settings.stop_ids or settings.limit(task.prompt_ids, task.said) <= 0
