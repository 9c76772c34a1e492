"""What every command does that needs a pair and problems, before anything is computed: choose, check, open the run.

Nothing here loads weights: a run of another identity, an unknown name or an impossible pair is refused within seconds.
"""

import hashlib
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import torch

from rlprobe import own, runs
from rlprobe.commands import claims
from rlprobe.commands.claims import ClaimFile
from rlprobe.commands.crew import Crew
from rlprobe.commands.progress import Reporter
from rlprobe.commands.proposed import NOTHING, Proposed, proposed
from rlprobe.decoding.check import Turns, load_checked
from rlprobe.errors import BadInput
from rlprobe.fingerprint import version_of
from rlprobe.measures.passes import choose_path
from rlprobe.pairs import devices, loading
from rlprobe.pairs.loading import LocatedPair
from rlprobe.pairs.model import Model, ModelPair
from rlprobe.pairs.networks import DTYPES
from rlprobe.pairs.registry import DEFAULT_DATASET, PAIRS
from rlprobe.problems.asking import asked_as
from rlprobe.problems.datasets import ProblemSet, load_problems, selected
from rlprobe.problems.documents import STYLE as DOCUMENT
from rlprobe.problems.documents import opening
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt, prompt_style
from rlprobe.records import MEMBERS, Problem, Rollout
from rlprobe.runs import Run
from rlprobe.scoring.spill import remove_spill
from rlprobe.settings import ComputeChoice, GraderChoice, OutputChoice, PairChoice, Settings, Share

GOLDS_SHOWN = 20  # golds that cannot be read, named one by one
_IN_IDENTITY = ("torch", "transformers", "rlprobe")


@dataclass(frozen=True)
class Prepared:
    """Everything that is settled before computing. `pair` loads the weights the first time somebody asks for it."""

    located: LocatedPair
    problems: tuple[Problem, ...]
    prompts: dict[str, list[int]]  # problem_id -> prompt_ids; problems left out are not in it
    left_out: dict[str, str]  # problem_id -> reason
    unreadable: tuple[
        tuple[Problem, str], ...
    ]  # problems whose gold cannot be read, so that nothing is graded, and why
    example: str  # the first prompt as text
    style: str
    max_new_tokens: int
    batch_size: int
    block: int
    out: Path
    identity: dict[str, Any]
    about: dict[str, Any]
    max_outside: float
    given: tuple[Rollout, ...] = ()  # texts in the place of the models' own answers (commands/given.py)
    notes: tuple[str, ...] = ()  # what a user should know of them before believing a number
    claims: ClaimFile | None = None
    proposed: Proposed = NOTHING  # responses made elsewhere, for decoding to look at
    one_at_a_time: bool = False
    spill: Path | None = None  # of one at a time; None is the run
    crew: Crew | None = None  # the workers that shards are made by; None is this process

    @cached_property
    def pair(self) -> ModelPair:
        """The pair with its weights, loaded and checked (decoding/check.py) the first time that somebody asks."""
        return load_checked(self.located)

    @cached_property
    def turns(self) -> Turns:
        """The members, of which one is held at a time."""
        return Turns(self.located)

    def member(self, name: str) -> Model:
        """A member of the pair; the only one that is held, where one is at a time."""
        return self.turns.member(name) if self.one_at_a_time else self.pair.member(name)

    @property
    def notices(self) -> list[str]:
        """What a user should know of the pair and of the texts before believing a number."""
        located, vocabulary = self.located, self.located.vocabulary
        tokens = [located.tokenizer.convert_ids_to_tokens(i) for i in located.stop_ids]
        return [
            f"base {self.about['base']}, rl {self.about['rl']}",
            f"common vocabulary {len(vocabulary.ids)} ids (base alone {vocabulary.only_base}, rl alone "
            f"{vocabulary.only_rl}, padded head rows {vocabulary.padded_rows[0]} and {vocabulary.padded_rows[1]}); "
            f"stop ids {', '.join(f'{i} {t}' for i, t in zip(located.stop_ids, tokens, strict=True)) or 'none'}",
            *located.notices,
            *_unreadable_golds(self.unreadable),
            *([self.proposed.note] if self.proposed.note else []),
            *self.notes,
        ]

    @contextmanager
    def begun(self, output: OutputChoice, reporter: Reporter) -> Iterator[Run]:
        """How a command begins: what a user should know is said, then the run is held (`open_run`)."""
        for line in self.notices:
            reporter.note(line)
        with self.open_run(output, reporter) as run:
            yield run

    @contextmanager
    def open_run(self, output: OutputChoice, reporter: Reporter) -> Iterator[Run]:
        """The run directory of these settings, held for writing, with these problems and the tokenizer.

        For a new run the weights are loaded first: a pair that is refused leaves nothing behind. At the end it is said
        what was found damaged.
        """
        if output.overwrite or not (self.out / "run.json").exists():
            runs.refuse_foreign(self.out)
            self._load(reporter)
        with self.hired(), runs.writing(self.out, self.identity, self.about, output.overwrite) as run:
            run.made_on = [card for name in self.located.devices if (card := devices.card(name))]
            run.extend(self.problems, self.left_out)
            run.keep_tokenizer(self.located.tokenizer.save_pretrained)
            remove_spill(run)
            if self.claims:
                claims.register(run, self.claims)
            if (here := torch.get_num_threads()) != run.identity["threads"]:
                _note_threads(run, here, reporter)
            yield run
            note_broken(run, reporter)

    def _load(self, reporter: Reporter) -> None:
        if self.crew:
            self.crew.begin(self, reporter)
            return
        for name in reversed(MEMBERS):  # the base begins
            self.member(name)

    @contextmanager
    def hired(self) -> Iterator[None]:
        """Let the workers go at the end."""
        try:
            yield
        finally:
            if self.crew:
                self.crew.close()

    def __getstate__(self) -> dict[str, Any]:
        """What travels to a worker: neither weights nor other workers."""
        return {name: value for name, value in vars(self).items() if name not in ("pair", "turns", "crew")}


def _note_threads(run: Run, here: int, reporter: Reporter) -> None:
    """Keep with a run that it is gone on with by another number of threads than it was made with."""
    reporter.note(f"{run.path} was made with {run.identity['threads']} threads and is gone on with {here}")
    run.log("threads", made_with=run.identity["threads"], now=here)
    others = {*run.about.get("other_threads", ()), here}
    if sorted(others) != run.about.get("other_threads"):
        run.about["other_threads"] = sorted(others)
        run.write_identity()


def _unreadable_golds(found: Sequence[tuple[Problem, str]]) -> list[str]:
    """The golds that no answer can be compared with, each with its row and the reason."""
    if not found:
        return []
    lines = [f"  {p.source} ({p.problem_id}): {p.answer[:60]!r}, {reason}" for p, reason in found[:GOLDS_SHOWN]]
    more = [f"  and {len(found) - GOLDS_SHOWN} more"] if len(found) > GOLDS_SHOWN else []
    return [f"{len(found)} gold answers cannot be read, and their problems will not be graded:", *lines, *more]


def note_broken(run: Run, reporter: Reporter) -> None:
    """Say which files of a run were not what had been written."""
    for name in run.broken:
        reporter.note(f"{run.path / name} was damaged; it was moved aside and made again")


def problems_asked(settings: Settings) -> ProblemSet:
    """The problems that are named, else those of the registered pair."""
    pair, problems = settings.pair.pair, settings.problems
    own = PAIRS[pair].dataset if pair in PAIRS else DEFAULT_DATASET
    return load_problems(problems.dataset or own, problems.question_field, problems.answer_field)


def prepare(settings: Settings, extra: dict[str, Any], problem_set: ProblemSet | None = None) -> Prepared:
    """Choose and check; `extra` is what else belongs to the run's identity. Without a problem set it is loaded."""
    pair, problems, compute, output = settings.pair, settings.problems, settings.compute, settings.output
    own_claims = claims.read(output.claims) if output.claims else None
    problem_set = selected(problem_set or problems_asked(settings), problems.only)
    style = problems.style or (PAIRS[pair.pair].prompt_style if pair.pair in PAIRS else "chat")
    style = asked_as(style, problems.system, problems.shots)
    located = loading.locate(pair)
    chosen = problem_set.problems[: problems.limit]
    style, encode = (DOCUMENT, opening) if problem_set.are_documents else (style, partial(encode_prompt, style))
    encoded = {p.problem_id: encode(p.question, located.prompt_tokenizer) for p in chosen}
    example = encoded[chosen[0].problem_id][0]
    prompts, left_out = _that_fit({i: ids for i, (_, ids) in encoded.items()}, located)
    unreadable = _unreadable(chosen, settings.grader)
    out = output.out or Path("runs") / _folder(pair, problem_set)
    own = compute.propose_from
    packages = {name: version_of(name) for name in _IN_IDENTITY}
    found = proposed(own, problem_set, prompts, located) if own else NOTHING
    kept = _decoding_of(out, output)
    batch_size = compute.batch_size or kept.get("batch_size") or _automatic_batch_size(located, prompts, compute)
    block = compute.block or kept.get("shard") or (128 if located.base.first_device.type == "cpu" else 256)
    _check_share(output.share, len(chosen), block)
    return Prepared(
        located=located,
        problems=chosen,
        prompts=prompts,
        left_out=left_out,
        unreadable=unreadable,
        example=example,
        style=style,
        max_new_tokens=compute.max_new_tokens,
        batch_size=batch_size,
        block=block,
        out=out,
        identity={
            "pair": located.identity(),
            "problems": {"sha256": problem_set.fingerprint, "golds": problem_set.golds},
            "prompt": _prompt_identity(style, example, located),
            "decoding": _decoding_identity(compute, located, batch_size, block)
            | ({"proposed": found.sha256} if own else {}),
            "threads": _threads(out, output),
            "packages": packages,
            **extra,
        },
        about=_about(pair, problem_set, located, style, example),
        max_outside=compute.max_outside,
        claims=own_claims,
        proposed=found,
        one_at_a_time=compute.one_at_a_time,
        spill=compute.spill,
        crew=Crew.of(settings.crew, torch.get_num_threads(), packages),
    )


def _folder(pair: PairChoice, problem_set: ProblemSet) -> str:
    """What a run is called that was given no name: PAIR-DATASET."""
    return f"{pair.pair or Path(str(pair.rl)).name}-{Path(problem_set.name).stem}".replace(":", "-")


def _prompt_identity(style: str, example: str, located: LocatedPair) -> dict[str, Any]:
    """How questions are put: the style, one prompt rendered, and whose tokenizer makes the prompts."""
    rendered = hashlib.sha256(example.encode()).hexdigest()
    said = {"extract": prompt_style(style).extract} if own.is_key(style) else {}  # a run is graded without the function
    return {"style": style, "example_sha256": rendered, "template_of": located.template_of, **said}


def _decoding_identity(compute: ComputeChoice, located: LocatedPair, batch_size: int, block: int) -> dict[str, Any]:
    """All that decides a response and its numbers, besides models and prompts."""
    path = choose_path(compute.path, len(located.vocabulary.ids), located.base.first_device)
    return {
        "max_new_tokens": compute.max_new_tokens,
        "batch_size": batch_size,
        "context": located.context,
        "shard": block,
        "statistics": path,
    }


@lru_cache(maxsize=4)
def _unreadable(problems: tuple[Problem, ...], settings: GraderChoice) -> tuple[tuple[Problem, str], ...]:
    """The problems whose gold no answer can be compared with, and why. Raises BadInput where these are all.

    Golds are read before anything is decoded for them; a plain number needs no worker.
    """
    golds = [problem.answer for problem in problems if problem.answer]
    with Grader(settings) as grader:
        reasons = grader.unreadable(golds)
    found = tuple((problem, reasons[problem.answer]) for problem in problems if problem.answer in reasons)
    if golds and len(found) == len(problems):
        first, reason = found[0]
        raise BadInput(
            f"no gold answer can be read: {first.source} has {first.answer[:60]!r} ({reason}); "
            "name the field of the answers with --answer-field"
        )
    return found


def _about(pair: PairChoice, problem_set: ProblemSet, located: LocatedPair, style: str, example: str) -> dict[str, Any]:
    """What to call things in tables and on the page; not compared when a run is resumed."""
    vocabulary = located.vocabulary
    return {
        "pair": pair.pair or f"{located.base.name} / {pair.rl}",
        "base": located.base.name,
        "rl": located.rl.full_name,
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
    if not fitting:
        reasons = " or ".join(dict.fromkeys(left_out.values()))
        raise BadInput(
            f"none of the {len(encoded)} problems can be asked: {reasons}; choose another --style or --dataset"
        )
    return fitting, left_out


def _threads(out: Path, output: OutputChoice) -> int:
    """Of this process; with `any_threads` those that the run was made with, which is gone on with all the same."""
    if output.any_threads and not output.overwrite and (out / "run.json").exists():
        return int(runs.read(out).identity.get("threads", torch.get_num_threads()))
    return torch.get_num_threads()


def _decoding_of(out: Path, output: OutputChoice) -> dict[str, Any]:
    """The decoding settings of a run that is there already: a resumed run keeps what it chose."""
    if output.overwrite or not (out / "run.json").exists():
        return {}
    return runs.read(out).identity.get("decoding", {})


def _check_share(share: Share, problems: int, block: int) -> None:
    """Raise BadInput where some of the machines would have nothing to do; all of them say so."""
    made = math.ceil(problems / block)
    if share.count > made:
        even = math.ceil(problems / share.count)  # or, where that leaves the last ones without any, the next smaller
        size = even if math.ceil(problems / even) >= share.count else problems // share.count
        cure = f"give all of them --shard-size {size}" if size else "give fewer"
        raise BadInput(
            f"--shard {share}: {problems} problems make {made} shard{'s' * (made > 1)} of {block}, and some of "
            f"{share.count} machines would have nothing to do; {cure}"
        )


def _automatic_batch_size(located: LocatedPair, prompts: dict[str, list[int]], compute: ComputeChoice) -> int:
    """As many rows as fit, at full length, in half of the memory that the weights leave; at most 64 (CPU) or 256.

    Total memory, not free memory, decides: the choice is part of the run's identity and must not depend on the hour.
    """
    longest = min(max(map(len, prompts.values()), default=1) + compute.max_new_tokens, located.context)
    rows = 64 if located.base.first_device.type == "cpu" else 256
    both = (located.base, located.rl)
    for device in located.devices:
        here = [source for source in both if device in source.devices]
        weights = [source.weight_bytes / len(source.devices) for source in here]
        free = 0.9 * _memory(device) - (max(weights) if compute.one_at_a_time else sum(weights))
        cache = max(_cache_bytes(source.config, located.dtype) / len(source.devices) for source in here)
        rows = min(rows, int(0.5 * free / (longest * cache)))
    return max(1, rows)


def _memory(device: str) -> int:
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _cache_bytes(config: Any, dtype: str) -> int:
    """Bytes of keys and values per position; of a model without attention, those of what passes between its layers."""
    if not getattr(config, "num_attention_heads", None):
        return config.num_hidden_layers * config.hidden_size * DTYPES[dtype].itemsize
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * width * DTYPES[dtype].itemsize
