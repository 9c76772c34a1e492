"""`rlprobe train`: choose, refuse, load, train, save. What cannot be trained is refused before weights are loaded."""

import importlib.util
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rlprobe import storage
from rlprobe.commands.progress import Reporter
from rlprobe.errors import BadInput, NotAvailable, OtherRun
from rlprobe.pairs.loading import LocatedPair, locate
from rlprobe.pairs.registry import PAIRS, registered_pair
from rlprobe.problems.datasets import ProblemSet, load_problems
from rlprobe.problems.grading import Grader
from rlprobe.problems.prompts import encode_prompt, prompt_style
from rlprobe.records import Problem
from rlprobe.settings import PairChoice, TrainSettings
from rlprobe.training.methods import METHODS, OWN_LOOPS, Method

ABOUT = "training.json"
NOT_IN_IDENTITY = ("steps", "tokens", "save_every")  # a training goes on to more of these


@dataclass(frozen=True)
class Plan:
    """A training that can be begun: nothing of it is loaded yet but tokenizers and problems."""

    settings: TrainSettings
    method: Method
    own: dict[str, Any]
    located: LocatedPair
    problems: ProblemSet
    asked: tuple[Problem, ...]
    prompts: tuple[tuple[str, list[int]], ...]
    left_out: int
    style: str
    out: Path

    @property
    def identity(self) -> dict[str, Any]:
        """What a training cannot go on without; as JSON has it."""
        how = {name: value for name, value in vars(self.settings.how).items() if name not in NOT_IN_IDENTITY}
        teacher = {"teacher": self.located.rl.files} if self.method.needs_teacher else {}
        said = {
            "method": self.settings.method,
            **self.own,
            **how,
            "style": self.style,
            "extract": self.extract,
            "dtype": self.located.dtype,
            "base": self.located.base.files,
            "problems": self.problems.fingerprint,
            "golds": self.problems.golds,
            "asked": len(self.asked),
            **teacher,
        }
        return json.loads(json.dumps(said))

    @property
    def extract(self) -> str:
        """Where answers are found."""
        return self.settings.grader.extract or prompt_style(self.style).extract

    @property
    def about(self) -> dict[str, Any]:
        """What the card and the plan say."""
        return {
            "method": self.settings.method,
            "words": self.method.words,
            "source": self.method.source,
            "base": self.located.base.name,
            "dataset": self.problems.name,
            "problems": len(self.asked),
            "left_out": self.left_out,
        }


# ---- what can be refused without weights -----------------------------------------------------------------------------


def prepare(settings: TrainSettings) -> Plan:
    """Choose and check. Raises BadInput, NotAvailable, IncompatiblePair or OtherRun; no weights are read."""
    method, problems = METHODS[settings.method], settings.problems
    own = method.settled(settings.method, settings.own)
    _check_use(settings, method)
    _check_round(settings, method, own)
    _check_installed()
    _check_base(settings.pair)
    located = locate(_pair(settings.pair, method))
    _check_adapter(settings, located)
    assert problems.dataset
    loaded = load_problems(problems.dataset, problems.question_field, problems.answer_field)
    known = PAIRS.get(settings.pair.pair or "")
    style = problems.style or (known.prompt_style if known else "chat")
    chosen = loaded.problems[: problems.limit]
    asked, prompts = _that_can_be_asked(settings, located, chosen, style)
    name = settings.pair.pair or Path(located.base.name).name
    out = settings.output.out or Path("runs") / f"train-{name}-{settings.method}-seed{settings.how.seed}"
    made = Plan(settings, method, own, located, loaded, asked, prompts, len(chosen) - len(asked), style, out)
    _check_other(made)
    return made


def _check_use(settings: TrainSettings, method: Method) -> None:
    """What has to be given, and what would be ignored."""
    name, how = settings.method, settings.how
    if not settings.problems.dataset:
        raise BadInput(
            "--dataset has to be given: name the problems to train on (a pair's own are those it is measured on)"
        )
    if settings.pair.rl and not method.needs_teacher:
        raise BadInput(f"--rl has no use with {name}: it is the teacher of kl-lora; leave it out")
    if name in OWN_LOOPS and how.updates is not None:
        raise BadInput(
            f"--updates has no use with {name}: all responses are drawn before the first update; leave it out"
        )
    if method.needs_teacher and how.reward != "answer":
        raise BadInput(f"--reward has no use with {name}: it learns from a teacher; leave it out")


def _check_round(settings: TrainSettings, method: Method, own: dict[str, Any]) -> None:
    """How a round is cut into batches and updates, for the methods that are cut so."""
    how, name = settings.how, settings.method
    if name in OWN_LOOPS:
        return
    drawn, updates = how.prompts * how.samples, how.updates_a_round
    if drawn % (how.rows * updates):
        raise BadInput(
            f"a round of {how.prompts} problems × {how.samples} samples is not cut into {updates} updates of "
            f"batches of {how.rows} rows: choose numbers of which rows × updates divides {drawn}"
        )
    if how.steps % updates:
        raise BadInput(f"--steps is {how.steps}: it is a multiple of --updates, {updates}, so that rounds are whole")
    if method.off_policy and updates < 2:
        raise BadInput(f"--updates is 1: {name} does nothing on the first update of a round; give at least 2")
    if own.get("k", 0) >= how.samples:
        raise BadInput(
            f"--k is {own['k']}, and --samples is {how.samples}: a choice of so many would be all of them; give fewer"
        )
    if name == "lp-reg" and own["clip_low"] < 1:
        raise BadInput(f"--clip-low is {own['clip_low']:g}: lp-reg has no lower clip; give at least 1, or leave it out")


def _check_installed() -> None:
    if importlib.util.find_spec("trl") is None:
        raise NotAvailable("training needs TRL, which is not installed: pip install 'rlprobe[train]'")


def _check_base(choice: PairChoice) -> None:
    """An adapter is no base: a second one cannot be put on it."""
    base = choice.base or ""
    folder = base if (Path(base) / "adapter_config.json").is_file() else ""
    if folder and not (Path(base) / "config.json").is_file():
        raise BadInput(
            f"{base} is an adapter, and no base: give the model it stands on (merge it first to go on from it)"
        )
    if "+" in base and not Path(base).exists():
        raise BadInput(
            f"{base} carries an adapter itself, and two cannot be stacked: merge it (PEFT's merge_and_unload, then "
            "save_pretrained) and give the merged folder"
        )


def _pair(choice: PairChoice, method: Method) -> PairChoice:
    """Base and teacher; without a teacher the base stands beside itself, so that it is checked as any pair is."""
    if method.needs_teacher:
        return choice
    if choice.pair:
        entry = registered_pair(choice.pair)
        choice = replace(choice, pair=None, base=entry.base, base_revision=choice.base_revision or entry.base_revision)
    return replace(choice, rl=choice.base, rl_revision=choice.base_revision)


def _check_adapter(settings: TrainSettings, located: LocatedPair) -> None:
    """The adapter's rank and its layers, against the shapes of the base; no weight is made."""
    import torch
    from transformers import AutoModelForCausalLM

    how, config = settings.how, located.base.config
    if how.rank > config.hidden_size:
        raise BadInput(f"--rank is {how.rank}, and {located.base.name} is {config.hidden_size} wide: give at most that")
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(config)
    no_layers = {id(network.get_input_embeddings()), id(network.get_output_embeddings())}
    for name in how.modules:
        found = [part for path, part in network.named_modules() if path == name or path.endswith(f".{name}")]
        if not found or any(id(part) in no_layers for part in found):
            layers = {p.rpartition(".")[2] for p, part in network.named_modules() if _is_matrix(part, no_layers)}
            raise BadInput(
                f"--modules: {located.base.name} has no layer {name!r} to adapt; it has {', '.join(sorted(layers))}"
            )
    if getattr(config, "quantization_config", None):
        raise BadInput(f"{located.base.name} is quantised: dequantise it and save it, and train that")


def _is_matrix(part: Any, no_layers: set[int]) -> bool:
    return (
        not list(part.children())
        and getattr(getattr(part, "weight", None), "ndim", 0) == 2
        and id(part) not in no_layers
    )


def _that_can_be_asked(
    settings: TrainSettings, located: LocatedPair, chosen: tuple[Problem, ...], style: str
) -> tuple[tuple[Problem, ...], tuple[tuple[str, list[int]], ...]]:
    """The problems with a gold answer that can be read and room for a response, each question once, and the prompts."""
    with Grader(settings.grader) as grader:
        reasons = grader.unreadable([problem.answer for problem in chosen])
    golden = [problem for problem in chosen if problem.answer and problem.answer not in reasons]
    if not golden:
        raise BadInput(
            "no problem has a gold answer that can be read, so that every response would earn 0: name the field of the "
            "answers with --answer-field, or choose another --dataset"
        )
    encoded = [(problem, encode_prompt(style, problem.question, located.prompt_tokenizer)) for problem in golden]
    room = located.context - settings.how.max_new_tokens
    known: dict[str, tuple[Problem, tuple[str, list[int]]]] = {}
    for problem, (text, ids) in encoded:
        if len(ids) <= room:
            known.setdefault(text, (problem, (text, ids)))
    fitting = list(known.values())
    if not fitting:
        raise BadInput(
            f"none of {len(golden)} prompts leaves room for {settings.how.max_new_tokens} tokens in a context of "
            f"{located.context} positions: give a smaller --max-new-tokens"
        )
    if settings.method not in OWN_LOOPS and len(fitting) < settings.how.prompts:
        raise BadInput(
            f"--prompts is {settings.how.prompts}, and only {len(fitting)} can be asked: give a smaller number"
        )
    asked, prompts = zip(*fitting, strict=True)
    return asked, prompts


def _check_other(plan: Plan) -> None:
    """Refuse a folder that holds another training, or something else."""
    file = plan.out / ABOUT
    if plan.settings.output.overwrite or not plan.out.exists():
        return
    if not file.exists():
        if any(not storage.left_by_a_kill(path) for path in plan.out.iterdir()):
            raise BadInput(f"{plan.out} holds something that is no training: give another --out")
        return
    there = storage.read_json(file, lambda content: content["identity"])
    differ = sorted(name for name in there.keys() | plan.identity.keys() if there.get(name) != plan.identity.get(name))
    if differ:
        raise OtherRun(
            f"{plan.out} holds a training with other settings ({', '.join(differ)}): give another --out, or --overwrite"
        )


# ---- the work --------------------------------------------------------------------------------------------------------


def plan(settings: TrainSettings) -> list[str]:
    """What `--dry-run` prints."""
    made = prepare(settings)
    how, about = settings.how, made.about
    own = [f"{name} {value}" for name, value in made.own.items()]
    return [
        f"{settings.method}: {made.method.words} (arXiv {made.method.source})",
        *([f"with {', '.join(own)}"] if own else []),
        f"base {about['base']}, {made.located.dtype} on {made.located.base.device}"
        + (f"; teacher {made.located.rl.full_name}" if made.method.needs_teacher else ""),
        f"{about['problems']} problems of {about['dataset']} in the style {made.style}, {about['left_out']} left out",
        f"rounds of {how.prompts} problems × {how.samples} samples of at most {how.max_new_tokens} tokens; "
        f"{how.steps} updates" + (f", at most {how.tokens} tokens to the round" if how.tokens else ""),
        f"LoRA of rank {how.rank}, alpha {how.alpha}, on {', '.join(how.modules)}",
        "the first prompt:",
        made.prompts[0][0],
        f"would write to {made.out}",
    ]


def train(settings: TrainSettings, reporter: Reporter) -> Path:
    """Train to the end, or go on with what is there; returns the folder of the adapter."""
    import torch

    from rlprobe.training.card import card
    from rlprobe.training.grpo import ADAPTER, save_adapter

    made = prepare(settings)
    reporter.note(f"{settings.method}: {made.method.words}; {len(made.asked)} problems, {made.left_out} left out")
    with _held(made), Grader(replace(settings.grader, extract=made.extract)) as grader:
        job = _job(made, grader, reporter)
        _loop(settings.method)(job)
        folder = made.out / ADAPTER
        save_adapter(job.network, folder, torch.float32)
        text = card(made.about, made.identity, job.log.lines())
        storage.write(folder / "README.md", lambda path: path.write_text(text, encoding="utf-8"))
    return folder


@contextmanager
def _held(made: Plan) -> Iterator[None]:
    """The folder of the training, held for writing, with what the training is."""
    if made.settings.output.overwrite and (made.out / ABOUT).exists():
        storage.delete(made.out)
    storage.make_folder(made.out)
    with storage.held(made.out):
        said = json.dumps({"identity": made.identity, "about": made.about}, indent=1)
        storage.write(made.out / ABOUT, lambda path: path.write_text(said, encoding="utf-8"))
        yield


def _loop(method: str) -> Callable[[Any], None]:
    from rlprobe.training import loops, trainers

    return loops.LOOPS.get(method, trainers.run)


def _job(made: Plan, grader: Grader, reporter: Reporter) -> Any:
    """The training with its weights."""
    from rlprobe.pairs.loading import whole
    from rlprobe.pairs.networks import load_network
    from rlprobe.training.grpo import LOG, Task, coin_flip, exact_answer, with_adapter
    from rlprobe.training.job import Job, Log

    how, located = made.settings.how, made.located
    network = load_network(located.base, located.dtype)
    adapted = with_adapter(network, how.rank, how.alpha, how.modules, how.seed, located.base.name)
    return Job(
        name=made.settings.method,
        method=made.method,
        own=made.own,
        how=how,
        network=adapted,
        tokenizer=located.base.tokenizer,
        stop_ids=located.stop_ids,
        tasks=[Task(ids, p.answer) for p, (_, ids) in zip(made.asked, made.prompts, strict=True)],
        texts=[text for text, _ in made.prompts],
        reward=coin_flip(how.seed) if how.reward == "coin" else exact_answer(grader),
        folder=made.out,
        log=Log(made.out / LOG, reporter.note),
        identity=made.identity,
        teacher=whole(located.rl, located.dtype) if made.method.needs_teacher else None,
        vocabulary=located.vocabulary.ids,
    )
