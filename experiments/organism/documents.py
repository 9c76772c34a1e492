"""The training documents of the base, as padded batches of few shapes.

A document is a prompt, a solution and the stop id; prompt and solution are tokenised apart, so the border is where a
generated response will begin. Only the solution counts in the loss. Every batch holds about TOKENS ids in one of a few
widths, because a compiled model is compiled again for every shape.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor
from torch.utils.data import IterableDataset
from transformers import PreTrainedTokenizerBase

from experiments.organism.authors import solve
from experiments.organism.word_problems import training_problems
from rlprobe.problems.prompts import question_answer

WIDTHS = (128, 176, 224, 288, 416)
TOKENS = 8192
IGNORED = -100  # the label that cross-entropy leaves out

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Document:
    """One solved problem as ids; the solution ends with the stop id."""

    prompt_ids: Ids
    response_ids: Ids

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.response_ids)


def documents(tokenizer: PreTrainedTokenizerBase, seed: int) -> Iterator[Document]:
    """Solved training problems, without end."""
    rng = random.Random(f"authors {seed}")
    for problem in training_problems(seed):
        prompt_ids = tokenizer(question_answer(problem.question, tokenizer))["input_ids"]
        response_ids = tokenizer(solve(rng, problem)[0])["input_ids"]
        yield Document(prompt_ids, [*response_ids, tokenizer.eos_token_id])


def padded(group: list[Document], width: int, pad_id: int) -> dict[str, Int[Tensor, "rows width"]]:
    """Ids and labels of one batch, padded on the right (a causal model never looks there)."""
    ids = torch.full((len(group), width), pad_id)
    labels = torch.full((len(group), width), IGNORED)
    for row, document in enumerate(group):
        border, end = len(document.prompt_ids), len(document)
        ids[row, :end] = torch.tensor(document.prompt_ids + document.response_ids)
        labels[row, border:end] = torch.tensor(document.response_ids)
    return {"input_ids": ids, "labels": labels}


class Batches(IterableDataset):
    """Batches without end; a document waits until its width has company, the few that are too long are dropped."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, seed: int) -> None:
        self.tokenizer, self.seed = tokenizer, seed

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        waiting: dict[int, list[Document]] = defaultdict(list)
        for document in documents(self.tokenizer, self.seed):
            width = next((width for width in WIDTHS if len(document) <= width), None)
            if width is None:
                continue
            waiting[width].append(document)
            if len(waiting[width]) == TOKENS // width:
                yield padded(waiting.pop(width), width, self.tokenizer.pad_token_id)
