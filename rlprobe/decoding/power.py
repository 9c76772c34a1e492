"""Draws from p^α over whole texts: what a model would say if it were only sharpened, by Metropolis and Hastings.

Not temperature 1/α, which sharpens each token by itself: here a token that leads to one likely ending gains on one that
leads to many unlikely ones. A chain grows block by block; after each, moves pick a place in its text at random, write
the rest again at temperature 1/α, and keep the better (arXiv 2510.14901). The rule published there leaves out parts of
what it weighs and does not keep p^α; here the whole tails are weighed, and how many places there were to pick from, so
that it does (`log_acceptance`). Texts end in a stop id, or are as long as they may be.

Each chain has two rows of the lanes: its text, and the proposal, which begins as a copy of the text up to the cut.
Knows no grading and no disk.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from rlprobe.decoding.arms import Sampling
from rlprobe.decoding.engine import SILENT, DecodingSettings, Players, Response, Task, Watch, fits, padded
from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.noise import Noise, response_key
from rlprobe.errors import BadInput, IncompatiblePair, RlprobeError
from rlprobe.measures.head import Head
from rlprobe.records import Stop

GOES_BACK = "and every move of the power sampler goes back in its text: sample it without --power"


@dataclass(frozen=True)
class Power:
    """The target p^alpha; texts grow by `block` tokens, and after each block come so many `moves`."""

    alpha: float
    block: int = 192
    moves: int = 10

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise BadInput(f"power {self.alpha} is no finite number above 0")
        if self.block < 1 or self.moves < 1:
            raise BadInput(f"a power sampler with blocks of {self.block} tokens and {self.moves} moves does not move")

    @property
    def spec(self) -> str:
        """As the name of an arm has it."""
        return f"power({self.alpha:g}) x block={self.block},moves={self.moves}"

    @property
    def proposal(self) -> Sampling:
        """How tails are proposed: token by token, at temperature 1 / alpha."""
        return Sampling(1 / self.alpha)


@dataclass(slots=True)
class Text:
    """Ids, and of each the log-probability that the model gives it (`logp`) and that the proposal gave it (`logq`)."""

    ids: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    logq: list[float] = field(default_factory=list)

    def up_to(self, cut: int) -> "Text":
        """Its first tokens."""
        return Text(self.ids[:cut], self.logp[:cut], self.logq[:cut])

    def add(self, token: int, logp: float, logq: float) -> None:
        """One token more."""
        self.ids.append(token)
        self.logp.append(logp)
        self.logq.append(logq)


def log_acceptance(alpha: float, old: Text, new: Text, cut: int) -> float:
    """log A of a move from `old` to `new`, which are the same up to `cut`; it is taken with probability min(1, A).

    A = p(new)^α / p(old)^α · q(old) / q(new) · |old| / |new|, whole tails on both sides: the cut was one of |old|
    places here, and would be one of |new| on the way back. So p^α stays what it is, move by move (detailed balance).
    """
    gained = math.fsum(new.logp[cut:]) - math.fsum(old.logp[cut:])
    back = math.fsum(old.logq[cut:]) - math.fsum(new.logq[cut:])
    return alpha * gained + back + math.log(len(old.ids)) - math.log(len(new.ids))


@dataclass(slots=True)
class Effort:
    """What a chain took: tokens drawn, moves tried and taken, and tokens drawn that became part of its text."""

    generated: int = 0
    moves: int = 0
    accepted: int = 0
    kept: int = 0


@torch.no_grad()
def decode_power(
    players: Players, power: Power, seed: int, tasks: Sequence[Task], settings: DecodingSettings, watch: Watch = SILENT
) -> list[tuple[Response, Effort]]:
    """The host's draw of p^alpha for each task, in the order of the tasks, and what each took.

    Raises IncompatiblePair where the host cannot be rewound: every move goes back to a place in the text.
    """
    if not players.rewind:
        raise IncompatiblePair(f"{players.host.name} cannot be rewound, {GOES_BACK}")
    found: list[tuple[Response, Effort] | None] = [None] * len(tasks)
    rows = min(settings.rows, len(tasks))
    while todo := deque(i for i, each in enumerate(found) if each is None):
        sampler = _Sampler(players, power, seed, tasks, settings, watch)
        if not fits(partial(sampler.run, min(rows, len(todo)), todo, found)):
            if rows == 1:
                raise RlprobeError(f"{players.host.name}: one chain does not fit in memory; lower --max-new-tokens")
            rows //= 2
            watch.halved(rows)
    return [each for each in found if each is not None]


@dataclass(slots=True)
class _Chain:
    """One text under way, and the proposal that is being written; `move` 0 is the growth of a block."""

    number: int
    task: Task
    limit: int  # tokens that the text may have in the end
    text: Text = field(default_factory=Text)
    growing: Text = field(default_factory=Text)
    cut: int = 0
    block: int = 1
    move: int = 0
    effort: Effort = field(default_factory=Effort)

    @property
    def last(self) -> int:
        """The newest token of the proposal, which nobody has read yet."""
        return self.growing.ids[-1] if self.growing.ids else self.task.prompt_ids[-1]

    def key(self, seed: int) -> int:
        """Of the noise of this move alone."""
        return response_key(seed, f"{self.task.problem_id}/{self.block}.{self.move}", self.task.draw)

    def most(self, power: Power) -> int:
        """Tokens that the text may have in this block."""
        return min(self.limit, self.block * power.block)


class _Sampler:
    """The loop over tokens. Row r of the lanes holds the proposal of `chains[r]`, row r + `rows` its text."""

    def __init__(
        self,
        players: Players,
        power: Power,
        seed: int,
        tasks: Sequence[Task],
        settings: DecodingSettings,
        watch: Watch,
    ):
        self.players, self.power, self.seed = players, power, seed
        self.tasks, self.settings, self.watch = tasks, settings, watch
        self.head, self.proposal = Head.of(players.host), power.proposal
        self.chains: list[_Chain] = []

    def run(self, rows: int, todo: deque[int], found: list[tuple[Response, Effort] | None]) -> None:
        """Draw everything in `todo`, filing each text as it is done."""
        self.rows, self.lanes = rows, Lanes(self.players.host, 2 * rows)
        while todo or self.chains:
            if new := [todo.popleft() for _ in range(min(rows - len(self.chains), len(todo)))]:
                self._admit(new)
            self._write_a_token()
            self._settle([r for r, chain in enumerate(self.chains) if self._is_whole(chain, chain.growing)])
            self._retire(found)

    def _admit(self, new: list[int]) -> None:
        """Take up tasks in the rows after those in use: their prompts are read but for the last token."""
        rows = torch.arange(len(self.chains), len(self.chains) + len(new))
        tasks = [self.tasks[number] for number in new]
        self.chains += [
            _Chain(i, task, self.settings.limit(task.prompt_ids)) for i, task in zip(new, tasks, strict=True)
        ]
        self.lanes.lengths[rows] = 0
        ids, counts = padded([list(task.prompt_ids[:-1]) for task in tasks])
        if ids.shape[1]:
            self.lanes.read(ids, counts, rows)

    def _write_a_token(self) -> None:
        """Every proposal has one more token."""
        n = len(self.chains)
        read = self.lanes.read(torch.tensor([[c.last] for c in self.chains]), torch.ones(n, dtype=torch.long))
        logits = self.head(read[:, 0])
        noise = self._noise(self.chains, [len(chain.growing.ids) for chain in self.chains], logits.device)
        columns = self.proposal.draw(logits, noise, "draw")
        of_each = (torch.log_softmax(logits, -1), self.proposal.logprobs(logits))
        logp, logq = (all_of.gather(1, columns[:, None])[:, 0].tolist() for all_of in of_each)
        ids = self.players.vocabulary.ids[columns.cpu()].tolist()
        for chain, *token in zip(self.chains, ids, logp, logq, strict=True):
            chain.growing.add(*token)
            chain.effort.generated += 1
        self.watch.tokens(n)

    def _noise(self, chains: Sequence[_Chain], positions: Sequence[int], device: torch.device) -> Noise:
        keys = torch.tensor([chain.key(self.seed) for chain in chains], device=device)
        return Noise(keys, torch.tensor(positions, device=device))

    def _is_whole(self, chain: _Chain, text: Text) -> bool:
        """Whether a text has ended, or is as long as it may be in its block."""
        ended = bool(text.ids) and text.ids[-1] in self.settings.stop_ids
        return ended or len(text.ids) >= chain.most(self.power)

    def _settle(self, whole: list[int]) -> None:
        """Take or leave proposals that are written, and begin the next ones."""
        chains = [self.chains[r] for r in whole]
        luck = self._noise(chains, [0] * len(chains), torch.device("cpu")).uniform("accept").tolist() if chains else []
        for r, chain, number in zip(whole, chains, luck, strict=True):
            if self._is_taken(chain, number):
                chain.effort.kept += len(chain.growing.ids) - chain.cut
                chain.text = chain.growing
                self.lanes.move(r, r + self.rows)
            if self._begin_next(chain):
                self.lanes.copy(r + self.rows, r, len(chain.task.prompt_ids) + chain.cut - 1)

    def _is_taken(self, chain: _Chain, number: float) -> bool:
        """A block's growth always is; a move as its acceptance says."""
        if chain.move == 0:
            return True
        log_a = log_acceptance(self.power.alpha, chain.text, chain.growing, chain.cut)
        taken = number < math.exp(min(0.0, log_a))
        chain.effort.moves += 1
        chain.effort.accepted += taken
        return taken

    def _begin_next(self, chain: _Chain) -> bool:
        """The next move, or the next block's growth; False when there is neither. A text that has ended grows no more,
        and is moved on with in every block to come, which allows longer ones."""
        chain.move += 1
        if chain.move > self.power.moves:
            if chain.most(self.power) == chain.limit:
                return False
            chain.block, chain.move = chain.block + 1, 0
            if self._is_whole(chain, chain.text):
                chain.move = 1
        chain.cut = self._cut(chain) if chain.move else len(chain.text.ids)
        chain.growing = chain.text.up_to(chain.cut)
        return True

    def _cut(self, chain: _Chain) -> int:
        """One of the places of the text, each as likely."""
        number = float(self._noise([chain], [0], torch.device("cpu")).uniform("gate"))
        return int(number * len(chain.text.ids))

    def _retire(self, found: list[tuple[Response, Effort] | None]) -> None:
        """File the chains that have made all their moves, and close the gaps they leave."""
        for r in reversed(range(len(self.chains))):
            chain = self.chains[r]
            if chain.move <= self.power.moves:
                continue
            found[chain.number] = (self._response(chain.text), chain.effort)
            last = self.chains.pop()
            if r < len(self.chains):
                self.chains[r] = last
                self.lanes.move(len(self.chains), r)
                self.lanes.move(len(self.chains) + self.rows, r + self.rows)

    def _response(self, text: Text) -> Response:
        ended = text.ids[-1] in self.settings.stop_ids
        alone = [False] * len(text.ids)
        return Response(text.ids, list(text.ids), alone, text.logp, stop=Stop.EOS if ended else Stop.LENGTH)
