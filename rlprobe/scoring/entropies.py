"""How spread out the distribution is that a sampled arm draws from: its mean entropy along its own text.

Both models read the responses again (teacher forcing), and what the arm would say is made from what they say: by one
model alone, or by the redraw that arXiv 2603.22117 publishes. Knows no grades and no disk.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.decoding.arms import Facts, Sampling, View
from rlprobe.decoding.noise import Noise
from rlprobe.measures.head import Head
from rlprobe.pairs.devices import positions_at_once
from rlprobe.pairs.model import Model
from rlprobe.records import Rollout
from rlprobe.scoring.teacher_forcing import response_hidden_states

ROWS = 16  # responses read at once
SLICE = 64  # positions whose distributions exist at once, on a CPU
Says = Callable[[View], Float[Tensor, "n vocab"]]  # the probabilities of what an arm says


def alone(view: View) -> Float[Tensor, "n vocab"]:
    """Of the host, sampled."""
    return view.host_sampled.exp()


def redrawn(tau: float) -> Says:
    """Of `delta_below(τ)` with `donor_draw`: what the host keeps, and the donor's whole distribution for the rest."""

    def says(view: View) -> Float[Tensor, "n vocab"]:
        host, rejected = view.host_sampled.exp(), view.donor - view.host < tau  # the gate's Δ is that at temperature 1
        return host * ~rejected + (host * rejected).sum(-1, keepdim=True) * view.donor_sampled.exp()

    return says


@torch.no_grad()
def mean_entropy(models: tuple[Model, Model], sampling: Sampling, rollouts: Sequence[Rollout], says: Says) -> float:
    """Nats a token, over every position of the responses; `models` are the host and the donor."""
    total, n = 0.0, 0
    for start in range(0, len(rollouts), ROWS):
        group = rollouts[start : start + ROWS]
        hidden = [torch.cat(response_hidden_states(model, group)) for model in models]
        at_once = positions_at_once(hidden[0].device, len(models[0].head_weight), SLICE)
        for at in range(0, len(hidden[0]), at_once):
            logits = [Head.of(m)(states[at : at + at_once]) for m, states in zip(models, hidden, strict=True)]
            said = says(_view(logits[0], logits[1].to(logits[0].device), sampling))
            total += float(torch.special.entr(said).sum())
        n += len(hidden[0])
    return total / max(1, n)


def _view(host: Tensor, donor: Tensor, sampling: Sampling) -> View:
    places = torch.arange(len(host), device=host.device)
    return View(host, donor, Noise(torch.zeros_like(places), places), [Facts()] * len(host), sampling)
