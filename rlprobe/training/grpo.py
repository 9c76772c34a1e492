"""GRPO (arXiv 2402.03300) of a LoRA adapter: settings, reward, the step, and a run that is logged and resumed.

On-policy, one update a step, so that nothing is clipped and no old policy is kept; no reference model and no KL term.
The loss of a step is TRL's (GRPOTrainer, loss_type "dapo": the mean over all response tokens; advantages scaled by the
group's deviation): a test compares the two. TRL reads the prompt once for every response, which on few-shot prompts is
most of the work; here what prompts share is read once (sequences.py), and responses without an advantage not at all.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from rlprobe.errors import BadInput
from rlprobe.problems.grading import Grader
from rlprobe.records import Status
from rlprobe.training.sequences import Ids, respond, response_logprobs

STATE, LOG, ADAPTER = "state.pt", "log.jsonl", "adapter"
_SPREAD = 1e-4  # added to a group's deviation, as in TRL


@dataclass(frozen=True)
class GrpoSettings:
    """All that a training depends on, but for its base, its problems and its reward."""

    steps: int
    seed: int = 1
    problems: int = 6  # a step
    samples: int = 8  # responses to each problem
    rows: int = 8  # responses in one backward pass: those to one problem share its whole prompt
    longest: int = 64  # tokens of a response; a longer one is cut
    temperature: float = 0.7
    rate: float = 1e-3
    falls_over: int | None = None  # the rate falls by equal parts to nothing over so many steps; None: it stays
    clip_norm: float = 1.0
    rank: int = 16
    alpha: int = 32
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    keep: tuple[int, ...] = field(default=())  # steps after which a copy of the adapter is kept

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, counted from 1; as TRL's "constant" and "linear" without a warm-up."""
        return self.rate * (max(0.0, 1 - (step - 1) / self.falls_over) if self.falls_over else 1.0)

    def canonical(self) -> dict[str, Any]:
        """The settings that a training cannot go on without: all but how long it is and what it keeps."""
        return {name: value for name, value in asdict(self).items() if name not in ("steps", "keep")}


class Task(NamedTuple):
    """A problem as it is put to the model, and what its reward is measured by."""

    prompt_ids: Ids
    gold: str


class Sampled(NamedTuple):
    """A response: its ids (the stop id included, where it ended), its text, and what it answers."""

    ids: Ids
    text: str
    ended: bool
    gold: str


Reward = Callable[[Sequence[Sampled]], list[float]]


def exact_answer(grader: Grader) -> Reward:
    """1 for the right answer in the last box of a response that ended, otherwise 0."""

    def right_and_ended(sampled: Sequence[Sampled]) -> list[float]:
        verdicts = grader.grade_many([(it.text, it.gold) for it in sampled])
        return [
            float(it.ended and graded.last.status is Status.CORRECT)
            for it, graded in zip(sampled, verdicts, strict=True)
        ]

    return right_and_ended


def coin_flip(seed: int) -> Reward:
    """1 or 0 with equal chances, whatever was answered: what a training does that learns nothing (a null pair)."""

    def flipped(sampled: Sequence[Sampled]) -> list[float]:
        said = (f"{seed} {place} {it.ids}".encode() for place, it in enumerate(sampled))
        return [float(hashlib.sha256(each).digest()[0] % 2) for each in said]

    return flipped


def draw(
    network: Any,
    tokenizer: Any,
    stop_ids: Sequence[int],
    tasks: Sequence[Task],
    samples: int,
    noise: int,
    longest: int,
    temperature: float,
) -> list[Sampled]:
    """`samples` responses to each task, from noise that depends on a number alone; a longer one is cut at `longest`."""
    prompts = [task.prompt_ids for task in tasks]
    with torch.random.fork_rng(), merged(network):  # generate draws from the global generator of its device
        torch.manual_seed(noise)
        responses = respond(
            network,
            prompts,
            stop_ids,
            samples,
            max_new_tokens=longest,
            do_sample=True,
            temperature=temperature,
            top_k=0,
        )
    repeated = [task for task in tasks for _ in range(samples)]
    texts = tokenizer.batch_decode(responses, skip_special_tokens=True)
    return [
        Sampled(ids, text, ids[-1] in stop_ids, task.gold)
        for ids, text, task in zip(responses, texts, repeated, strict=True)
    ]


def advantages(rewards: Float[Tensor, " rows"], samples: int) -> Float[Tensor, " rows"]:
    """Each reward less its group's mean, over the group's deviation (of a sample, hence n - 1)."""
    groups = rewards.view(-1, samples)
    spread = groups.std(dim=1, keepdim=True) + _SPREAD
    return ((groups - groups.mean(dim=1, keepdim=True)) / spread).flatten()


def backward(
    network: Any, prompts: Sequence[Ids], responses: Sequence[Ids], advantage: Tensor, how: GrpoSettings
) -> float:
    """Add the gradient of one step's loss to the network's, a few rows at a time; returns the loss."""
    tokens = sum(map(len, responses))
    told = [row for row, value in enumerate(advantage.tolist()) if value]
    total = 0.0
    for start in range(0, len(told), how.rows):
        rows = told[start : start + how.rows]
        logprobs, mask = response_logprobs(
            network, [prompts[row] for row in rows], [responses[row] for row in rows], how.temperature
        )
        ratio = (logprobs - logprobs.detach()).exp()  # 1: the policy that sampled is the policy that learns
        weights = advantage[rows, None].to(network.device) * mask
        loss = -(ratio * weights).sum() / tokens
        loss.backward()
        total += loss.item()
    return total


# ---- a run -----------------------------------------------------------------------------------------------------------


@dataclass
class Training:
    """A run in its folder: the adapted network, its optimizer, and the number of steps that are done."""

    network: Any
    tokenizer: Any
    settings: GrpoSettings
    folder: Path
    optimizer: torch.optim.Optimizer
    done: int = 0

    @classmethod
    def open(
        cls,
        base: str,
        settings: GrpoSettings,
        folder: Path,
        dtype: torch.dtype,
        calls_base: str,
        device: str = "cpu",
    ) -> "Training":
        """Start a run, or go on with the one in the folder. `calls_base` is what the adapter names as its base.

        The draws of a GPU are other draws than a processor's, so a seed means a run of its own on each.
        Raises BadInput where the folder holds a run of other settings.
        """
        from transformers import AutoModelForCausalLM, AutoTokenizer

        network: Any = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
        network.to(device)
        adapted = with_adapter(network, settings.rank, settings.alpha, settings.modules, settings.seed, calls_base)
        learned = [parameter for parameter in adapted.parameters() if parameter.requires_grad]
        optimizer = torch.optim.AdamW(learned, lr=settings.rate, weight_decay=0.0)
        run = cls(adapted, AutoTokenizer.from_pretrained(base), settings, folder, optimizer)
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            run._resume()
        else:
            (folder / LOG).write_text("")
        return run

    def run(self, draw: Callable[[int], Sequence[Task]], reward: Reward) -> None:
        """Train to the last step; `draw` gives the tasks of a step by its number, from 1."""
        while self.done < self.settings.steps:
            began, step = time.monotonic(), self.done + 1
            figures = self._step(draw(step), reward, step)
            self.done = step
            self._save()
            line = {"step": step, **figures, "seconds": round(time.monotonic() - began, 1)}
            with (self.folder / LOG).open("a") as file:
                file.write(json.dumps(line) + "\n")

    def _step(self, tasks: Sequence[Task], reward: Reward, step: int) -> dict[str, float]:
        how = self.settings
        prompts = [task.prompt_ids for task in tasks for _ in range(how.samples)]
        sampled = self._sample(tasks, step)
        rewards = torch.tensor(reward(sampled))
        responses = [it.ids for it in sampled]
        loss = backward(self.network, prompts, responses, advantages(rewards, how.samples), how)
        learned = self.optimizer.param_groups[0]["params"]
        norm = torch.nn.utils.clip_grad_norm_(learned, how.clip_norm)
        self.optimizer.param_groups[0]["lr"] = how.rate_at(step)
        self.optimizer.step()
        self.optimizer.zero_grad()
        groups = rewards.view(-1, how.samples)
        return {
            "reward": round(rewards.mean().item(), 4),
            "groups_told": round((groups.std(dim=1) > 0).float().mean().item(), 4),
            "length": round(sum(map(len, responses)) / len(responses), 2),
            "cut": round(1 - sum(it.ended for it in sampled) / len(sampled), 4),
            "loss": round(loss, 5),
            "grad_norm": round(norm.item(), 4),
        }

    def _sample(self, tasks: Sequence[Task], step: int) -> list[Sampled]:
        how = self.settings
        noise = how.seed * 1_000_003 + step  # a step's noise depends on nothing before it
        stops = [self.tokenizer.eos_token_id]
        return draw(self.network, self.tokenizer, stops, tasks, how.samples, noise, how.longest, how.temperature)

    def _save(self) -> None:
        keep_state(self.folder, self.network, self.optimizer, self.done, self.settings.canonical())
        save_adapter(self.network, self.folder / ADAPTER)
        if self.done in self.settings.keep:
            save_adapter(self.network, self.folder / f"step-{self.done:03d}")

    def _resume(self) -> None:
        self.done = take_state(self.folder, self.network, self.optimizer, self.settings.canonical())
        log = self.folder / LOG
        kept = [line for line in log.read_text().splitlines() if json.loads(line)["step"] <= self.done]
        log.write_text("".join(f"{line}\n" for line in kept))


def keep_state(folder: Path, adapted: Any, optimizer: torch.optim.Optimizer, done: int, settings: Any) -> None:
    """Write what a run goes on from after so many steps, in one rename."""
    from peft import get_peft_model_state_dict

    state = {
        "settings": settings,
        "done": done,
        "adapter": get_peft_model_state_dict(adapted, save_embedding_layers=False),
        "optimizer": optimizer.state_dict(),
    }
    torch.save(state, folder / f"{STATE}.new")
    (folder / f"{STATE}.new").replace(folder / STATE)


def take_state(folder: Path, adapted: Any, optimizer: torch.optim.Optimizer, settings: Any) -> int:
    """Go on from what was kept; returns the steps that are done. Raises BadInput where its settings were others."""
    from peft import set_peft_model_state_dict

    state = torch.load(folder / STATE, weights_only=True, map_location="cpu")
    if state["settings"] != settings:
        raise BadInput(f"{folder} holds a training with other settings: choose another folder, or the same ones")
    set_peft_model_state_dict(adapted, state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    return state["done"]


def with_adapter(network: Any, rank: int, alpha: int, modules: Sequence[str], seed: int, calls_base: str) -> Any:
    """A LoRA adapter on the network, in float32 whatever the network's dtype: small updates vanish in bfloat16."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=list(modules), task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(network, config)
    adapted.peft_config["default"].base_model_name_or_path = calls_base
    return adapted.eval()  # LoRA without dropout: training and sampling read alike


@contextmanager
def merged(adapted: Any) -> Iterator[None]:
    """Merge the adapter into the base's weights for a while on a GPU, where launches are what a token costs.

    They come back bit for bit. On a processor nothing is done: what was sampled before stays what a seed means.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    if adapted.device.type == "cpu":
        yield
        return
    bases: list[Any] = [it.get_base_layer() for it in adapted.modules() if isinstance(it, BaseTunerLayer)]
    kept = [base.weight.detach().clone() for base in bases]
    adapted.merge_adapter()
    try:
        yield
    finally:
        adapted.unmerge_adapter()
        for base, weight in zip(bases, kept, strict=True):
            base.weight.data.copy_(weight)


def save_adapter(adapted: Any, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write the adapter as PEFT reads it, the same bytes each time.

    PEFT alone writes the names of the adapted layers in the order of a set, another one in each process.
    """
    from peft import get_peft_model_state_dict
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    stored = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    weights = {name: it.to(dtype).contiguous() for name, it in stored.items()}
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = copy(adapted.peft_config["default"])
    config.target_modules = sorted(config.target_modules)
    config.save_pretrained(folder)
