"""Decoding by propose, read, commit: tasks in, responses out, through the lanes. Knows no text, no grading and no disk.

What comes out is what `lockstep.py` says: at each position host and donor read the same prefix, the host speaks, and
where the arm's gate fires the writer's token stands instead. But most of an arm's text is known beforehand (it is the
base's or RL's own answer, with edits), so each round

    proposes   the next tokens of a row from known texts (proposals.py), or lets the host draft a few;
    reads      them all in one pass of each model: a pass over k tokens costs far less than k passes over one;
    commits    them up to and including the first that differs from the proposal, and rewinds both models to there.

Greedy decoding of one model is the arm `never` without a donor: unless a text is known, every round reads one token.
A row whose response ends is given the next task at once, so a long response holds up nobody; the rows in use stay at
the front of the lanes. Out of memory halves the lanes, begins the unfinished responses again, and goes on.
"""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.decoding.arms import Arm, History, Opinions, View, donor_argmax, never, opinions
from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.lockstep import Lockstep
from rlprobe.decoding.noise import Noise, response_key
from rlprobe.decoding.prefixes import starts
from rlprobe.decoding.prices import A_PASS, DRAFT, OTHER, Price, groups
from rlprobe.decoding.proposals import Proposer
from rlprobe.decoding.tasks import (
    NO_HISTORY,
    SILENT,
    Counts,
    DecodingSettings,
    Players,
    Response,
    Task,
    Watch,
    fits,
    padded,
)
from rlprobe.errors import RlprobeError
from rlprobe.measures.head import Head
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.pairs.devices import positions_at_once
from rlprobe.pairs.model import Model
from rlprobe.records import Stop

_LOGITS_AT_ONCE = 2**23  # on a CPU: numbers in a slice of logits, but at least 64 positions
_POSITIONS = 16_384  # on a GPU: that a pass may hold; a quarter keeps it busy, and many long prompts would not fit


def decode_greedily(
    model: Model,
    vocabulary: CommonVocabulary,
    prompts: Sequence[Sequence[int]],
    settings: DecodingSettings,
    watch: Watch = SILENT,
) -> list[Response]:
    """The model's own greedy response to each prompt, in the order of the prompts."""
    tasks = [Task(str(i), prompt) for i, prompt in enumerate(prompts)]
    return decode(Players(model, None, vocabulary), Arm(never(), donor_argmax()), tasks, settings, watch)[0]


@torch.no_grad()
def decode(
    players: Players, arm: Arm, tasks: Sequence[Task], settings: DecodingSettings, watch: Watch = SILENT
) -> tuple[list[Response], Counts]:
    """The arm's response to each task, in the order of the tasks, and what it took.

    Models that cannot be rewound decode in lock-step, where nothing need be.
    """
    responses: list[Response | None] = [None] * len(tasks)
    kind: type[_Decoder] | type[Lockstep] = _Decoder if players.rewind else Lockstep
    counts, rows = Counts(), min(settings.rows, len(tasks))
    while todo := deque(i for i, response in enumerate(responses) if response is None):
        decoder = kind(players, arm, tasks, settings, watch, counts)
        if not fits(partial(decoder.run, min(rows, len(todo)), todo, responses)):
            if rows == 1:
                name = players.host.name
                raise RlprobeError(f"{name}: one response alone does not fit in memory; lower --max-new-tokens")
            rows //= 2
            watch.halved(rows)
    return [response for response in responses if response is not None], counts


@dataclass(slots=True)
class _Row:
    """One response under way: `proposal` is this round's, `last` the newest token, which nobody has read yet."""

    number: int
    task: Task
    key: int
    proposer: Proposer
    response: Response
    proposal: list[int] = field(default_factory=list)
    kind: int = DRAFT  # of the proposal

    @property
    def last(self) -> int:
        return self.response.ids[-1] if self.response.ids else self.task.prompt_ids[-1]

    @property
    def position(self) -> int:
        """Of the token to come."""
        return self.task.said + len(self.response.ids)

    @property
    def to_read(self) -> list[int]:
        return [self.last, *self.proposal]

    def append(
        self, ids: list[int], host_ids: list[int], donor_ids: list[int], gated: list[bool], logprobs: list[float]
    ) -> None:
        """Some positions are done."""
        self.response.ids += ids
        self.response.host_ids += host_ids
        self.response.donor_ids += donor_ids
        self.response.gated += gated
        self.response.logprobs += logprobs

    def judged(self, taken: int) -> tuple[int, bool]:
        """(tokens of the proposal that were emitted, whether the next one was not), now that so many were taken."""
        if taken > len(self.proposal):
            return len(self.proposal), False
        rejected = self.last != self.proposal[taken - 1]  # a stop id may have been taken as it was proposed
        return taken - rejected, rejected


class _Decoder:
    """The loop over rounds. Row r of both lanes holds the text of `rows[r]` but for its last token."""

    def __init__(
        self,
        players: Players,
        arm: Arm,
        tasks: Sequence[Task],
        settings: DecodingSettings,
        watch: Watch,
        counts: Counts,
    ):
        self.players, self.arm, self.tasks = players, arm, tasks
        self.settings, self.watch, self.counts = settings, watch, counts
        self.host_head = Head.of(players.host)
        donor = players.donor or players.host
        self.donor_head = Head.of(donor)
        self.rows: list[_Row] = []
        self.price = Price(A_PASS.get(players.host.device.type, OTHER), 2 if players.donor else 1)
        self.round_cost = 0.0

    def run(self, rows: int, todo: deque[int], responses: list[Response | None]) -> None:
        """Decode everything in `todo`, filing each response as it ends."""
        host = Lanes(self.players.host, rows)
        donor = Lanes(self.players.donor, rows) if self.players.donor else None
        both = [lanes for lanes in (host, donor) if lanes]
        while todo or self.rows:
            if new := [todo.popleft() for _ in range(min(rows - len(self.rows), len(todo)))]:
                self._admit(both, new)
            hidden = self._read(host, donor)
            self._commit(both, self._opinions(*hidden))
            self._retire(both, responses)

    # ---- admit -------------------------------------------------------------------------------------------------------

    def _admit(self, both: list[Lanes], new: list[int]) -> None:
        """Take up tasks in the rows after those in use."""
        held = [[*row.task.prompt_ids, *row.response.ids][:-1] for row in self.rows]
        for number in new:
            task = self.tasks[number]
            key = response_key(self.arm.seed, task.problem_id, task.draw)
            prompt = task.prompt_ids[: len(task.prompt_ids) - task.said]
            self.rows.append(_Row(number, task, key, Proposer(prompt, task.known), Response()))
        self._read_prompts(both, held, [list(self.tasks[number].prompt_ids[:-1]) for number in new])

    def _read_prompts(self, both: list[Lanes], held: list[list[int]], prompts: list[list[int]]) -> None:
        """Both models read prompts but for their last tokens; what one has in common with another row is copied."""
        for wave in starts(held, prompts):
            rests = {start.row: prompts[start.row - len(held)][start.shared :] for start in wave}
            unread = {row: rest for row, rest in rests.items() if rest}
            for lanes in both:
                for start in wave:
                    lanes.copy(start.source, start.row, start.shared)
                if unread:
                    self._read_grouped(lanes, list(unread), list(unread.values()))
            self.counts.prompts_read += len(both) * sum(map(len, unread.values()))
            self.counts.prompts_copied += len(both) * sum(start.shared for start in wave)

    # ---- propose and read --------------------------------------------------------------------------------------------

    def _read(self, host: Lanes, donor: Lanes | None) -> tuple[Tensor, Tensor]:
        """One round's reads: the hidden states of host and donor at every position in question, row after row."""
        self.counts.rounds += 1
        self.round_cost = 0.0
        for row in self.rows:
            self._propose(row)
        everyone = list(range(len(self.rows)))
        states = [[state] for state in self._pass(host, everyone, [row.to_read for row in self.rows])]
        if donor is not None:
            self._draft(host, states)
        of_host = torch.cat([state for parts in states for state in parts])
        if donor is None:
            return of_host, of_host
        return of_host, torch.cat(self._pass(donor, everyone, [row.to_read for row in self.rows]))

    def _propose(self, row: _Row) -> None:
        """Look for the next tokens in known texts, as many as are worth reading."""
        text = [*row.task.prompt_ids, *row.response.ids]
        proposal = row.proposer.propose(text, row.position, self._most(row))
        row.kind = proposal.kind
        row.proposal = proposal.ids[: self.price.reach(proposal.kind, len(self.rows))] if proposal.ids else []

    def _draft(self, host: Lanes, states: list[list[Tensor]]) -> None:
        """Where nothing is known let the host go on alone, a token a pass in all such rows, while that is worth it."""
        drafting = [r for r, row in enumerate(self.rows) if not row.proposal and self._most(row) > 0]
        for _ in range(self.price.draft(len(drafting), len(self.rows))):
            drafting = self._draft_a_token(host, drafting, states)
            if not drafting:
                return

    def _draft_a_token(self, host: Lanes, drafting: list[int], states: list[list[Tensor]]) -> list[int]:
        """The rows that go on: a stop id, or the limit, ends a draft."""
        newest = torch.stack([states[r][-1][-1] for r in drafting])
        guesses = dict(zip(drafting, self._host_ids(newest, drafting), strict=True))
        going = [r for r in drafting if self._goes_on(self.rows[r], guesses[r])]
        for r in going:
            self.rows[r].proposal.append(guesses[r])
            self.rows[r].kind = DRAFT
        for r, state in zip(going, self._pass(host, going, [[guesses[r]] for r in going]), strict=True):
            states[r].append(state)
        return going

    def _goes_on(self, row: _Row, guess: int) -> bool:
        """Whether a guess becomes part of the row's draft."""
        return guess not in self.settings.stop_ids and len(row.proposal) < self._most(row)

    def _most(self, row: _Row) -> int:
        """Tokens that may be proposed: the one after the proposal comes for nothing."""
        return self._limit(row) - len(row.response.ids) - 1

    def _pass(self, lanes: Lanes, rows: list[int], texts: list[list[int]]) -> list[Tensor]:
        """Read `texts` in some rows, and count it: the hidden states (tokens, width) of each."""
        hidden, shapes = self._read_grouped(lanes, rows, texts)
        self.counts.passes += len(shapes)
        self.counts.lane_reads += len(rows)
        self.counts.tokens_read += sum(map(len, texts))
        self.round_cost += sum(self.price.of_pass(*shape) for shape in shapes)
        return hidden

    def _read_grouped(
        self, lanes: Lanes, rows: list[int], texts: list[list[int]]
    ) -> tuple[list[Tensor], list[torch.Size]]:
        """The hidden states of each text, in the passes (their shapes are returned) that cost least in all."""
        hidden: list[Tensor] = [torch.empty(0)] * len(rows)
        shapes = []
        most = math.inf if lanes.model.device.type == "cpu" else _POSITIONS
        for group in groups([len(text) for text in texts], self.price.a_pass, most):
            ids, counts = padded([texts[i] for i in group])
            whole = len(group) == len(self.rows)
            read = lanes.read(ids, counts, None if whole else torch.tensor([rows[i] for i in group]))
            for i, state, n in zip(group, read, counts.tolist(), strict=True):
                hidden[i] = state[:n]
            shapes.append(ids.shape)
        return hidden, shapes

    # ---- decide ------------------------------------------------------------------------------------------------------

    def _host_ids(self, hidden: Float[Tensor, "n width"], rows: list[int]) -> list[int]:
        """What the host would say after the proposals of some rows."""
        places = [(self.rows[r], self.rows[r].position + len(self.rows[r].proposal)) for r in rows]
        return self._to_ids(self._view(hidden, hidden, places, alone=True).host_ids)

    def _opinions(self, of_host: Tensor, of_donor: Tensor) -> Opinions:
        """What the arm makes of every position in question, (positions, ...), a slice of positions at a time."""
        places = [(row, row.position + j) for row in self.rows for j in range(len(row.to_read))]
        vocab = len(self.players.vocabulary.ids)
        at_once = positions_at_once(self.players.host.device, vocab, max(64, _LOGITS_AT_ONCE // vocab))
        parts = [
            opinions(self.arm, self._view(of_host[s:e], of_donor[s:e], places[s:e], self.players.donor is None))
            for s, e in _slices(len(places), at_once)
        ]
        return Opinions(*(torch.cat([getattr(p, name) for p in parts]) for name in Opinions.__slots__)).on_cpu()

    def _view(self, of_host: Tensor, of_donor: Tensor, places: list[tuple[_Row, int]], alone: bool) -> View:
        logits = self.host_head(of_host)
        return View(
            host_logits=logits,
            donor_logits=logits if alone else self.donor_head(of_donor).to(logits.device),
            noise=Noise(
                torch.tensor([row.key for row, _ in places], device=logits.device),
                torch.tensor([position for _, position in places], device=logits.device),
            ),
            facts=[row.task.facts for row, _ in places],
            sampling=self.arm.sampling,
            donor_stream=self.arm.donor_stream,
            kinds=self.players.kinds,
        )

    # ---- commit ------------------------------------------------------------------------------------------------------

    def _commit(self, both: list[Lanes], of_all: Opinions) -> None:
        """Append what each row emits up to the first token that was not proposed, and rewind the lanes to there."""
        fired, columns = self._settled(of_all)
        logprobs = torch.where(columns == of_all.written, of_all.logprobs[:, 1], of_all.logprobs[:, 0]).tolist()
        emitted, host_ids, gated = self._to_ids(columns), self._to_ids(of_all.host_ids), fired.tolist()
        donor_ids = self._to_ids(of_all.donor_ids) if self.players.donor else []
        start, rewind = 0, []
        for row in self.rows:
            asked = len(row.proposal) + 1
            taken = self._taken(row, emitted[start : start + asked])
            kept = slice(start, start + taken)
            row.append(emitted[kept], host_ids[kept], donor_ids[kept], gated[kept], logprobs[kept])
            self.price.learn(row.kind, *row.judged(taken))
            row.proposer.follow(taken)
            self.counts.emitted += taken
            rewind.append(asked - taken)
            start += asked
        self.price.pay(self.round_cost, start - sum(rewind))
        self.watch.tokens(start - sum(rewind))
        for lanes in both:
            lanes.lengths[: len(rewind)] -= torch.tensor(rewind)

    def _settled(self, of_all: Opinions) -> tuple[Tensor, Tensor]:
        """(gated, emitted columns) of every position, each given what its row did before it."""
        if not self.arm.asks_history:
            return of_all.settle(self.arm, NO_HISTORY)
        start, parts = 0, []
        for row in self.rows:
            asked = len(row.proposal) + 1
            parts.append(self._settled_in(row, of_all.at(slice(start, start + asked))))
            start += asked
        gated, emitted = zip(*parts, strict=True)
        return torch.cat(gated), torch.cat(emitted)

    def _settled_in(self, row: _Row, asked: Opinions) -> tuple[Tensor, Tensor]:
        """The same for one row. What is done at a position depends on earlier ones alone, so every repetition settles
        one more position, and one that changes nothing has settled them all."""
        edits, fired, facts = row.response.edits, sum(row.response.gated), [row.task.facts] * len(asked.host_ids)
        gated, emitted = torch.zeros_like(asked.host_ids, dtype=torch.bool), asked.host_ids
        while True:
            edited = (emitted != asked.host_ids).long()
            before = History(edits + edited.cumsum(0) - edited, fired + gated.cumsum(0) - gated.long(), facts)
            last, (gated, emitted) = (gated, emitted), asked.settle(self.arm, before)
            if torch.equal(gated, last[0]) and torch.equal(emitted, last[1]):
                return gated, emitted

    def _taken(self, row: _Row, emitted: list[int]) -> int:
        """How many of the emitted tokens follow what was really said: to the first surprise or stop id, inclusive."""
        for n, (token, proposed) in enumerate(zip(emitted, row.proposal, strict=False)):
            if token != proposed or token in self.settings.stop_ids:
                return n + 1
        return len(emitted)

    def _limit(self, row: _Row) -> int:
        return self.settings.limit(row.task.prompt_ids, row.task.said)

    def _to_ids(self, columns: Tensor) -> list[int]:
        return self.players.vocabulary.ids[columns.cpu()].tolist()

    # ---- retire ------------------------------------------------------------------------------------------------------

    def _retire(self, both: list[Lanes], responses: list[Response | None]) -> None:
        """File the responses that have ended, and close the gaps they leave."""
        for r in reversed(range(len(self.rows))):
            row = self.rows[r]
            if row.response.ids[-1] in self.settings.stop_ids:
                row.response.stop = Stop.EOS
            elif len(row.response.ids) < self._limit(row):
                continue
            responses[row.number] = row.response
            last = self.rows.pop()
            if r < len(self.rows):
                self.rows[r] = last
                for lanes in both:
                    lanes.move(len(self.rows), r)


def _slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    for start in range(0, n, size):
        yield start, min(start + size, n)
