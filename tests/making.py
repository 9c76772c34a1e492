"""Rollouts for tests, and what is in a run."""

from pathlib import Path

import torch

from rlprobe.decoding.engine import DecodingSettings, decode_greedily
from rlprobe.records import Made, Rollout, Stop


def random_prompts(n: int, vocab: int, seed: int = 0, longest: int = 40) -> list[list[int]]:
    """Prompts of unequal length."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest, (n,), generator=generator)
    return [torch.randint(1, vocab, (int(k),), generator=generator).tolist() for k in lengths]


def decoded_rollouts(pair, member: str, n: int, new: int = 40, response: list[int] | None = None) -> list[Rollout]:
    """Greedy responses of one member to random prompts, or `response` to all of them."""
    prompts = random_prompts(n, len(pair.vocabulary.ids))
    settings = DecodingSettings(new, 8, pair.stop_ids, pair.context)
    responses = decode_greedily(pair.member(member), pair.vocabulary, prompts, settings)
    return [
        Rollout(
            arm=member,
            problem_id=f"p{i}",
            draw=0,
            prompt_ids=prompt,
            response_ids=response or r.ids,
            host_ids=r.ids,
            gated=[False] * len(r.ids),
            logprobs=r.logprobs,
            stop=Stop.LENGTH if response else r.stop,
            made=Made.ENGINE,
        )
        for i, (prompt, r) in enumerate(zip(prompts, responses, strict=True))
    ]


def contents(run: Path, summary: str = "summary.json") -> dict[str, bytes]:
    """Every Parquet file of a run with its digest, its problems, tokenizer and identity, and its summary, by name."""
    patterns = ("*.parquet", "*.sha256", "tokenizer/*", "run.json")
    files = [*(file for pattern in patterns for file in run.rglob(pattern)), run / summary]
    return {str(file.relative_to(run)): file.read_bytes() for file in sorted(files)}
