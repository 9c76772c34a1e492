"""The plain reference for `engine.py`: two single-token reads for every token, nothing proposed, nothing rewound.

At each position both models read the same prefix; the host speaks; where the arm's gate fires, the writer's token
stands instead. What the engine emits is tested against this; what it saves is counted against this. And it is how
models are decoded that cannot be rewound, those of a batch then having prompts of one length (steps.py).
"""

from collections import deque
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.decoding.arms import Arm, History, Opinions, View, opinions
from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.noise import Noise, response_key
from rlprobe.decoding.steps import Steps, alike
from rlprobe.decoding.tasks import SILENT, Counts, DecodingSettings, Players, Response, Task, Watch, padded
from rlprobe.measures.head import Head
from rlprobe.pairs.model import Model, Way
from rlprobe.records import Made, Stop


@torch.no_grad()
def decode_in_lockstep(players: Players, arm: Arm, tasks: Sequence[Task], settings: DecodingSettings) -> list[Response]:
    """The arm's response to each task, `settings.rows` of them at a time; a batch ends with its longest response."""
    responses: list[Response | None] = [None] * len(tasks)
    todo = deque(range(len(tasks)))
    Lockstep(players, arm, tasks, settings, SILENT, Counts()).run(settings.rows, todo, responses)
    return [response for response in responses if response is not None]


class Lockstep:
    """The loop over batches; what it is made of and asked is as in the engine."""

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
        self.heads = [Head.of(model) for model in players.models]

    def run(self, rows: int, todo: deque[int], responses: list[Response | None]) -> None:
        """Decode everything in `todo`, filing the responses of a batch as it ends."""
        numbers = list(todo)
        todo.clear()
        lengths = [0 if self.players.rewind else len(self.tasks[number].prompt_ids) for number in numbers]
        alone = any(model.way is Way.ALONE for model in self.players.models)
        for batch in alike(lengths, 1 if alone else rows):
            of_batch = self._batch([self.tasks[numbers[i]] for i in batch])
            for i, response in zip(batch, of_batch, strict=True):
                responses[numbers[i]] = response

    def _batch(self, tasks: Sequence[Task]) -> list[Response]:
        responses = [Response(made=Made.LOCKSTEP) for _ in tasks]
        readers = [_Reader(model, len(tasks)) for model in self.players.models]
        going = list(range(len(tasks)))
        ids, counts = padded([list(task.prompt_ids) for task in tasks])
        self.counts.prompts_read += len(readers) * int((counts - 1).sum())
        while going:
            hidden = [reader.read(ids, counts) for reader in readers]
            self._count(len(readers), len(going))
            opinion = self._opinions(hidden, tasks, responses)
            gated, emitted = opinion.settle(self.arm, _history(tasks, responses))
            for r in going:
                self._append(responses[r], r, opinion, bool(gated[r]), int(emitted[r]))
            self.watch.tokens(len(going))
            going = [r for r in going if not _ended(responses[r], tasks[r], self.settings)]
            ids = self.players.vocabulary.ids[emitted][:, None]
            counts = torch.ones(len(tasks), dtype=torch.long)
        return responses

    def _count(self, models: int, rows: int) -> None:
        self.counts.rounds += 1
        self.counts.passes += models
        self.counts.lane_reads += models * rows
        self.counts.tokens_read += models * rows
        self.counts.emitted += rows

    def _opinions(self, hidden: list[Tensor], tasks: Sequence[Task], responses: Sequence[Response]) -> Opinions:
        """What the arm makes of the next position of every row."""
        logits = [head(states) for head, states in zip(self.heads, hidden, strict=True)]
        device = logits[0].device
        keys = [response_key(self.arm.seed, task.problem_id, task.draw) for task in tasks]
        positions = [task.said + len(response.ids) for task, response in zip(tasks, responses, strict=True)]
        view = View(
            host_logits=logits[0],
            donor_logits=logits[-1] if len(logits) == 1 else logits[-1].to(device),
            noise=Noise(torch.tensor(keys, device=device), torch.tensor(positions, device=device)),
            facts=[task.facts for task in tasks],
            sampling=self.arm.sampling,
            donor_stream=self.arm.donor_stream,
            kinds=self.players.kinds,
        )
        return opinions(self.arm, view).on_cpu()

    def _append(self, response: Response, r: int, opinion: Opinions, gated: bool, emitted: int) -> None:
        ids = self.players.vocabulary.ids
        response.ids.append(int(ids[emitted]))
        response.host_ids.append(int(ids[opinion.host_ids[r]]))
        if self.players.donor:
            response.donor_ids.append(int(ids[opinion.donor_ids[r]]))
        response.gated.append(gated)
        response.logprobs.append(float(opinion.logprobs[r, int(emitted == opinion.written[r])]))


class _Reader:
    """One model that reads on in the rows of a batch, through lanes or by steps."""

    def __init__(self, model: Model, rows: int):
        self._lanes = Lanes(model, rows) if model.way is Way.LANES else None
        self._steps = Steps(model)

    def read(self, ids: Int[Tensor, "rows n"], counts: Int[Tensor, " rows"]) -> Float[Tensor, "rows width"]:
        """Append `ids` (right-padded; `counts` of them are real): the hidden states of the last ones."""
        if self._lanes is None:
            return self._steps.read(ids)
        return self._lanes.read(ids, counts)[torch.arange(len(ids)), counts - 1]


def _history(tasks: Sequence[Task], responses: Sequence[Response]) -> History:
    edited, fired = [r.edits for r in responses], [sum(r.gated) for r in responses]
    return History(torch.tensor(edited), torch.tensor(fired), [task.facts for task in tasks])


def _ended(response: Response, task: Task, settings: DecodingSettings) -> bool:
    if response.ids and response.ids[-1] in settings.stop_ids:
        response.stop = Stop.EOS
        return True
    return len(response.ids) >= settings.limit(task.prompt_ids, task.said)
