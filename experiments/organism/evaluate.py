"""Measure a pair on the held-out problems: accuracy, lengths, and where the two models disagree.

Plain on purpose: transformers' `generate` and one teacher-forced pass, so that the pair's card does not rest on the
instrument that the pair is there to test.

    python -m experiments.organism.evaluate --seed 1
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase, Qwen2ForCausalLM

from experiments.organism.logbook import Logbook
from experiments.organism.pretrain import WORK
from experiments.organism.word_problems import HELD_OUT_FILE
from experiments.script import script
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import question_answer
from rlprobe.records import Status

ROWS = 128  # sequences in one batch
LONGEST = 440  # tokens of a response; with the longest prompt it fits into the context of 512
CLASS_K = 5  # ranks up to this are reranked, above it shifted

Ids = list[int]


@dataclass(frozen=True, slots=True)
class Answered:
    """One problem with a model's greedy response."""

    question: str
    prompt_ids: Ids
    response_ids: Ids
    right: bool


@dataclass(frozen=True)
class Subject:
    """A model with its tokenizer."""

    model: Qwen2ForCausalLM
    tokenizer: PreTrainedTokenizerBase

    @classmethod
    def load(cls, folder: Path) -> "Subject":
        """Load in float32, whatever the file holds."""
        model = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        return cls(model, AutoTokenizer.from_pretrained(folder))


def batched(rows: list, size: int) -> Iterator[list]:
    """Slices of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def generated(subject: Subject, prompts: list[str], draws: int = 0) -> list[tuple[Ids, Ids]]:
    """(prompt ids, response ids) for each prompt: greedy, or `draws` samples at temperature 1 one after the other."""
    tokenizer = subject.tokenizer
    batch = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    how = GenerationConfig(
        max_new_tokens=LONGEST,
        do_sample=draws > 0,
        num_return_sequences=max(draws, 1),
        top_k=0 if draws else None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.inference_mode():
        out: torch.Tensor = subject.model.generate(**batch, generation_config=how)  # type: ignore[misc, assignment]
    pairs = []
    for row, ids in enumerate(out[:, batch["input_ids"].shape[1] :].tolist()):
        end = ids.index(tokenizer.eos_token_id) + 1 if tokenizer.eos_token_id in ids else len(ids)
        pairs.append((tokenizer(prompts[row // max(draws, 1)])["input_ids"], ids[:end]))
    return pairs


def answer(subject: Subject, problems: list[dict], draws: int = 0) -> list[Answered]:
    """Respond to every problem and grade the last box; a response that does not end is not right."""
    pairs: list[tuple[Ids, Ids]] = []
    for group in batched(problems, max(1, ROWS // max(draws, 1))):
        pairs += generated(subject, [question_answer(problem["question"], None) for problem in group], draws)
    repeated = [problem for problem in problems for _ in range(max(draws, 1))]
    texts = [str(subject.tokenizer.decode(ids, skip_special_tokens=True)) for _, ids in pairs]
    with Grader() as grader:
        verdicts = grader.grade_many([(text, p["answer"]) for text, p in zip(texts, repeated, strict=True)])
    stop = subject.tokenizer.eos_token_id
    return [
        Answered(p["question"], prompt_ids, ids, graded.last.status is Status.CORRECT and ids[-1] == stop)
        for p, (prompt_ids, ids), graded in zip(repeated, pairs, verdicts, strict=True)
    ]


def greedy_figures(subject: Subject, answered: list[Answered]) -> dict[str, float]:
    """Accuracy, lengths in tokens, and the share of responses that did not end."""
    lengths = [len(row.response_ids) for row in answered]
    ended = [row.response_ids[-1] == subject.tokenizer.eos_token_id for row in answered]
    low, middle, high = np.quantile(lengths, [0.05, 0.5, 0.95])
    return {
        "accuracy": float(np.mean([row.right for row in answered])),
        "length_mean": float(np.mean(lengths)),
        "length_5%": low,
        "length_50%": middle,
        "length_95%": high,
        "truncated": 1 - float(np.mean(ended)),
    }


def logits_over(subject: Subject, row: Answered) -> torch.Tensor:
    """Logits that speak about each response token, (response, vocabulary)."""
    ids = torch.tensor([row.prompt_ids + row.response_ids])
    with torch.inference_mode():
        logits = subject.model(ids).logits[0]
    return logits[len(row.prompt_ids) - 1 : -1]  # logits[t] predict ids[t + 1]


def disagreement(base: Subject, rl: Subject, answered: list[Answered]) -> dict[str, float]:
    """Class rates over one set of texts, and what the base was like where the two disagree."""
    ranks, entropies = [], []
    for row in answered:
        of_base, of_rl = logits_over(base, row), logits_over(rl, row)
        best = of_rl.argmax(-1)
        chosen = of_base.gather(-1, best[:, None])
        ranks.append(1 + (of_base > chosen).sum(-1))
        entropies.append(torch.distributions.Categorical(logits=of_base).entropy())
    rank, entropy = torch.cat(ranks), torch.cat(entropies)
    differs = rank > 1
    return {
        "tokens": len(rank),
        "disagree_%": 100 * float(differs.float().mean()),
        "reranked_%": 100 * float((differs & (rank <= CLASS_K)).float().mean()),
        "shifted_%": 100 * float((rank > CLASS_K).float().mean()),
        "mean_rank": float(rank[differs].float().mean()),
        "entropy_ratio": float(entropy[differs].mean() / entropy[~differs].mean()),
    }


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Four decimals are enough for a log."""
    return {name: round(float(value), 4) for name, value in figures.items()}


def by_events(answered: list[Answered]) -> dict[str, float]:
    """Greedy accuracy by the number of events in the story (its sentences less the first and the question)."""
    right: dict[int, list[bool]] = {}
    for row in answered:
        right.setdefault(row.question.count(".") - 1, []).append(row.right)
    return {f"accuracy_{events}_events": float(np.mean(marks)) for events, marks in sorted(right.items())}


def pass_figures(subject: Subject, problems: list[dict], draws: int) -> dict[str, float]:
    """pass@1 (the mean over draws) and pass@draws at temperature 1, over the first 100 problems."""
    marks = np.array([row.right for row in answer(subject, problems[:100], draws)]).reshape(-1, draws)
    return {"pass@1": marks.mean(), f"pass@{draws}": marks.any(1).mean()}


@script(help=__doc__)
@click.option("--seed", default=1, show_default=True)
@click.option("--base", type=click.Path(path_type=Path), help="[default: work/seed<seed>/base]")
@click.option("--rl", type=click.Path(path_type=Path), help="[default: work/seed<seed>/rl]")
@click.option("--draws", default=0, show_default=True, help="Samples a problem for pass@k; 0 for none.")
@click.option("--limit", type=int, help="Only the first problems.")
def main(seed: int, base: Path | None, rl: Path | None, draws: int, limit: int | None) -> None:
    """Measure, print and log."""
    folders = {"base": base or WORK / f"seed{seed}/base", "rl": rl or WORK / f"seed{seed}/rl"}
    problems = [json.loads(line) for line in HELD_OUT_FILE.read_text().splitlines()][:limit]
    subjects = {name: Subject.load(folder) for name, folder in folders.items()}
    logbook = Logbook("evaluate", seed)

    def report(what: str, model: str, figures: dict[str, float]) -> None:
        logbook.write(what=what, model=model, problems=len(problems), **rounded(figures))
        click.echo(f"{what} {model}: {rounded(figures)}")

    for name, subject in subjects.items():
        answered = answer(subject, problems)
        report("greedy", name, greedy_figures(subject, answered) | by_events(answered))
        report("disagreement on the text of", name, disagreement(subjects["base"], subjects["rl"], answered))
        if draws:
            report("sampled", name, pass_figures(subject, problems, draws))


if __name__ == "__main__":
    main()
