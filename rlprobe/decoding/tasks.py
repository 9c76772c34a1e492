"""The nouns of decoding: what is asked (a task, by whom, how), what comes out (a response) and what it took.

Knows no loop: `engine.py` decodes by proposals, `lockstep.py` a token at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Int
from torch import Tensor

from rlprobe.decoding.arms import Facts, History
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.pairs.model import Model, Way
from rlprobe.records import Made, Stop

_NO_MEMORY = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")  # CPU, cuBLAS, driver


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    """What decides a response, besides models, arm and prompt. `rows` responses are decoded at a time."""

    max_new_tokens: int
    rows: int
    stop_ids: frozenset[int]
    context: int  # positions; a response also ends where a model can read no further

    def limit(self, prompt_ids: Sequence[int], said: int = 0) -> int:
        """How many tokens a response to this prompt may have, whose last `said` tokens are response already."""
        return min(self.max_new_tokens - said, self.context - len(prompt_ids))


@dataclass(frozen=True, slots=True)
class Task:
    """One response to be decoded; `known` are earlier responses to the same problem, to propose from.

    Where a response is to go on from a given beginning, that beginning stands at the end of `prompt_ids` and `said` is
    its length: positions and the token limit count from where the response began.
    """

    problem_id: str
    prompt_ids: Sequence[int]
    draw: int = 0
    known: Sequence[Sequence[int]] = ()
    facts: Facts = Facts()  # noqa: RUF009 - frozen
    said: int = 0


@dataclass(slots=True)
class Response:
    """One decoded response: ids, what the host would have said, where the gate fired, and why it ended.

    `logprobs` are the host's of `ids`, in nats, as they were decoded; `donor_ids` what the donor would have said, empty
    where the host was alone.
    """

    ids: list[int] = field(default_factory=list)
    host_ids: list[int] = field(default_factory=list)
    gated: list[bool] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    donor_ids: list[int] = field(default_factory=list)
    stop: Stop = Stop.LENGTH
    made: Made = field(default=Made.ENGINE, compare=False)

    @property
    def edits(self) -> int:
        """How many ids are not what the host would have said."""
        return sum(mine != host for mine, host in zip(self.ids, self.host_ids, strict=True))


@dataclass(slots=True)
class Counts:
    """What decoding took: numbers that no machine's noise can change.

    Lock-step has 2 lane reads a token: one row in one pass of one model is one. Prompts are counted apart: their tokens
    that were read, and those that were copied from another row's cache.
    """

    rounds: int = 0
    passes: int = 0
    lane_reads: int = 0
    tokens_read: int = 0
    emitted: int = 0
    prompts_read: int = 0
    prompts_copied: int = 0

    def add(self, other: "Counts") -> None:
        """Count another's as well."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know: called with the tokens that each round emitted, and with the rows left after a halving."""

    tokens: Callable[[int], None] = lambda _: None
    halved: Callable[[int], None] = lambda _: None


SILENT = Watch()
NO_HISTORY = History(torch.zeros((), dtype=torch.long), torch.zeros((), dtype=torch.long))  # for gates that ask none


@dataclass(frozen=True)
class Players:
    """Who decodes: the host and, unless it is alone, the donor, over the vocabulary that they share.

    `kinds` has the kind of each of its tokens, for gates that ask for it (pairs/kinds.py).
    """

    host: Model
    donor: Model | None
    vocabulary: CommonVocabulary
    kinds: Int[Tensor, " vocab"] | None = None

    @property
    def models(self) -> list[Model]:
        """Who reads: the host, and the donor unless the host is alone."""
        return [self.host, self.donor] if self.donor else [self.host]

    @property
    def rewind(self) -> bool:
        """Whether everybody can: one who cannot makes all go on in lock-step."""
        return all(model.way is Way.LANES for model in self.models)


def fits(work: Callable[[], None]) -> bool:
    """Do the work; False if memory ran out, which is then given back."""
    try:
        work()
        return True
    except RuntimeError as error:  # torch.OutOfMemoryError is one; others who find no memory raise a plain one
        if not isinstance(error, torch.OutOfMemoryError) and not any(words in str(error) for words in _NO_MEMORY):
            raise
    torch.cuda.empty_cache()  # after the except clause: its traceback holds the lanes
    return False


def padded(texts: list[list[int]]) -> tuple[Tensor, Tensor]:
    """(ids right-padded with 0, how many are real)."""
    rows = [torch.tensor(text, dtype=torch.long) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), torch.tensor([len(text) for text in texts])
