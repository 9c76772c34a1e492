"""What a discovery model says to nestings, and whether it is right: the last box, and every written step.

Knows a model's text; knows nothing of training.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from experiments.discovery.functions import FUNCTIONS, Nesting
from rlprobe.problems.prompts import question_answer

LONGEST = 160  # tokens of a response: four steps and the box are about 90
BOX = re.compile(r"\\boxed\{(\d*)\}")
STEP = re.compile(r"([a-z]{2})\((\d+)\) = (\d*)")


@dataclass(frozen=True, slots=True)
class Said:
    """One response to a nesting, as text, and whether it ended by itself."""

    nesting: Nesting
    text: str
    ended: bool

    @property
    def is_right(self) -> bool:
        """The last box has the answer, and the response ended."""
        boxes = BOX.findall(self.text)
        return self.ended and bool(boxes) and boxes[-1] == self.nesting.answer

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        """(name, before, after) of every line that applies a function."""
        return STEP.findall(self.text)

    @property
    def true_steps(self) -> int:
        """How many of them are true, whether they belong to the question or not."""
        return sum(name in FUNCTIONS and FUNCTIONS[name](before) == after for name, before, after in self.steps)

    @property
    def is_worked_out(self) -> bool:
        """Whether the steps are those of the question, in order and all of them true."""
        return self.steps == self.nesting.steps


@dataclass(frozen=True)
class Speaker:
    """A model with its tokenizer."""

    model: LlamaForCausalLM
    tokenizer: PreTrainedTokenizerFast

    @classmethod
    def load(cls, folder: Path) -> "Speaker":
        """In float32, whatever the file holds."""
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert isinstance(tokenizer, PreTrainedTokenizerFast)
        return cls(model, tokenizer)

    def respond(self, nestings: Sequence[Nesting], draws: int = 0) -> tuple[Tensor, int]:
        """(ids of prompts and responses, the width of the prompts): greedy, or draws of each at temperature 1."""
        prompts = [question_answer(nesting.question, None) for nesting in nestings]
        asked: Any = self.tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
        how = GenerationConfig(
            max_new_tokens=LONGEST,
            do_sample=draws > 0,
            num_return_sequences=max(draws, 1),
            top_k=0 if draws else None,
            eos_token_id=self.tokenizer.eos_token_id,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        with torch.inference_mode():
            ids: Any = self.model.generate(**asked, generation_config=how)  # type: ignore[misc]
        return ids.clone(), asked["input_ids"].shape[1]

    def said(self, nestings: Sequence[Nesting], draws: int = 0) -> list[Said]:
        """The responses, those of one nesting one after another."""
        ids, width = self.respond(nestings, draws)
        return self.read(nestings, ids[:, width:])

    def read(self, nestings: Sequence[Nesting], responses: Tensor) -> list[Said]:
        """What some responses say, as many to each nesting."""
        repeated = [nesting for nesting in nestings for _ in range(len(responses) // len(nestings))]
        rows, stop = responses.tolist(), self.tokenizer.eos_token_id
        texts = [str(self.tokenizer.decode(row, skip_special_tokens=True)) for row in rows]
        return [Said(n, text, stop in row) for n, text, row in zip(repeated, texts, rows, strict=True)]
