"""Decoding: prompts in, responses out, through the lanes. Knows no text, no grading and no disk.

Greedy, over the common vocabulary, temperature 1, no generation_config: the ids are a function of the model, the
prompts and settings. A row whose response ends is given the next prompt at once, so a long response holds up nobody;
when none is left, the rows in use are kept together at the front of the lanes. Out of memory halves the lanes, begins
the unfinished responses again, and goes on.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.decoding.lanes import Lanes
from rlprobe.errors import RlprobeError
from rlprobe.measures.head import Head
from rlprobe.measures.ranking import greedy
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.pairs.model import Model
from rlprobe.records import Stop


@dataclass(frozen=True, slots=True)
class DecodingSettings:
    """What decides a response, besides the model and the prompt. `rows` responses are decoded at a time."""

    max_new_tokens: int
    rows: int
    stop_ids: frozenset[int]
    context: int  # positions; a response also ends where the model can read no further


@dataclass(slots=True)
class Response:
    """One decoded response: ids, the host's logprob of each (nats, as it was decoded), and why it ended."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    stop: Stop = Stop.LENGTH


@dataclass(frozen=True, slots=True)
class Watch:
    """Who wants to know: called with the tokens that each pass emitted, and with the rows left after a halving."""

    tokens: Callable[[int], None] = lambda _: None
    halved: Callable[[int], None] = lambda _: None


SILENT = Watch()


@torch.no_grad()
def decode_greedily(
    model: Model,
    vocabulary: CommonVocabulary,
    prompts: Sequence[Sequence[int]],
    settings: DecodingSettings,
    watch: Watch = SILENT,
) -> list[Response]:
    """The model's greedy response to each prompt, in the order of the prompts."""
    responses: list[Response | None] = [None] * len(prompts)
    rows = min(settings.rows, len(prompts))
    while todo := deque(i for i, response in enumerate(responses) if response is None):
        decoder = _Decoder(model, vocabulary, prompts, settings, watch)
        if not _fits(partial(decoder.run, min(rows, len(todo)), todo, responses)):
            if rows == 1:
                raise RlprobeError(f"{model.name}: one response alone does not fit in memory; lower --max-new-tokens")
            rows //= 2
            watch.halved(rows)
    return [response for response in responses if response is not None]


def _fits(work: Callable[[], None]) -> bool:
    """Do the work; False if memory ran out, which is then given back."""
    try:
        work()
        return True
    except RuntimeError as error:  # torch.OutOfMemoryError is one; on a CPU the allocator raises a plain one
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    torch.cuda.empty_cache()  # after the except clause: its traceback holds the lanes
    return False


class _Decoder:
    """The loop over passes. Row r of the lanes decodes the response to prompt `at[r]`, so far `going[r]`."""

    def __init__(
        self,
        model: Model,
        vocabulary: CommonVocabulary,
        prompts: Sequence[Sequence[int]],
        settings: DecodingSettings,
        watch: Watch,
    ):
        self.model, self.vocabulary, self.prompts = model, vocabulary, prompts
        self.settings, self.watch = settings, watch
        self.head = Head(model.head_weight, model.head_bias)
        self.at: list[int] = []
        self.going: list[Response] = []

    def run(self, rows: int, todo: deque[int], responses: list[Response | None]) -> None:
        """Decode everything in `todo`, filing each response as it ends."""
        lanes = Lanes(self.model, rows)
        while todo or self.at:
            if todo and len(self.at) < rows:
                self._admit(lanes, [todo.popleft() for _ in range(min(rows - len(self.at), len(todo)))])
            else:
                self._step(lanes)
            self._retire(lanes, responses)

    def _admit(self, lanes: Lanes, new: list[int]) -> None:
        """Read the prompts of `new` into the rows after those in use, and take each one's first token."""
        first = len(self.at)
        rows = torch.arange(first, first + len(new))
        lanes.lengths[rows] = 0
        self.at += new
        self.going += [Response() for _ in new]
        counts = torch.tensor([len(self.prompts[i]) for i in new])
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(self.prompts[i]) for i in new], batch_first=True)
        hidden = lanes.read(ids, counts, rows)
        self._emit(first, hidden[torch.arange(len(new)), counts - 1])

    def _step(self, lanes: Lanes) -> None:
        """One token for every row in use."""
        last = torch.tensor([[response.ids[-1]] for response in self.going])
        hidden = lanes.read(last, torch.ones(len(last), dtype=torch.long))
        self._emit(0, hidden[:, 0])

    def _emit(self, first: int, hidden: Float[Tensor, "rows width"]) -> None:
        """Append the best token of each row from `first` on."""
        columns, logprobs, _ = greedy(self.head(hidden))
        for response, token, logprob in zip(self.going[first:], self._ids(columns), logprobs.tolist(), strict=True):
            response.ids.append(token)
            response.logprobs.append(logprob)
        self.watch.tokens(len(columns))

    def _ids(self, columns: Int[Tensor, " rows"]) -> list[int]:
        return self.vocabulary.ids[columns.cpu()].tolist()

    def _retire(self, lanes: Lanes, responses: list[Response | None]) -> None:
        """File the responses that have ended, and close the gaps they leave."""
        for row in reversed(range(len(self.at))):
            response = self.going[row]
            if not self._ended(self.at[row], response):
                continue
            responses[self.at[row]] = response
            if row != len(self.at) - 1:
                lanes.move(len(self.at) - 1, row)
                self.at[row], self.going[row] = self.at[-1], self.going[-1]
            self.at.pop()
            self.going.pop()

    def _ended(self, prompt: int, response: Response) -> bool:
        if response.ids[-1] in self.settings.stop_ids:
            response.stop = Stop.EOS
            return True
        limit = min(self.settings.max_new_tokens, self.settings.context - len(self.prompts[prompt]))
        return len(response.ids) >= limit
