"""TRL's GRPOTrainer with small additions: prompts are read once, the grader rewards, and what TRL lacks is a term.

No loss is copied: a method changes what goes into TRL's (`weighed`, `score`) or adds a term to it (`term`). Importing
this imports TRL.
"""

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from torch.nn.functional import pad
from transformers import PrinterCallback, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from rlprobe.training.grpo import Sampled
from rlprobe.training.job import PATIENCE, Job, refuse_flat
from rlprobe.training.losses import (
    least_likely,
    most_covariant,
    pass_at_k_advantages,
    proxy_logprobs,
    pull,
    reweighted,
)
from rlprobe.training.sequences import Ids, lay_out, read_prefix
from rlprobe.training.states import SLICE, head_of, response_states

CHECKPOINTS = "checkpoints"
# the name of a figure in our log -> in TRL's
FIGURES = {
    "reward": "reward",
    "length": "completions/mean_length",
    "cut": "completions/clipped_ratio",
    "entropy": "entropy",
    "kl": "kl",
    "loss": "loss",
    "grad_norm": "grad_norm",
}


def config_of(job: Job) -> GRPOConfig:
    """What TRL is told: the plan of a round, the optimizer, and the options of the method."""
    how = job.how
    parts = how.prompts * how.samples // how.rows
    on_cpu = job.network.device.type == "cpu"
    return GRPOConfig(
        output_dir=str(job.folder / CHECKPOINTS),
        max_steps=how.steps,
        num_generations=how.samples,
        per_device_train_batch_size=how.rows,
        gradient_accumulation_steps=parts // how.updates_a_round,
        steps_per_generation=parts,
        max_completion_length=how.max_new_tokens,
        temperature=how.temperature,
        learning_rate=how.learning_rate,
        lr_scheduler_type="constant_with_warmup" if how.warmup else "constant",
        warmup_steps=how.warmup,
        weight_decay=0.0,
        bf16=False,
        gradient_checkpointing=False,
        disable_dropout=True,
        use_cpu=on_cpu,
        seed=how.seed,
        logging_steps=how.updates_a_round,
        save_steps=how.updates_a_round * how.save_every,
        save_total_limit=2,
        report_to="none",
        disable_tqdm=True,
        log_level="error",
        dataloader_pin_memory=not on_cpu,
        **job.method.config(job.own),
    )


class Trainer(GRPOTrainer):
    """GRPO as TRL has it; what many prompts share is read once, as in sequences.py, and not for every response."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.strength = job.own.get("strength", 0.0)
        self._high: Tensor | None = None  # which tokens of the rows being read are the uncertain ones
        self._logprobs = torch.empty(0)  # of the rows being read, with their gradient
        self._tasks = dict(zip(job.texts, job.tasks, strict=True))
        self._by_ids = {tuple(task.prompt_ids): task for task in self._tasks.values()}
        rows = [{"prompt": text, "gold": task.gold} for text, task in self._tasks.items()]
        super().__init__(
            model=job.network,
            reward_funcs=self._earned,
            args=config_of(job),
            train_dataset=Dataset.from_list(rows),
            processing_class=job.tokenizer,
            callbacks=[Follow(job)],
        )
        self.remove_callback(PrinterCallback)

    # ---- what methods change -----------------------------------------------------------------------------------------

    def weighed(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What TRL's loss is given of a batch."""
        return inputs

    def term(self, inputs: Mapping[str, Any], logprobs: Tensor) -> Tensor | None:  # noqa: ARG002
        """What is added to each token's loss, times the strength; None for nothing."""
        return None

    def score(self, output: dict[str, Any], rewards: Tensor) -> None:
        """A look at a round before it is cut into batches: its rows are still group after group."""

    # ---- what TRL calls ----------------------------------------------------------------------------------------------

    def _tokenize_prompts(self, prompts: list) -> Any:
        """The ids of our prompts as they are: nothing is tokenised a second time."""
        return [self._tasks[prompt].prompt_ids for prompt in prompts], None, {}

    def _generate_single_turn(self, prompt_ids: Any, *_: Any, **__: Any) -> Any:
        """Responses from noise that depends on the step alone; every prompt is read once."""
        tasks = [self._by_ids[tuple(ids)] for ids in prompt_ids[:: self.job.how.samples]]
        sampled = self.job.draw(self.accelerator.unwrap_model(self.model), tasks, self.state.global_step + 1)
        return [each.ids for each in sampled], None

    def _earned(
        self, completions: list[str], completion_ids: list[Ids], gold: list[str], **_: Any
    ) -> list[float | None]:
        """Our reward, as TRL asks for it."""
        stops = self.job.stop_ids
        answers = zip(completion_ids, completions, gold, strict=True)
        return [*self.job.reward([Sampled(ids, text, ids[-1] in stops, right) for ids, text, right in answers])]

    def _calculate_rewards(self, *arguments: Any) -> Tensor:
        self._rewards = super()._calculate_rewards(*arguments)
        return self._rewards

    def _generate_and_score_completions(self, inputs: Any) -> dict[str, Any]:
        output = super()._generate_and_score_completions(inputs)
        self.score(output, self._rewards[:, 0])
        return output

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Tensor,
        attention_mask: Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **_: Any,
    ) -> tuple[Tensor, Tensor | None, None]:
        rows = batch_size or len(input_ids)
        batches = zip(input_ids.split(rows), attention_mask.split(rows), strict=True)
        parts = [self._read(model, ids, mask, logits_to_keep) for ids, mask in batches]
        logprobs, entropies = (torch.cat(each) for each in zip(*parts, strict=True))
        if torch.is_grad_enabled():
            self._logprobs = logprobs
        return logprobs, entropies if compute_entropy else None, None

    def _read(self, model: Any, ids: Tensor, mask: Tensor, kept: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies of responses padded to `kept` tokens, by TRL's own fused head."""
        prompts, responses = _cut(ids, mask, kept)
        laid = lay_out(prompts, responses, device=ids.device)
        longest = max(map(len, responses))
        is_response = torch.arange(laid.ids.shape[1], device=ids.device) >= laid.ids.shape[1] - longest
        read = model(
            input_ids=laid.ids,
            attention_mask=laid.whole_mask,
            position_ids=laid.positions,
            past_key_values=read_prefix(model, laid.prefix, len(prompts)),
            labels=laid.ids.masked_fill(~(laid.mask & is_response), -100),
            fused_lm_head=True,
        )
        room = (0, kept - longest)
        return pad(read.log_probs[:, -longest:], room), pad(read.entropy[:, -longest:], room)

    def get_high_entropy_mask(self, entropies: Tensor, mask: Tensor, threshold: float) -> Tensor:
        """TRL's, remembered: only these tokens are trained."""
        self._high = super().get_high_entropy_mask(entropies, mask, threshold)
        return self._high

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Tensor:
        mask = inputs["completion_mask"].bool()
        loss = super()._compute_loss(model, self.weighed(model, inputs))
        told = mask & (inputs["advantages"] != 0)[:, None]
        self.job.log.trained += int((told if self._high is None else told & self._high).sum())
        added = self.term(inputs, self._logprobs)
        if added is None:
            return loss
        mean = ((added * mask).sum(-1) / mask.sum(-1)).mean()  # as GRPO's own loss: over each response, then over all
        return loss + self.strength * mean / self.current_gradient_accumulation_steps

    def old_logprobs(self, model: Any, inputs: Mapping[str, Any]) -> Tensor:
        """Log-probabilities under the policy that sampled: the model itself, on the first update of a round alone."""
        if "old_per_token_logps" in inputs:
            return inputs["old_per_token_logps"]
        names = ("prompt_ids", "completion_ids"), ("prompt_mask", "completion_mask")
        ids, mask = (torch.cat([inputs[name] for name in both], dim=1) for both in names)
        with torch.no_grad():
            return self._get_per_token_logps_and_entropies(model, ids, mask, inputs["completion_ids"].shape[1])[0]


class Reweighted(Trainer):
    """DIR: unlikely tokens weigh more."""

    def weighed(self, model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """Advantages of each token."""
        advantages = reweighted(inputs["advantages"], self.old_logprobs(model, inputs), self.strength)
        return {**inputs, "advantages": advantages}


class LowProbability(Trainer):
    """Lp-Reg. With --clip-low 1 nothing of a bad response is clipped, so that its loss there is GRPO's and a term."""

    def score(self, output: dict[str, Any], rewards: Tensor) -> None:  # noqa: ARG002
        """What the old policy says of each token once its noise is removed; read here, while it is the policy."""
        names = ("prompt_ids", "completion_ids"), ("prompt_mask", "completion_mask")
        ids, mask = (torch.cat([output[name] for name in both], dim=1) for both in names)
        rows, kept = self.args.per_device_train_batch_size, output["completion_ids"].shape[1]
        batches = zip(ids.split(rows), mask.split(rows), strict=True)
        output["proxy_logprobs"] = torch.cat([self._proxy(*_cut(part, told, kept), kept) for part, told in batches])

    @torch.no_grad()
    def _proxy(self, prompts: list[Ids], responses: list[Ids], kept: int) -> Tensor:
        network, temperature = self.accelerator.unwrap_model(self.model), self.temperature
        hidden, mask, chosen = response_states(network, prompts, responses)
        head, told = head_of(network), torch.full(mask.shape, -torch.inf, device=mask.device)
        parts = zip(hidden[mask].split(SLICE), chosen[mask].split(SLICE), strict=True)
        told[mask] = torch.cat([proxy_logprobs(head(h) / temperature, ids, self.job.own["floor"]) for h, ids in parts])
        return pad(told, (0, kept - mask.shape[1]), value=-torch.inf)

    def term(self, inputs: Mapping[str, Any], logprobs: Tensor) -> Tensor:
        """The pull of the least likely tokens of bad responses towards the proxy."""
        mask, proxy = inputs["completion_mask"].bool(), inputs["proxy_logprobs"]
        where = least_likely(logprobs, proxy, inputs["advantages"], mask, self.job.own["share"])
        return pull(logprobs, proxy, where)


class Covariance(Trainer):
    """KL-Cov: |log ratio| to the old policy, where likelihood and advantage go together most."""

    def term(self, inputs: Mapping[str, Any], logprobs: Tensor) -> Tensor:
        """The penalty of these tokens."""
        mask = inputs["completion_mask"].bool()
        where = most_covariant(logprobs, inputs["advantages"], mask, self.job.own["share"])
        return (logprobs - inputs["old_per_token_logps"]).abs() * where


class PassAtK(Trainer):
    """Advantages of pass@k."""

    def score(self, output: dict[str, Any], rewards: Tensor) -> None:
        """In the place of the group's."""
        groups = rewards.view(-1, self.job.how.samples) > 0
        output["advantages"] = pass_at_k_advantages(groups, self.job.own["k"]).flatten()


class HardResets(Trainer):
    """ProRL: TRL keeps a copy of the adapter as the reference; now and then it is the policy's again."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self.add_callback(Reset(job.own["every"]))


# ---- what follows a training -----------------------------------------------------------------------------------------


class Reset(TrainerCallback):
    """Copies the policy onto the reference, and empties the optimizer."""

    def __init__(self, every: int) -> None:
        self.every = every

    def on_step_end(self, args: Any, state: Any, control: Any, **of: Any) -> None:  # noqa: ARG002
        """After every so many updates."""
        if state.global_step % self.every:
            return
        weights = dict(of["model"].named_parameters())
        for name, weight in weights.items():
            if ".ref." in name:
                weight.data.copy_(weights[name.replace(".ref.", ".default.")].data)
        of["optimizer"].state.clear()


class Follow(TrainerCallback):
    """Writes our log, ends a training whose tokens are spent, and one that has nothing to learn from."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.flat = 0  # rounds so far, as long as no group earned differently

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """A training that goes on has had something to learn from."""
        self.flat = -1 if state.global_step else 0

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """A line a round."""
        if "loss" not in logs:  # TRL's summary at the end
            return
        mixed = 1 - logs["frac_reward_zero_std"]
        self.flat = self.flat + 1 if self.flat >= 0 and not mixed else -1
        if self.flat >= PATIENCE:
            refuse_flat(self.flat, logs["reward"])
        told = {ours: logs.get(theirs) for ours, theirs in FIGURES.items()}
        self.job.log.write(step=state.global_step, **told, mixed=mixed)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The end, with a checkpoint: at the last step, or after the round in which the last tokens were spent."""
        is_round = state.global_step % self.job.how.updates_a_round == 0
        if state.global_step >= args.max_steps or (is_round and self.job.is_spent):
            control.should_training_stop = control.should_save = control.should_log = True


def _cut(ids: Tensor, mask: Tensor, kept: int) -> tuple[list[Ids], list[Ids]]:
    """Prompts and responses as lists, of rows that TRL has padded; the last `kept` columns are the responses'."""
    border = ids.shape[1] - kept

    def unpadded(part: slice) -> list[Ids]:
        return [row[told.bool()].tolist() for row, told in zip(ids[:, part], mask[:, part], strict=True)]

    return unpadded(slice(border)), unpadded(slice(border, None))


# ---- a whole training ------------------------------------------------------------------------------------------------


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; TRL writes its state last."""
    found = {}
    for state in (folder / CHECKPOINTS).glob("checkpoint-*/trainer_state.json"):
        try:
            found[json.loads(state.read_text(encoding="utf-8"))["global_step"]] = state.parent
        except (ValueError, KeyError):
            continue
    return found[max(found)] if found else None


def run(job: Job) -> None:
    """Train to the end, from the last checkpoint where there is one."""
    checkpoint = last_checkpoint(job.folder)
    step = int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0
    job.log.resume(lambda line: line["step"] <= step)
    with _quiet():
        _train(job, checkpoint, step)


def _train(job: Job, checkpoint: Path | None, step: int) -> None:
    trainer = TRAINERS.get(job.name, Trainer)(job)
    if checkpoint and (step >= job.how.steps or job.is_spent):
        trainer._load_from_checkpoint(str(checkpoint))
    else:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


@contextmanager
def _quiet() -> Iterator[None]:
    """TRL and transformers warn each other of names that they use."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`(is_)?gradient_checkpointing` is deprecated", FutureWarning)
        yield


TRAINERS: dict[str, type[Trainer]] = {
    "prorl": HardResets,
    "dir": Reweighted,
    "lp-reg": LowProbability,
    "kl-cov": Covariance,
    "pass-at-k": PassAtK,
}
