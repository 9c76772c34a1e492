"""The two loops of our own: responses are drawn once, by a model that is not trained, and an adapter learns from them.

ReasonMaxxer: the base's responses to problems of which it solves some. KL-LoRA: the teacher's responses. Both read the
full vocabulary in slices through TRL's kernel (an internal of TRL: a test compares it with torch).
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.nn.utils import clip_grad_norm_
from trl.kernels.chunked_divergence import ChunkedDivergenceFunction

from rlprobe import storage
from rlprobe.errors import BadInput
from rlprobe.measures.head import Head
from rlprobe.training.grpo import STATE, advantages, keep_state, take_state
from rlprobe.training.job import Job
from rlprobe.training.losses import ADVANTAGE_CLIP, contrast, learned_positions
from rlprobe.training.sequences import Ids
from rlprobe.training.states import best, entropy, head_of, over_vocabulary, response_states

ROLLOUTS = "rollouts.jsonl"


class Told(NamedTuple):
    """A response to learn from, and how much better it did than the others of its problem."""

    prompt_ids: Ids
    ids: Ids
    advantage: float


def gather(job: Job, network: Any) -> list[list[tuple[Ids, Ids, float]]]:
    """(prompt, response, reward) of every round: each problem is asked once, until the tokens are spent.

    A round is a line of a file, so that a kill loses at most one.
    """
    file, how = job.folder / ROLLOUTS, job.how
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    lines = [line for line in text.splitlines(keepends=True) if line.endswith("\n")]
    storage.write(file, lambda path: path.write_text("".join(lines), encoding="utf-8"))
    rounds = [[(prompt, ids, reward) for prompt, ids, reward in json.loads(line)] for line in lines]
    job.log.resume(lambda line: line.get("round", 0) <= len(rounds))
    job.log.generated = sum(len(ids) for one in rounds for _, ids, _ in one)
    shuffled = torch.randperm(len(job.tasks), generator=torch.Generator().manual_seed(how.seed)).tolist()
    for number in range(len(rounds), -(-len(job.tasks) // how.prompts)):
        if job.is_spent:
            break
        tasks = [job.tasks[at] for at in shuffled[number * how.prompts : (number + 1) * how.prompts]]
        sampled = job.draw(network, tasks, number + 1)
        rewards = job.reward(sampled)
        prompts = [task.prompt_ids for task in tasks for _ in range(how.samples)]
        rounds.append([(p, each.ids, r) for p, each, r in zip(prompts, sampled, rewards, strict=True)])
        storage.append(file, json.dumps(rounds[-1]) + "\n")
        job.log.write(
            step=0,
            round=number + 1,
            reward=sum(rewards) / len(rewards),
            length=sum(len(each.ids) for each in sampled) / len(sampled),
            cut=1 - sum(each.ended for each in sampled) / len(sampled),
        )
    return rounds


def divergence(student: Tensor, of_student: Head, teacher: Tensor, of_teacher: Head) -> tuple[Tensor, Tensor]:
    """KL(teacher ‖ student) of each position from hidden states, with its gradient; and the student's entropy."""
    return ChunkedDivergenceFunction.apply(
        *(student, of_student.weight, of_student.bias, teacher, of_teacher.weight, of_teacher.bias),
        *(0.0, 1.0),  # forward KL, at temperature 1
        *(of_student.formula.scale, of_student.formula.cap, of_teacher.formula.scale, of_teacher.formula.cap),
    )


def logits_of(head: Head, hidden: Tensor) -> Tensor:
    """Float32 logits with their gradient, of a few positions."""
    bias = None if head.bias is None else head.bias.float()
    logits = linear(hidden.float(), head.weight.float(), bias) * head.formula.scale
    cap = head.formula.cap
    return logits if cap is None else cap * torch.tanh(logits / cap)


# ---- ReasonMaxxer ----------------------------------------------------------------------------------------------------


def reasonmaxxer(job: Job) -> None:
    """Draw from the base, keep the problems with right and wrong responses, and learn where the base is uncertain."""
    with job.network.disable_adapter():
        rounds = gather(job, job.network)
    told = mixed(rounds, job.how.samples)
    learn(job, told, lambda rows: contrast_loss(job, rows))


def mixed(rounds: Sequence[Sequence[tuple[Ids, Ids, float]]], samples: int) -> list[Told]:
    """The responses to problems that were answered rightly and wrongly, advantages cut at ±2.5; BadInput for none."""
    flat = [each for one in rounds for each in one]
    groups = [flat[start : start + samples] for start in range(0, len(flat), samples)]
    found = []
    for group in groups:
        rewards = torch.tensor([reward for *_, reward in group])
        if rewards.min() < rewards.max():
            gained = advantages(rewards, samples).clamp(-ADVANTAGE_CLIP, ADVANTAGE_CLIP).tolist()
            found += [Told(prompt, ids, a) for (prompt, ids, _), a in zip(group, gained, strict=True)]
    if not found:
        right = sum(group[0][2] > 0 for group in groups)
        raise BadInput(
            f"none of the {len(groups)} problems has both right and wrong responses ({right} are always right, "
            f"{len(groups) - right} never), so there is nothing to contrast: choose other problems, another --style, "
            "more --samples, or a larger --max-new-tokens"
        )
    return found


def contrast_loss(job: Job, rows: Sequence[Told]) -> tuple[Tensor, dict[str, float], int]:
    """The loss of a few responses, its parts, and how many tokens it has a term for."""
    network, own = job.network, job.own
    head = head_of(network)
    prompts, responses = [row.prompt_ids for row in rows], [row.ids for row in rows]
    with torch.no_grad(), network.disable_adapter():
        before, mask, chosen = response_states(network, prompts, responses)
    after, _, _ = response_states(network, prompts, responses)
    uncertain = torch.zeros_like(mask)
    uncertain[mask] = over_vocabulary(head, before[mask], entropy) > own["tau"]
    gained = torch.tensor([row.advantage for row in rows], device=mask.device)[:, None].expand_as(mask)[uncertain]
    logprobs = torch.log_softmax(logits_of(head, after[uncertain]), dim=-1)
    said = logprobs.gather(-1, chosen[uncertain][:, None])[:, 0]
    decided = contrast(said, gained, own["floor"])
    kl, entropies = divergence(after[mask & ~uncertain], head, before[mask & ~uncertain], head)
    anchored = kl.mean() if len(kl) else kl.sum()
    loss = decided + own["strength"] * anchored
    figures = {
        "loss": loss.item(),
        "decided": decided.item(),
        "kl": anchored.item(),
        "gated": (uncertain.sum() / mask.sum()).item(),
        "entropy": ((entropies.sum() - (logprobs.exp() * logprobs).sum()) / mask.sum()).item(),
    }
    return loss, figures, int(mask.sum())


# ---- KL-LoRA ---------------------------------------------------------------------------------------------------------


def kl_lora(job: Job) -> None:
    """Draw from the teacher, and learn to say what it says."""
    rounds = gather(job, job.teacher)
    told = [Told(prompt, ids, 0.0) for one in rounds for prompt, ids, _ in one]
    learn(job, told, lambda rows: imitation_loss(job, rows))


def imitation_loss(job: Job, rows: Sequence[Told]) -> tuple[Tensor, dict[str, float], int]:
    """KL(teacher ‖ student), the mean over the positions that are learned from."""
    network, ids = job.network, job.vocabulary
    prompts, responses = [row.prompt_ids for row in rows], [row.ids for row in rows]
    of_student, of_teacher = head_of(network, ids), head_of(job.teacher, ids)
    after, mask, _ = response_states(network, prompts, responses)
    with torch.no_grad():
        target = response_states(job.teacher, prompts, responses)[0][mask]
        with network.disable_adapter():
            before = response_states(network, prompts, responses)[0][mask]
    disagree = over_vocabulary(of_student, before, best) != over_vocabulary(of_teacher, target, best)
    where = learned_positions(job.own["positions"], disagree)
    kl, entropies = divergence(after[mask], of_student, target, of_teacher)
    loss = kl[where].mean() if where.any() else 0 * kl.sum()
    figures = {
        "loss": loss.item(),
        "kl": kl.mean().item(),
        "disagree": disagree.float().mean().item(),
        "entropy": entropies.mean().item(),
    }
    return loss, figures, int(where.sum())


# ---- what both have --------------------------------------------------------------------------------------------------


def learn(job: Job, told: Sequence[Told], loss_of: Callable[[Sequence[Told]], tuple[Tensor, dict, int]]) -> None:
    """The updates, each on some responses in an order that the seed decides; stopped, it goes on from the last kept."""
    how = job.how
    learned = [weight for weight in job.network.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=how.learning_rate, weight_decay=0.0)
    resumed = (job.folder / STATE).exists()
    done = take_state(job.folder, job.network, optimizer, dict(job.identity)) if resumed else 0
    job.log.resume(lambda line: line["step"] <= done)
    for step in range(done + 1, how.steps + 1):
        loss, figures, tokens = loss_of([told[at] for at in order(len(told), how.rows, how.seed, step)])
        loss.backward()
        norm = clip_grad_norm_(learned, 1.0)
        optimizer.param_groups[0]["lr"] = how.learning_rate * min(1.0, step / how.warmup if how.warmup else 1.0)
        optimizer.step()
        optimizer.zero_grad()
        job.log.trained += tokens
        job.log.write(step=step, **figures, grad_norm=norm.item())
        if step % how.save_every == 0 or step == how.steps:
            keep_state(job.folder, job.network, optimizer, step, dict(job.identity))


def order(count: int, rows: int, seed: int, step: int) -> list[int]:
    """Which responses a step reads, from 1: every pass over them is another permutation, which the seed decides."""
    found: list[int] = []
    for place in range((step - 1) * rows, step * rows):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + place // count)
        found.append(int(torch.randperm(count, generator=generator)[place % count]))
    return found


LOOPS: dict[str, Callable[[Job], None]] = {"reasonmaxxer": reasonmaxxer, "kl-lora": kl_lora}
