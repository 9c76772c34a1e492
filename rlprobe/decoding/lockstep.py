"""The plain reference for `engine.py`: two single-token reads for every token, nothing proposed, nothing rewound.

At each position both models read the same prefix; the host speaks; where the arm's gate fires, the writer's token
stands instead. What the engine emits is tested against this; what it saves is counted against this.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from rlprobe.decoding.arms import Arm, History, View, opinions
from rlprobe.decoding.engine import DecodingSettings, Players, Response, Task
from rlprobe.decoding.lanes import Lanes
from rlprobe.decoding.noise import Noise, response_key
from rlprobe.measures.head import Head
from rlprobe.records import Stop


@torch.no_grad()
def decode_in_lockstep(players: Players, arm: Arm, tasks: Sequence[Task], settings: DecodingSettings) -> list[Response]:
    """The arm's response to each task, `settings.rows` of them at a time; a batch ends with its longest response."""
    responses = [Response() for _ in tasks]
    for start in range(0, len(tasks), settings.rows):
        _batch(players, arm, tasks[start : start + settings.rows], settings, responses[start : start + settings.rows])
    return responses


def _batch(
    players: Players, arm: Arm, tasks: Sequence[Task], settings: DecodingSettings, responses: list[Response]
) -> None:
    models = [players.host, players.donor or players.host]
    both = [(Lanes(model, len(tasks)), Head.of(model)) for model in models]
    keys = torch.tensor([response_key(arm.seed, task.problem_id, task.draw) for task in tasks])
    prompts = [torch.tensor(task.prompt_ids) for task in tasks]
    counts = torch.tensor([len(prompt) for prompt in prompts])
    ids = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True)
    while True:
        host_logits, donor_logits = (_next_logits(lanes, head, ids, counts) for lanes, head in both)
        at = torch.tensor([task.said + len(r.ids) for r, task in zip(responses, tasks, strict=True)])
        facts = [task.facts for task in tasks]
        device = host_logits.device
        noise = Noise(keys.to(device), at.to(device))
        donor_logits = donor_logits.to(device)
        view = View(host_logits, donor_logits, noise, facts, arm.sampling, arm.donor_stream, players.kinds)
        opinion = opinions(arm, view).on_cpu()
        edited = [sum(a != b for a, b in zip(r.ids, r.host_ids, strict=True)) for r in responses]
        history = History(torch.tensor(edited), torch.tensor([sum(r.gated) for r in responses]), facts)
        gated, emitted = opinion.settle(arm, history)
        going = []
        for r, (response, task) in enumerate(zip(responses, tasks, strict=True)):
            if _ended(response, task, settings):
                continue
            response.ids.append(int(players.vocabulary.ids[emitted[r]]))
            response.host_ids.append(int(players.vocabulary.ids[opinion.host_ids[r]]))
            if players.donor:
                response.donor_ids.append(int(players.vocabulary.ids[opinion.donor_ids[r]]))
            response.gated.append(bool(gated[r]))
            response.logprobs.append(float(opinion.logprobs[r, int(emitted[r] == opinion.written[r])]))
            going.append(not _ended(response, task, settings))
        if not any(going):
            return
        ids = players.vocabulary.ids[emitted][:, None]
        counts = torch.ones(len(tasks), dtype=torch.long)


def _next_logits(lanes: Lanes, head: Head, ids: Tensor, counts: Tensor) -> Tensor:
    hidden = lanes.read(ids, counts)
    return head(hidden[torch.arange(len(ids)), counts - 1])


def _ended(response: Response, task: Task, settings: DecodingSettings) -> bool:
    if response.ids and response.ids[-1] in settings.stop_ids:
        response.stop = Stop.EOS
        return True
    return len(response.ids) >= settings.limit(task.prompt_ids, task.said)
