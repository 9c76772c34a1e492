"""What every command does that needs a pair and problems, before anything is computed: choose, check, open the run.

Nothing here loads weights: a run of another identity, an unknown name or an impossible pair is refused within seconds.
"""

import hashlib
import importlib.metadata
import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch

from rlprobe import runs
from rlprobe.analysis.classes import Reading
from rlprobe.measures.passes import choose_path
from rlprobe.pairs import loading
from rlprobe.pairs.loading import LocatedPair, PairChoice
from rlprobe.pairs.model import ModelPair
from rlprobe.pairs.registry import DEFAULT_PAIR, PAIRS
from rlprobe.problems.datasets import ProblemSet, load_problems
from rlprobe.problems.documents import STYLE as DOCUMENT
from rlprobe.problems.documents import opening
from rlprobe.problems.grading import GraderSettings
from rlprobe.problems.prompts import encode_prompt, prompt_style
from rlprobe.records import Problem, Rollout
from rlprobe.runs import Run, Share

_IN_IDENTITY = ("torch", "transformers", "rlprobe")


@dataclass(frozen=True)
class ProblemChoice:
    """Which problems, and how they are put to both models; `style` None is the registered pair's own."""

    dataset: str = "word-problems"
    question_field: str | None = None
    answer_field: str | None = None
    style: str | None = None
    limit: int | None = None


@dataclass(frozen=True)
class ComputeChoice:
    """How much at once. What is None is chosen from the device and its memory, and kept by the run."""

    max_new_tokens: int = 1024
    batch_size: int | None = None  # rows decoded at a time
    block: int | None = None  # problems in a shard; lanes are refilled within one
    path: str = "auto"


@dataclass(frozen=True)
class OutputChoice:
    """Where to, and which share of the work."""

    out: Path | None = None
    overwrite: bool = False
    share: Share = runs.ALL


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What every command that needs a pair and problems is asked for."""

    pair: PairChoice = field(default_factory=lambda: PairChoice(pair=DEFAULT_PAIR))
    problems: ProblemChoice = ProblemChoice()
    compute: ComputeChoice = ComputeChoice()
    output: OutputChoice = OutputChoice()
    reading: Reading = field(default_factory=Reading)
    grader: GraderSettings = field(default_factory=GraderSettings)


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before computing. `pair` loads the weights the first time somebody asks for it."""

    located: LocatedPair
    problems: tuple[Problem, ...]
    prompts: dict[str, list[int]]  # problem_id -> prompt_ids; problems left out are not in it
    left_out: dict[str, str]  # problem_id -> reason
    example: str  # the first prompt as text
    style: str
    max_new_tokens: int
    batch_size: int
    block: int
    out: Path
    identity: dict[str, Any]
    about: dict[str, Any]
    given: tuple[Rollout, ...] = ()  # texts in the place of the models' own answers (pipeline/given.py)
    notes: tuple[str, ...] = ()  # what a user should know of them before believing a number

    @property
    def pair(self) -> ModelPair:
        """The loaded pair."""
        return self.located.loaded

    def open_run(self, output: OutputChoice) -> Run:
        """The run directory of these settings, holding these problems and the tokenizer."""
        run = runs.create_or_resume(self.out, self.identity, self.about, output.overwrite)
        run.extend(self.problems, self.left_out)
        if not run.tokenizer_folder.exists():
            self.located.tokenizer.save_pretrained(run.tokenizer_folder)
        return run


def prepare(settings: Settings, extra: dict[str, Any], problem_set: ProblemSet | None = None) -> Prepared:
    """Choose and check; `extra` is what else belongs to the run's identity. Without a problem set it is loaded."""
    pair, problems, compute, output = settings.pair, settings.problems, settings.compute, settings.output
    problem_set = problem_set or load_problems(problems.dataset, problems.question_field, problems.answer_field)
    style = problems.style or (PAIRS[pair.pair].prompt_style if pair.pair in PAIRS else "chat")
    prompt_style(style)  # refuses an unknown one
    located = loading.locate(pair)
    chosen = problem_set.problems[: problems.limit]
    style, encode = (DOCUMENT, opening) if problem_set.are_documents else (style, partial(encode_prompt, style))
    encoded = {p.problem_id: encode(p.question, located.tokenizer) for p in chosen}
    example = encoded[chosen[0].problem_id][0]
    prompts, left_out = _that_fit({i: ids for i, (_, ids) in encoded.items()}, located)
    out = output.out or Path("runs") / f"{pair.pair or Path(str(pair.rl)).name}-{Path(problem_set.name).stem}"
    kept = _decoding_of(out, output)
    batch_size = compute.batch_size or kept.get("batch_size") or _automatic_batch_size(located, prompts, compute)
    block = compute.block or kept.get("shard") or (32 if torch.device(located.base.device).type == "cpu" else 256)
    return Prepared(
        located=located,
        problems=chosen,
        prompts=prompts,
        left_out=left_out,
        example=example,
        style=style,
        max_new_tokens=compute.max_new_tokens,
        batch_size=batch_size,
        block=block,
        out=out,
        identity={
            "pair": located.identity(),
            "problems": {"sha256": problem_set.fingerprint},
            "prompt": {"style": style, "example_sha256": hashlib.sha256(example.encode()).hexdigest()},
            "decoding": {
                "max_new_tokens": compute.max_new_tokens,
                "batch_size": batch_size,
                "context": located.context,
                "shard": block,
                "statistics": choose_path(compute.path, len(located.vocabulary.ids), torch.device(located.base.device)),
            },
            "threads": torch.get_num_threads(),
            "packages": {name: importlib.metadata.version(name) for name in _IN_IDENTITY},
            **extra,
        },
        about=_about(pair, problem_set, located, style, example),
    )


def _about(pair: PairChoice, problem_set: ProblemSet, located: LocatedPair, style: str, example: str) -> dict[str, Any]:
    """What to call things in tables and on the page; not compared when a run is resumed."""
    vocabulary = located.vocabulary
    return {
        "pair": pair.pair or f"{located.base.name} / {pair.rl}",
        "base": located.base.name,
        "rl": located.rl.name + (f"+{located.rl.adapter}" if located.rl.adapter else ""),
        "dataset": problem_set.name,
        "source": problem_set.source,
        "prompt_style": style,
        "prompt_example": example,
        "vocabulary": {
            "common": len(vocabulary.ids),
            "only_base": vocabulary.only_base,
            "only_rl": vocabulary.only_rl,
            "padded_rows": list(vocabulary.padded_rows),
        },
        "config_differences": {name: list(pair_) for name, pair_ in located.differences.items()},
    }


def _that_fit(encoded: dict[str, list[int]], located: LocatedPair) -> tuple[dict[str, list[int]], dict[str, str]]:
    """Split prompts into those that both models can read with room for a response, and the reasons for the others."""
    common = set(located.vocabulary.ids.tolist())
    fitting, left_out = {}, {}
    for problem_id, ids in encoded.items():
        if len(ids) >= located.context:
            left_out[problem_id] = "prompt longer than the context"
        elif not common.issuperset(ids):
            left_out[problem_id] = "prompt has ids outside the common vocabulary"
        else:
            fitting[problem_id] = ids
    return fitting, left_out


def _decoding_of(out: Path, output: OutputChoice) -> dict[str, Any]:
    """The decoding settings of a run that is there already: a resumed run keeps what it chose."""
    if output.overwrite or not (out / "run.json").exists():
        return {}
    return runs.read(out).identity["decoding"]


def _automatic_batch_size(located: LocatedPair, prompts: dict[str, list[int]], compute: ComputeChoice) -> int:
    """As many rows as fit, at full length, in half of the memory that the weights leave; at most 64 (CPU) or 256.

    Total memory, not free memory, decides: the choice is part of the run's identity and must not depend on the hour.
    """
    longest = min(max(map(len, prompts.values()), default=1) + compute.max_new_tokens, located.context)
    rows = 64 if torch.device(located.base.device).type == "cpu" else 256
    for device in {located.base.device, located.rl.device}:
        here = [s for s in (located.base, located.rl) if s.device == device]
        free = 0.9 * _memory(device) - sum(s.weight_bytes for s in here)
        rows = min(rows, int(0.5 * free / (longest * max(_cache_bytes(s.config, located.dtype) for s in here))))
    return max(1, rows)


def _memory(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cache_bytes(config: Any, dtype: str) -> int:
    """Bytes of keys and values per position."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * width * loading.DTYPES[dtype].itemsize
