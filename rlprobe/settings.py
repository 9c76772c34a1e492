"""Every setting of every command, said once: its name, type, default, range, choices and words. Standard library only.

A noun is a frozen dataclass whose fields are options; the settings of a command are nouns made of nouns, and their
docstring is what `--help` and `help()` say of the command (the command line as far as a form feed). `options_of` lists
what a command can be asked; the command line (cli.py) and the Python door (api.py) are both made of that, and both hand
what they were given to `made`, which refuses what cannot be meant. So a keyword that a command does not use does not
exist for it, and a check holds through either door. Names that are registered elsewhere are known before torch is.
"""

import ast
import difflib
import importlib
import inspect
import math
import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar, TypeVar, get_args, get_origin

from rlprobe import own
from rlprobe.errors import BadInput

Kind = TypeVar("Kind")

# option that is no more -> what took its place, and why
RENAMED = {"exclude_donor": ("allow_donor", "controls never write the donor's token by default")}


# ---- what an option is -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Names:
    """Names that are registered in a dictionary (or a tuple) at the foot of a module; `what` is what one is called.

    A value may go on after a colon. The registry of a `heavy` module, whose import would load torch, is read from the
    module's source.
    """

    what: str
    module: str
    registry: str
    heavy: bool = False
    or_file: bool = False
    ending: str = ""  # of files that may be named instead

    def known(self) -> tuple[str, ...]:
        """The names, in order."""
        if not self.heavy:
            return tuple(getattr(importlib.import_module(f"rlprobe.{self.module}"), self.registry))
        return _names_in_source(self.module, self.registry)

    def every(self) -> tuple[str, ...]:
        """The same with the functions of the user's."""
        return (*self.known(), *own.names(self.what))

    def check(self, flag: str, value: str) -> None:
        """Raise BadInput for a name that is not there, naming the nearest that is."""
        if self.ending and value.endswith(self.ending):
            if not Path(value).expanduser().is_file():
                raise BadInput(f"{flag}: there is no file {value}")
            return
        if own.find(self.what, value) or (self.heavy and re.search(r"[&|~()]", value)):  # gates put together
            return
        name = value.partition(":")[0].removeprefix("not-") if self.heavy else value
        known = self.every()
        if name in known or (self.or_file and (name.lower() in known or Path(name).expanduser().is_file())):
            return
        meant = near(name, known)
        if not self.or_file:
            raise BadInput(f"{flag}: no {self.what} is called {name!r}; known: {', '.join(known)}{meant}")
        found = "is a folder" if Path(name).is_dir() else "was not found as a file either"
        raise BadInput(
            f"{flag}: no {self.what} {name!r}, and it {found}; choose one of {', '.join(known)}, or name a file{meant}"
        )


@cache
def _names_in_source(module: str, registry: str) -> tuple[str, ...]:
    file = Path(__file__).parent / (module.replace(".", "/") + ".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(target) == registry:
                entries: Any = node.value
                return tuple(map(ast.literal_eval, entries.keys if isinstance(entries, ast.Dict) else entries.elts))
    raise LookupError(f"{file} defines no {registry}")


def near(name: str, known: Iterable[str]) -> str:
    """`; is 'limit' meant?`, where a known name is like the one that is not."""
    found = difflib.get_close_matches(name, known, 1)
    return f"; is {found[0] if found[0].startswith('-') else repr(found[0])} meant?" if found else ""


@dataclass(frozen=True)
class Option:
    """How a field is asked for, and what it may be.

    `name`: the keyword, where that is not the field's name; `flag`: the same for the command line. `unset` is how the
    command line writes None. `split`: several values stand in one word, as 1,2,4; `percent`: the command line says them
    in per cent. `place`: an argument, no option. `needs`: the option without which this one has no use; `unless`: those
    beside which it has none. `given`: what an object of the user's is, where it can be given in place of the value.
    """

    words: str = ""
    name: str = ""
    flag: str = ""
    least: float | None = None
    most: float | None = None
    above: float | None = None
    choices: "tuple[str, ...] | Names" = ()
    names: Names | None = None
    unset: str = ""
    metavar: str = ""
    split: bool = False
    percent: bool = False
    place: bool = False
    needs: str = ""
    unless: tuple[str, ...] = ()
    given: str = ""

    @property
    def objects(self) -> str:
        """What an object of the user's (own.py) would be here: a gate, a data set, ...; nothing where none is taken."""
        names = self.names or (self.choices if isinstance(self.choices, Names) else None)
        return self.given or (names.what if names else "")

    @property
    def among(self) -> tuple[str, ...]:
        """The choices; none, where there are others."""
        return self.choices.known() if isinstance(self.choices, Names) else self.choices

    def check(self, flag: str, value: Any) -> None:
        """Raise BadInput for a value that is none of the choices, outside the range, or no number."""
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(f"{flag} is {value}: it is a finite number")
        if self.among and value not in self.among and not self._is_own(value):
            raise BadInput(f"{flag} is {value!r}: it is one of {', '.join(self.among)}{near(str(value), self.among)}")
        words = {
            "at least": (self.least, operator.ge),
            "above": (self.above, operator.gt),
            "at most": (self.most, operator.le),
        }
        bounds = [(word, bound, holds) for word, (bound, holds) in words.items() if bound is not None]
        if not all(holds(value, bound) for _, bound, holds in bounds):
            said = " and ".join(f"{word} {bound:g}" for word, bound, _ in bounds)
            raise BadInput(f"{flag} is {value}: it is {said}")
        if self.names:
            self.names.check(flag, value)

    def _is_own(self, value: Any) -> bool:
        """Whether a value names a function of the user's."""
        return isinstance(self.choices, Names) and own.find(self.choices.what, str(value)) is not None


@dataclass(frozen=True)
class Switch:
    """Of a noun that may be left out: the option that asks for it, without which its own options have no use."""

    name: str
    words: str


@dataclass(frozen=True)
class Use:
    """How a command uses a noun: without some of its options, or only with another one, or with words of its own."""

    but: tuple[str, ...] = ()
    needs: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    switch: Switch | None = None


def option(default: Any, words: str, compare: bool = True, **more: Any) -> Any:
    """A field that is an option (`Option`)."""
    return field(default=default, compare=compare, metadata={"said": Option(words, **more)})


def place(default: Any = MISSING, **more: Any) -> Any:
    """A field that is an argument of the command, required where it has no default."""
    return field(default=default, metadata={"said": Option(place=True, **more)})


def noun(default: Any, *but: str, needs: str = "", **words: str) -> Any:
    """A field that is a noun, used as a command uses it (`Use`)."""
    return field(default=default, metadata={"said": Use(but, needs, words)})


def optional(switch: Switch) -> Any:
    """A field that is a noun only where its switch is given, else None."""
    return field(default=None, metadata={"said": Use(switch=switch)})


@dataclass(frozen=True)
class Asked:
    """An option of a command: its keyword, what it may be, and its default (`MISSING` where it has to be given)."""

    name: str
    kind: Any
    option: Option
    default: Any
    heading: str = ""  # that --help lists it under: its noun's

    @property
    def flag(self) -> str:
        """As the command line and every message write it."""
        name = self.option.flag or self.name
        return self.option.metavar or name.upper() if self.option.place else "--" + name.replace("_", "-")

    @property
    def plain(self) -> Any:
        """What one value is: without None, and of several each."""
        kind = next((k for k in _kinds(self.kind) if k is not type(None)), self.kind)
        return get_args(kind)[0] if self.is_several else kind

    @property
    def is_several(self) -> bool:
        """Whether it takes several values."""
        return any(get_origin(kind) is tuple for kind in _kinds(self.kind))

    def read(self, value: Any) -> Any:
        """A value as it was given, written or not, as what it is to be. Raises BadInput where it is none."""
        value = value.tolist() if hasattr(value, "tolist") else value  # of numpy, pandas, torch
        if value == self.option.unset and self.option.unset:
            return None
        if not self.is_several:
            return self.one(value)
        if isinstance(value, str) and self.option.split:
            value = value.replace(",", " ").split()
        value = list(value) if isinstance(value, range) else value
        return tuple(self.one(each) for each in (value if isinstance(value, list | tuple) else (value,)))

    def one(self, value: Any) -> Any:
        """The same for one of several values."""
        kind, wanted = self.plain, "text"
        if isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool):
            made = value
        elif isinstance(value, str | int) and not isinstance(value, bool) and hasattr(kind, "parse"):
            made = kind.parse(str(value))
        elif kind is Path and isinstance(value, str):
            made = Path(value)
        elif kind is str and isinstance(value, Path):
            made = str(value)
        elif kind is int:
            made, wanted = _whole(value), "a whole number" + (f" or {self.option.unset!r}" if self.option.unset else "")
        elif kind is float:
            made, wanted = _number(value), "a number"
        else:
            made = str(value) if kind is str and self.is_several and isinstance(value, int | float) else None
        if made is None:
            wanted = {bool: "True or False", Path: "a path"}.get(kind, wanted)
            raise BadInput(f"{self.flag} is {str(value)[:60]!r}: it is {wanted}")
        self.option.check(self.flag, made)
        return made


def _whole(value: Any) -> int | None:
    return int(value) if isinstance(value, str) and re.fullmatch("[+-]?[0-9]{1,18}", value.strip(), re.ASCII) else None


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


# ---- settings from what was given ------------------------------------------------------------------------------------


class Noun:
    """Settings that refuse what their options refuse, however they are made."""

    def __post_init__(self) -> None:
        own: Any = fields(self)  # type: ignore[arg-type]
        for asked, value in ((_asked(each), getattr(self, each.name)) for each in own):
            if asked is None:
                continue
            for each in value if isinstance(value, tuple) and asked.is_several else (value,):
                if each is not None:
                    asked.one(each)


def said_of(kind: type) -> str:
    """What the settings of a command say of it; on the command line as far as the form feed."""
    return inspect.cleandoc(kind.__doc__ or "")


@cache
def options_of(kind: Any) -> tuple[Asked, ...]:
    """Every option of the settings of a command, in order, each once; what all commands have comes last."""
    found: dict[str, Asked] = {}
    for each in sorted(fields(kind), key=lambda each: getattr(_noun_in(each), "LAST", False)):
        if asked := _asked(each):
            found.setdefault(asked.name, asked)
        elif part := _noun_in(each):
            used = each.metadata.get("said", Use())
            if used.switch:
                found[used.switch.name] = Asked(used.switch.name, bool, Option(used.switch.words), False)
            for asked in (asked for asked in options_of(part) if asked.name not in used.but):
                needs = asked.option.needs or used.needs or (used.switch.name if used.switch else "")
                words = used.words.get(asked.name, asked.option.words)
                heading = asked.heading or getattr(part, "HEADING", "")
                said = replace(asked.option, needs=needs, words=words)
                found.setdefault(asked.name, replace(asked, option=said, heading=heading))
    return tuple(found.values())


def _asked(each: Any) -> Asked | None:
    """The option that a field is, if it is one."""
    option = each.metadata.get("said")
    return Asked(option.name or each.name, each.type, option, each.default) if isinstance(option, Option) else None


def _noun_in(each: Any) -> Any:
    """The noun that a field holds, if it holds one."""
    return next((k for k in _kinds(each.type) if isinstance(k, type) and issubclass(k, Noun)), None)


def _kinds(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def made(kind: type[Kind], given: Mapping[str, Any]) -> Kind:
    """Settings from keywords; None is the same as not given.

    Raises BadInput for a keyword that the command does not have, naming the nearest that it has; for a value that
    cannot be; for one that is missing, or that has no use beside what else was given.
    """
    every: Any = options_of
    known: dict[str, Asked] = {asked.name: asked for asked in every(kind)}
    given = by_keyword(kind, given)
    for name in sorted(given.keys() - known.keys()):
        raise BadInput(unknown(name, known))
    values = {name: known[name].read(value) for name, value in given.items() if value is not None}
    for asked in known.values():
        if asked.default is MISSING and asked.name not in values:
            raise BadInput(f"{asked.flag} has to be given")
    asked_for = {name for name, value in values.items() if value is not False}
    for asked in (known[name] for name in values if name in asked_for):
        needs = known.get(asked.option.needs)
        if needs and needs.name not in asked_for:
            raise BadInput(f"{asked.flag} has no use without {needs.flag}: give {needs.flag} with it")
        for other in (known[name] for name in asked.option.unless if name in asked_for):
            raise BadInput(f"give either {asked.flag} or {other.flag}, not both")
    return _built(kind, values)


def by_keyword(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """What was given by the names of the command line (gate, tau) by those of the settings (gates, taus).

    Raises BadInput where an option is given by both.
    """
    flags = {asked.option.flag: asked.name for asked in options_of(kind) if asked.option.flag}
    for flag, name in flags.items():
        if flag in given and name in given:
            raise BadInput(f"{flag} and {name} are one option: give either")
    return {flags.get(name, name): value for name, value in given.items()}


def options_in(settings: Any) -> dict[str, Any]:
    """The options that settings were made of, those that are not as they are by default; `made` is the way back."""
    found: dict[str, Any] = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        if asked := _asked(each):
            found |= {asked.name: value} if value != each.default and value is not None else {}
        elif _noun_in(each) and value is not None:
            used = each.metadata.get("said", Use())
            found |= {used.switch.name: True} if used.switch else {}
            found = {name: it for name, it in options_in(value).items() if name not in used.but} | found
    return found


def unknown(name: str, known: Iterable[str]) -> str:
    """What is said of an option that a command does not have, a keyword or as the command line writes it."""
    written = name if name.startswith("-") else repr(name)
    if (bare := name.lstrip("-").replace("-", "_")) in RENAMED:
        new, why = RENAMED[bare]
        new = f"--{new.replace('_', '-')}" if name.startswith("-") else repr(new)
        return f"there is no option {written} any more: {why}; {new} is the opposite"
    return f"there is no option {written}{near(name, known)}"


def _built(kind: Any, values: Mapping[str, Any]) -> Any:
    """A noun of what was given; what was not keeps its default."""
    mine: dict[str, Any] = {}
    for each in fields(kind):
        if asked := _asked(each):
            mine |= {name: values[asked.name] for name in (each.name,) if asked.name in values}
        elif part := _noun_in(each):
            switch = each.metadata.get("said", Use()).switch
            if switch is None or values.get(switch.name):
                mine[each.name] = _built(part, values)
    return kind(**mine)


# ---- nouns that several commands have --------------------------------------------------------------------------------

MEMBERS = ("base", "rl")  # the two models of a pair, always in this order
PAIR = Names("pair", "pairs.registry", "PAIRS")
DATASET = Names("data set", "problems.datasets", "DATASETS", or_file=True)
STYLE = Names("prompt style", "problems.prompts", "PROMPT_STYLES", ending=".jinja")
MODE = Names("mode", "decoding.modes", "MODES", heavy=True)
CONTROLS = Names("control", "decoding.modes", "CONTROLS", heavy=True)
GATE = Names("gate", "decoding.arms", "GATES", heavy=True)
WRITER = Names("writer", "decoding.arms", "WRITERS", heavy=True)
SIGNAL = Names("signal", "signal", "SIGNALS", heavy=True)
KIND = Names("kind", "analysis.points", "KINDS", heavy=True)
GRADER = Names("grader", "problems.comparisons", "COMPARISONS", heavy=True)
EXTRACTION = Names("extraction", "problems.answers", "EXTRACTIONS", heavy=True)
PRESET = Names("preset", "commands.signal_arms", "PRESETS", heavy=True)
METHOD = Names("method", "training.methods", "METHODS")


@dataclass(frozen=True)
class PairChoice(Noun):
    """Which pair, and on what: either `pair` (a registered name) or both `base` and `rl`.

    dtype "auto" is float32 on a CPU and the checkpoint's own elsewhere; a device of one member overrides `device`.
    With an adapter, `rl_revision` is the adapter's. `template_of` says whose tokenizer puts the prompts into ids.
    """

    HEADING = "Models"

    pair: str | None = option(
        None, "A registered pair (see `rlprobe pairs`).  [default: bundled]", names=PAIR, unless=("base", "rl")
    )
    base: str | None = option(None, "The base model: a Hub id, a folder or a .gguf file.")
    rl: str | None = option(None, "The RL model: a Hub id, a folder, a .gguf file, or base+ADAPTER.")
    base_revision: str | None = option(None, "Hub revision of the base.")
    rl_revision: str | None = option(None, "Hub revision of the RL model; of base+ADAPTER, the adapter's.")
    template_of: str = option(
        "base", "Whose tokenizer makes the prompts (chat template, BOS, merges), where the two differ.", choices=MEMBERS
    )
    trust_remote_code: bool = option(False, "Run code that a model brings with it.")
    dtype: str = option(
        "auto",
        "Of the trunks; auto is float32 on a CPU, the checkpoint's own elsewhere.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    device: str = option("auto", "cpu, cuda, cuda:1, ...")
    base_device: str | None = option(
        None, "Another device for the base; several, as cuda:0,cuda:1 or cpu,disk, share it; auto is every GPU."
    )
    rl_device: str | None = option(None, "Another device, or several, for the RL model.")
    threads: int | None = option(
        None, "Processor threads to compute with (auto: what torch takes); part of a run.", unset="auto", least=1
    )


@dataclass(frozen=True)
class ProblemChoice(Noun):
    """Which problems, and how they are put to both models; `dataset` and `style` None are the registered pair's own."""

    HEADING = "Problems"

    dataset: str | None = option(
        None,
        "A registered data set (see `rlprobe datasets`) or a JSONL, JSON, Parquet or CSV file.  [default: the "
        "pair's own, else word-problems]",
        names=DATASET,
    )
    question_field: str | None = option(None, "Column of a file that holds the question; a.b is the field b of a.")
    answer_field: str | None = option(
        None, "Column of a file that holds the gold answer, or the solution that ends in it."
    )
    style: str | None = option(
        None,
        "Prompt style, the same for both models, or a file NAME.jinja.  [default: the pair's own, else chat]",
        names=STYLE,
    )
    system: str | None = option(None, "A system turn before the question, in styles that are chats.")
    shots: Path | None = option(
        None, "Solved questions before the question: a file with question and answer.", given="data set"
    )
    only: tuple[str, ...] = option(
        (),
        "Only these problems: an id, places as 0-9 (from 0, both included), or a file of ids, one a line; repeatable.",
    )
    limit: int | None = option(None, "Only the first N problems.", least=1)


@dataclass(frozen=True)
class ComputeChoice(Noun):
    """How much at once. What is None is chosen from the device and its memory, and kept by the run."""

    HEADING = "Computing"
    LAST = True

    max_new_tokens: int = option(1024, "At most so many tokens a response.", least=1)
    batch_size: int | None = option(None, "Rows decoded at once.", unset="auto", least=1)
    block: int | None = option(None, "Problems a file.", name="shard_size", unset="auto", least=1)
    path: str = option(
        "auto", "How full-vocabulary statistics are computed.", name="statistics", choices=("auto", "plain", "compiled")
    )
    propose_from: Path | None = option(
        None, "Responses made elsewhere, which decoding may find to be right: a JSONL, JSON or Parquet file."
    )
    one_at_a_time: bool = option(
        False, "Hold one model at a time; what the first reads is kept on the disk until the other has read it."
    )
    spill: Path | None = option(None, "Where to, with --one-at-a-time.  [default: the run]", needs="one_at_a_time")
    max_outside: float = option(
        0.01,
        "Stop if a model puts more of its probability, in the mean, on ids that the other does not have.",
        least=0,
        most=1,
    )


@dataclass(frozen=True)
class Share:
    """Machine `index` of `count`: it computes the blocks of problems whose number is `index` modulo `count`."""

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> "Share":
        """From "i/n", counted from 1. Raises BadInput for anything else."""
        index, _, count = text.partition("/")
        if not (re.fullmatch(r"[0-9]{1,9}/[0-9]{1,9}", text) and 1 <= int(index) <= int(count)):
            raise BadInput(f"{text!r} is not of the form i/n with 1 <= i <= n, for example 2/8")
        return cls(int(index) - 1, int(count))

    def __str__(self) -> str:
        return f"{self.index + 1}/{self.count}"

    def has(self, block: int) -> bool:
        """Whether this machine computes a block."""
        return block % self.count == self.index


ALL = Share()


@dataclass(frozen=True)
class OutputChoice(Noun):
    """Where to, which share of the work, and the user's own claims."""

    HEADING = "Run directory"
    LAST = True

    out: Path | None = option(None, "The run directory.  [default: runs/PAIR-DATASET]")
    overwrite: bool = option(False, "Delete the run that is there and start anew.")
    any_threads: bool = option(
        False, "Go on with a run that was made with another number of threads; last digits may differ, and it is noted."
    )
    share: Share = option(ALL, "Only this machine's share of the work.", name="shard", metavar="I/N")
    claims: tuple[str, ...] = option(
        (),
        "Your own claims, a TOML file or the name of a function: registered in the run, then judged by its numbers; "
        "repeatable.",
        given="claim",
    )


@dataclass(frozen=True)
class Workers:
    """How many workers; None is one on every device there is."""

    count: int | None = None

    @classmethod
    def parse(cls, text: str) -> "Workers":
        """From "auto" or a number. Raises BadInput for anything else."""
        if text == "auto":
            return cls()
        if not re.fullmatch("[1-9][0-9]{0,5}", text):
            raise BadInput(f"--workers is {text!r}: it is auto, or a whole number from 1 up")
        return cls(int(text))

    def __str__(self) -> str:
        return "auto" if self.count is None else str(self.count)


@dataclass(frozen=True)
class WorkerChoice(Noun):
    """By which Ray workers shards are made; without any it is this process. Needs the extra [ray]."""

    HEADING = "Workers"
    LAST = True

    workers: Workers | None = option(
        None,
        "So many workers on this machine, or auto for one on every GPU, else core.  [default: this process alone]",
        metavar="auto|N",
    )
    ray: str | None = option(None, "Workers on a running Ray cluster instead: its address, or auto.")
    gpus_per_worker: float | None = option(None, "GPUs of one worker.  [default: 1 where there are any]", least=0)

    @property
    def asked(self) -> bool:
        """Whether there are to be workers."""
        return self.workers is not None or self.ray is not None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gpus_per_worker is not None and not self.asked:
            raise BadInput("--gpus-per-worker has no use without --workers or --ray: give one with it")


@dataclass(frozen=True)
class Resampling:
    """How intervals are made. Every interval starts its own generator, so that none depends on what else is asked."""

    seed: int = 0
    resamples: int = 2000
    confidence: float = 0.95

    def __post_init__(self) -> None:
        if self.resamples < 100:
            raise BadInput(f"resamples is {self.resamples}: an interval needs at least 100")
        if not 0 < self.confidence < 1:
            raise BadInput(f"confidence is {self.confidence}: it lies between 0 and 1")
        if self.seed < 0:
            raise BadInput(f"seed is {self.seed}: it is a whole number from 0 up")

    @property
    def tails(self) -> tuple[float, float]:
        """The two quantile levels between which the interval lies."""
        return (1 - self.confidence) / 2, (1 + self.confidence) / 2

    @property
    def smallest_p(self) -> float:
        """The least that `bootstrap_p_value` can say: no resample on the other side of 0. A true p may be smaller."""
        return 2 / (1 + self.resamples)

    def generator(self) -> Any:
        """A fresh numpy.random.Generator, the same one each time."""
        import numpy as np  # not before a number is drawn

        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Reading(Noun):
    """What changes the numbers that are read off a run, but not the run itself.

    `class_k`: the base rank up to which another argmax counts as reranked; `answer`: which answer ends a response, the
    "last" or the "first"; `tau` (nats): the entropy above which a position would be gated; the rest is `Resampling`.
    """

    HEADING = "Reading of the numbers"
    LAST = True

    class_k: int = option(5, "Largest reranked rank.", least=1)
    answer: str = option("last", "Which one counts.", choices=("first", "last"))
    tau: float = option(1.2, "Entropy gate, nats.", least=0)
    seed: int = option(0, "Of the bootstrap intervals.", least=0)
    resamples: int = option(2000, "How many, of the bootstrap intervals.", least=100)
    confidence: float = option(0.95, "Of the intervals, between 0 and 1.", above=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.resampling  # refuses settings that cannot be resampled with

    @property
    def resampling(self) -> Resampling:
        """The part of the reading that intervals need."""
        return Resampling(self.seed, self.resamples, self.confidence)


@dataclass(frozen=True)
class GraderChoice(Noun):
    """How verdicts are made. `extract` None is what the prompt style asks for; no verdict depends on `workers`."""

    HEADING = "Grading"
    LAST = True

    extract: str | None = option(
        None,
        "Where a response states its answer.  [default: where its prompt style asks for it]",
        choices=EXTRACTION,
    )
    grader: str = option(
        "math", "When an answer is right: as mathematics, the letter of a choice, or the same text.", choices=GRADER
    )
    answer: str = option("last", "Which one counts.", choices=("first", "last"))
    timeout_s: int = option(5, "Seconds of work an answer.", name="grader_timeout", least=1, most=86400)
    workers: int | None = option(
        None, "Processes that grade.  [default: one a core]", name="grader_workers", least=1, compare=False
    )


@dataclass(frozen=True)
class SamplingChoice(Noun):
    """How both models are drawn from: softmax(logits / temperature), cut to the smallest set of probability top_p.

    `noise_seed` is that of the noise, which both models share.
    """

    HEADING = "Sampling"

    temperature: float = option(1.0, "Of sampling; above 0.", above=0)
    top_p: float = option(1.0, "Of sampling; above 0, at most 1.", above=0, most=1)
    noise_seed: int = option(0, "Of sampling; one noise for both models.")


SAMPLE = Switch("sample", "Sample both models, with common noise, instead of greedy decoding.")


def once_each(flag: str, values: Iterable[Any]) -> None:
    """Raise BadInput where a setting names a value twice: what is done for it would be counted twice."""
    values = tuple(values)
    if len(set(values)) < len(values):
        raise BadInput(f"{flag} is {', '.join(map(str, values))}: one of them is named twice; name each once")


def at_least_one(flag: str, values: Iterable[Any]) -> None:
    """Raise BadInput where several values may be given and none is."""
    if not tuple(values):
        raise BadInput(f"{flag} is empty: name at least one, or leave it out")


# ---- the commands that need a pair and problems ----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Settings(Noun):
    """What every command that needs a pair and problems is asked for; where no pair is named, it is the bundled one."""

    pair: PairChoice = PairChoice()
    problems: ProblemChoice = ProblemChoice()
    compute: ComputeChoice = ComputeChoice()
    crew: WorkerChoice = WorkerChoice()
    output: OutputChoice = OutputChoice()
    reading: Reading = noun(Reading(), "tau")
    grader: GraderChoice = GraderChoice()

    IN_TURNS: ClassVar[bool] = False  # whether it can be done with one model at a time

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.compute.one_at_a_time and not self.IN_TURNS:
            raise BadInput(
                "--one-at-a-time is for disagree and sample: this command needs both models at every token; spread "
                "them over several devices with --base-device and --rl-device"
            )
        if self.compute.one_at_a_time and self.crew.asked:
            raise BadInput("--one-at-a-time keeps what one model read on this machine's disk: give no workers with it")
        if not (self.pair.pair or self.pair.base or self.pair.rl):
            object.__setattr__(self, "pair", replace(self.pair, pair="bundled"))


@dataclass(frozen=True)
class GivenChoice(Noun):
    """Texts made elsewhere: which file, and where in it they stand; None is what its format says (docs/formats.md)."""

    responses: Path | None = option(
        None, "Read responses made elsewhere instead: a JSONL, JSON or Parquet file.", unless=("text",)
    )
    id_field: str | None = option(
        None, "Where a row of --responses names its problem, as id or doc.unique_id.", needs="responses"
    )
    response_field: str | None = option(
        None, "Where it holds text or token ids, or a list of draws, as out.0.text.", needs="responses"
    )
    gold: bool = option(
        False, "Read the data set's own solutions instead, where it has them.", unless=("responses", "text")
    )
    text: Path | None = option(None, "Read plain documents instead, without questions and gold answers.")
    text_field: str | None = option(None, "Column of a JSONL, JSON, Parquet or CSV file of documents.", needs="text")


@dataclass(frozen=True, kw_only=True)
class DisagreeSettings(Settings):
    """Where do a base model and its RL model disagree?
    \f
    Both models answer every problem greedily, both read both answers, and each position is unchanged, reranked or
    shifted (arXiv 2605.06241, §3.1). The result's `tokens` has a row for each position of each response (2 arms ×
    problems × response length): log-probabilities, entropies, margins and divergences in nats at temperature 1 over the
    common vocabulary, ranks from 1, the five best tokens of each model, and the class. Tables: classes, rates,
    accuracy, entropy, swaps, ...

    Raises BadInput for an option that cannot be (an unknown one names the nearest), OtherRun where `out` holds a run of
    other settings, NotAvailable for a model or a data set that cannot be loaded, and IncompatiblePair for two models
    that cannot be compared.
    """

    IN_TURNS = True

    trajectory: str = option(
        "both",
        "Whose greedy responses both models read.",
        choices=("both", *MEMBERS),
        unless=("responses", "text", "gold"),
    )
    given: GivenChoice = GivenChoice()
    reading: Reading = Reading()


# modes of intervene -> the signal that their threshold is one of
THRESHOLDS = {"entropy": "entropy", "inverse": "entropy", "margin": "margin", "kl": "kl", "js": "js", "delta": "delta"}
THRESHOLDS |= {"delta-published": "delta"}
COUNTS = ("support", "random", "oracle-reranked")  # modes with a top k
REPLAYING = ("random-replayed", "random-positions")  # modes that follow the greedy oracle's edits
DEFAULT_MODES = ("oracle", "random", "entropy")


@dataclass(frozen=True)
class ArmChoice(Noun):
    """Which arms: named modes, or one composed of gates and a writer (the donor's token, where none is named).

    A mode may carry the values of its parameter, as "entropy:0.5,p95"; those without take `taus` (signals) or `top_ks`.
    Thresholds are nats, or percentiles of the signal on the host's own text, as "p95". Raises BadInput for what no arm
    asked for can take.
    """

    modes: tuple[str, ...] = option(
        (),
        "NAME or NAME:VALUE,... (see `rlprobe arms`); repeatable.  [default: oracle, random, entropy]",
        flag="mode",
        names=MODE,
    )
    gates: tuple[str, ...] = option(
        (), "Instead of --mode: NAME:ARG, NAME:p95 or not-NAME; repeated, all must fire.", flag="gate", names=GATE
    )
    writer: str | None = option(
        None, "With --gate: NAME:ARG, what is written there.  [default: the donor's token]", names=WRITER
    )
    host: str = option("base", "Who decodes.", choices=MEMBERS)
    taus: tuple[str, ...] = option((), "Threshold of the mode, nats, or a percentile: p95; repeatable.", flag="tau")
    top_ks: tuple[int, ...] = option((), "k of the mode; repeatable.", flag="top_k")
    budget: int | None = option(None, "At most so many gated tokens a response.", least=0)
    allow_donor: bool = option(False, "Controls may write RL's own token too, which undoes them.")
    seeds: int = option(3, "Of greedy arms with randomness.", least=1, unless=("sample",))
    sampling: SamplingChoice | None = optional(SAMPLE)
    draws: int = option(4, "With --sample: per problem.", least=1, needs="sample")
    shown: tuple[str, ...] = option(
        (),
        "Only these arms in tables and figures: a mode, a label or a key, or asked for this call's; repeatable.  "
        "[default: all of the run]",
        name="arms",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for problem in self._problems():
            raise BadInput(problem)

    def _problems(self) -> Iterator[str]:
        """What cannot be meant, in words."""
        names = [mode for mode, _ in self.wanted]
        if self.modes and self.gates:
            yield "give either --mode or --gate with --writer, not both"
        if self.writer is not None and not self.gates:
            yield "--writer says what is written where a --gate fires, and there is none; modes have their own"
        if self.taus and not any(mode in THRESHOLDS for mode in names):
            modes = ", ".join(THRESHOLDS)
            yield f"--tau is for the modes {modes}; others take values (mix:0.5), gates too (js_above:0.1)"
        if self.top_ks and not any(mode in COUNTS for mode in names):
            yield f"--top-k is for the modes {', '.join(COUNTS)}; gates take it as in reranked:5"
        if self.allow_donor and not any(mode in CONTROLS.known() for mode in names):
            modes = ", ".join(CONTROLS.known())
            yield f"--allow-donor is for the modes {modes}; a writer takes it as in host_random:20,allow_donor"
        if self.sampling and (replaying := [mode for mode in names if mode in REPLAYING]):
            yield f"{replaying[0]} follows the greedy oracle's edits and cannot be sampled"

    @property
    def asks_greedy_ends(self) -> bool:
        """Whether the greedy texts are needed: arms stand between them, or thresholds are read off the host's."""
        return self.sampling is None or self.asks_the_run

    @property
    def draws_each(self) -> int:
        """How many responses an arm has to each problem."""
        return self.draws if self.sampling else 1

    @property
    def wanted(self) -> list[tuple[str, tuple[str, ...]]]:
        """(mode, the values of its parameter as they were written), one for each time it was asked for."""
        words = () if self.gates else self.modes or DEFAULT_MODES
        return [
            (mode, tuple(v.split(",")) if v else self._others(mode)) for mode, _, v in (w.partition(":") for w in words)
        ]

    def _others(self, mode: str) -> tuple[str, ...]:
        """What a mode without values of its own takes."""
        return self.taus if mode in THRESHOLDS else tuple(map(str, self.top_ks)) if mode in COUNTS else ()

    @property
    def asks_the_run(self) -> bool:
        """Whether an arm depends on the pair's token table."""
        return any(map(asks_the_run, self.wanted)) or any(is_percentile(g.partition(":")[2]) for g in self.gates)


def asks_the_run(wanted: tuple[str, tuple[str, ...]]) -> bool:
    """Whether a mode with these values depends on the pair's token table."""
    mode, values = wanted
    return mode == "matched" or any(map(is_percentile, values))


def is_percentile(text: str) -> bool:
    """Whether a value is one of those that are looked up, as p95."""
    return text.startswith("p")


@dataclass(frozen=True, kw_only=True)
class InterveneSettings(Settings):
    """Do those tokens cause the gain? Replace tokens while one model decodes, and grade.
    \f
    Arms are named `modes` (see `rlprobe arms`), or put together of `gates` and a `writer` (arXiv 2605.06241, §3.2-3.3).
    The result's `rollouts` has a row per arm, problem and draw, with the host's own choice and whether the gate fired
    at each position; the tables interventions, doses and answers hold accuracy, shares of gated and edited tokens, and
    recovery = (arm − base) / (RL − base) with paired 95 % intervals.

    Raises BadInput for an option or an arm that cannot be, and OtherRun, NotAvailable, IncompatiblePair as `disagree`.
    """

    arms: ArmChoice = ArmChoice()
    reading: Reading = noun(Reading(), "class_k", "tau")


@dataclass(frozen=True)
class FlipChoice(Noun):
    """Which problems: by default those that RL gets right and the base wrong. `most_trials`: edit sets a problem."""

    problem: str | None = option(
        None, "Only this problem (its problem_id), whoever is right.", unless=("all_problems",)
    )
    all_problems: bool = option(False, "Every problem, not only those that RL alone gets right.", flag="all")
    most_trials: int = option(256, "Sets of edits tried for one problem.", least=0)

    @property
    def scope(self) -> str:
        """What the shards of these problems are called."""
        return f"problem {self.problem}" if self.problem is not None else "all" if self.all_problems else "solved"

    def words(self, problems: int) -> str:
        """Which of so many problems, for people."""
        if self.problem is not None:
            return f"the problem {self.problem}"
        return f"all {problems} problems" if self.all_problems else f"of {problems} problems those that RL alone solves"


_OF_DISAGREE = "The run directory of `rlprobe disagree`.  [default: runs/PAIR-DATASET]"


@dataclass(frozen=True, kw_only=True)
class FlipSettings(Settings):
    """Which single tokens matter? Put RL's token once at each disagreement; find the few edits an answer needs.
    \f
    Goes on from a run of `disagree` in the same `out`. RL's token is written once at each disagreement along the base's
    text; then ddmin (Zeller and Hildebrandt, 2002) looks for few edits that keep RL's answer right. Tables: flips,
    needed_edits, needed_sizes, flip_tokens.

    Raises BadInput where `disagree` has not finished in `out` or for an option that cannot be, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """

    flips: FlipChoice = FlipChoice()
    compute: ComputeChoice = noun(ComputeChoice(), "max_outside")
    output: OutputChoice = noun(OutputChoice(), "overwrite", "claims", out=_OF_DISAGREE)
    reading: Reading = noun(Reading(), "class_k", "tau")


@dataclass(frozen=True, kw_only=True)
class ConsequenceSettings(Settings):
    """Which disagreements matter? Put the base's token once into RL's text, and see whether RL comes back.
    \f
    Goes on from a run of `disagree` in the same `out`. The base's token is written once at each disagreement along RL's
    text, up to its answer, and RL goes on alone: it comes back to its text or its answer, or it does not. Tables:
    consequences (with 95 % intervals over problems), consequence_finders (AUROC of what the base knows),
    consequence_places (CSV, a row a place).

    Raises BadInput where `disagree` has not finished in `out` or for an option that cannot be, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """

    compute: ComputeChoice = noun(ComputeChoice(), "max_outside")
    output: OutputChoice = noun(OutputChoice(), "overwrite", "claims", out=_OF_DISAGREE)


@dataclass(frozen=True)
class SampleChoice(Noun):
    """How the models are drawn from, how often, and which of them.

    RL may have a temperature of its own, `rl_temperature`; with `match_entropy` that is found at which its mean entropy
    is the base's (commands/matched_entropy.py). With `power` the base is drawn from that power of itself over whole
    texts, and RL beside it as ever; `power_block` and `power_moves` are of its sampler (decoding/power.py). With `read`
    both models read what is drawn, by whichever of them.
    """

    sampling: SamplingChoice = SamplingChoice()
    draws: int = option(16, "Draws of each problem.", flag="n", least=1)
    rl_temperature: float | None = option(None, "RL's own temperature.  [default: the same as the base's]", above=0)
    match_entropy: bool = option(
        False,
        "Find RL's temperature: that at which its mean entropy is the base's (arXiv 2504.13837).",
        unless=("rl_temperature", "power"),
    )
    power: float | None = option(
        None,
        "Draw the base from this power of itself over whole texts: sharpening alone, without RL (arXiv 2510.14901).",
        metavar="ALPHA",
        above=0,
    )
    power_block: int = option(192, "With --power: tokens of a block.", least=1, needs="power")
    power_moves: int = option(10, "With --power: moves after a block.", least=1, needs="power")
    member: str = option("both", "Which model.", choices=("both", *MEMBERS))
    read: bool = option(False, "Both models read the draws, too: whose first choice was drawn where the two differ.")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.match_entropy and self.member != "both":
            raise BadInput("--match-entropy is of both models: no --member with it")
        if self.power is not None and self.member == "rl":
            raise BadInput("--power is the base's: give --member base, or both")
        if self.rl_temperature is not None and self.member == "base":
            raise BadInput("--rl-temperature is RL's: give --member rl, or both")
        plain = SamplingChoice(noise_seed=self.sampling.noise_seed)
        if self.power is not None and self.member == "base" and self.sampling != plain:
            raise BadInput("--temperature and --top-p have no use for the base with --power: leave them out")


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """What is in reach of either model? Sample several answers to each problem; pass@k.
    \f
    Several sampled answers to each problem, and pass@k (arXiv 2504.13837). The result's `rollouts` has a row per model,
    problem and draw; the table pass_at_k holds the unbiased estimate of arXiv 2107.03374, §2.1, for k up to the number
    of draws, intervals resampling problems.

    Raises BadInput for an option that cannot be, and OtherRun, NotAvailable, IncompatiblePair as `disagree`.
    """

    IN_TURNS = True

    choice: SampleChoice = SampleChoice()
    compute: ComputeChoice = noun(ComputeChoice(), "spill")

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, asked in (("--match-entropy", self.choice.match_entropy), ("--read", self.choice.read)):
            if self.compute.one_at_a_time and asked:
                raise BadInput(f"{name} reads with both models: no --one-at-a-time with it")
        if self.compute.max_outside != ComputeChoice.max_outside and not self.choice.read:
            raise BadInput("--max-outside has no use where both models do not read the draws: give --read with it")

    reading: Reading = noun(Reading(), "class_k", "tau")


@dataclass(frozen=True, kw_only=True)
class PasskSettings(Noun):
    """Does RL find what its base lacks? pass@k of samples that are there; needs no models.
    \f
    SOURCE is a run of `sample`, or a CSV, JSON, JSONL or Parquet file with the columns problem_id, model, n (draws), c
    (right ones) and perhaps family (arXiv 2504.13837). Shares of problems at every k up to the fewest draws, with 95 %
    intervals over problems; the k where the curves cross; regimes of arXiv 2505.24864. Tables: passk, passk_crossing,
    passk_solvable, passk_regimes.

    Raises BadInput for a table that cannot be (c above n, a problem twice, ...), a k above the fewest draws, or a run
    without samples, and OtherRun where `out` holds the results of another table.
    """

    source: Path = place()
    base: str | None = option(None, "Of a table: the model that is the base.  [default: the one called base]")
    rl: str | None = option(None, "Of a table: the model that RL made of it.  [default: the one called rl]")
    between: str | None = option(
        None, "Of a table: a model from the middle of RL's training, which tells plateau from growth."
    )
    families: Path | None = option(None, "A table of problem_id and family.  [default: a table's column family]")
    margin: float = option(
        0.02, "A gain up to which a family's pass@k stays where it was, a share of problems.", least=0, most=0.99
    )
    ks: tuple[int, ...] = option((), "Shown in the tables; repeatable.  [default: 1, 2, 4, ...]", flag="k", least=1)
    out: Path | None = option(None, "Of a table: the folder of the results.  [default: runs/passk-TABLE]")
    overwrite: bool = option(False, "Delete the results that are there and start anew.")
    reading: Reading = noun(Reading(), "class_k", "tau")


_OF_PRESETS = ("signals", "equal", "targets", "host", "sample", "temperature", "top_p", "noise_seed", "most_decodes")


@dataclass(frozen=True)
class SignalChoice(Noun):
    """Which signals, at which doses, and how the models speak; or a preset.

    The first signal is the one that the others are compared with; none named are all. `equal`: of what a dose is
    counted; `targets`: the doses, from 0 to 1. `draws`: responses to a problem where there is randomness.
    """

    signals: tuple[str, ...] = option(
        (),
        "delta, kl, js, entropy, margin, learned, or random: RL's edits thinned by chance.  [default: all]",
        flag="signal",
        names=SIGNAL,
    )
    equal: str = option(
        "edits",
        "Compare at equal numbers of tokens really edited, or replaced with no-ops counted.",
        choices=("edits", "replaced"),
    )
    targets: tuple[float, ...] = option(
        (),
        "% of the oracle's edits or, replaced, of all tokens.  [default: 10 25 50 75 90; replaced: 0.3 1 3 10 20]",
        flag="target",
        percent=True,
    )
    host: str = option("base", "Who decodes.", choices=MEMBERS)
    sampling: SamplingChoice | None = optional(SAMPLE)
    draws: int = option(
        4, "Responses a problem where there is chance: with --sample, in a preset, of the random gate.", least=1
    )
    preset: str | None = option(None, "A published protocol, its thresholds fixed.", choices=PRESET, unless=_OF_PRESETS)
    most_decodes: int = option(8, "For one threshold, at most.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        once_each("--signal", self.signals)
        if any(not 0 < target <= 1 for target in self.targets):
            whole = {"edits": "the oracle's edits", "replaced": "all tokens"}[self.equal]
            raise BadInput(f"--target is a share of {whole}: above 0 and at most 100 %")


@dataclass(frozen=True, kw_only=True)
class SignalSettings(Settings):
    """Which signal finds the tokens that matter? Compare gates at equal doses: of real edits, or of replaced tokens.
    \f
    Each signal gates RL's token into the base's text (arXiv 2603.22117, 2603.22446); its threshold (nats) is chosen on
    one half of the problems so that a `targets` share of the oracle's edits is made or, with equal="replaced", the gate
    fires on that share of all tokens; the other half is graded. `learned` is a logistic regression on what the host
    alone says, fitted on the first half. Tables: equal-edits or equal-replaced, signal-differences (paired intervals at
    matched dose), signal-calibration, signal-detection (AUROC), signal-learned (its weights); of a preset, preset-NAME
    and equal-entropy-NAME.

    Raises BadInput for an option that cannot be or a half without problems, and OtherRun, NotAvailable,
    IncompatiblePair as `disagree`.
    """

    choice: SignalChoice = SignalChoice()
    reading: Reading = noun(Reading(), "class_k", "tau")


@dataclass(frozen=True)
class Checkpoint:
    """An RL model on its way: what to call it, where it is, and at which Hub revision."""

    name: str
    model: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.name}={self.model}" + (f"@{self.revision}" if self.revision else "")

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """From NAME=MODEL, MODEL@REVISION or both; the name is else the revision, or the last part of the model's.

        Raises BadInput where no model is named.
        """
        name, _, model = text.rpartition("=")
        if not model:
            raise BadInput(f"{text!r} names no model: a checkpoint is given as NAME=MODEL")
        at = None if Path(model).exists() or "@" not in model else model.rindex("@")
        model, revision = (model, None) if at is None else (model[:at], model[at + 1 :])
        return cls(name or revision or Path(model).name, model, revision)


@dataclass(frozen=True, kw_only=True)
class FootprintSettings(Settings):
    """How does RL's footprint grow? Disagree and direction for the CHECKPOINTS of one base, in the order of training.

    MODEL is a folder, a Hub id, MODEL@REVISION or base+ADAPTER; a folder without a tokenizer has the base's.
    \f
    A checkpoint is "NAME=MODEL"; the model `rl` is the RL model of a registered pair. `out` holds a run a checkpoint,
    read(out / NAME) opens one. Tables: footprint, footprint_tails, footprint_followed.

    Raises BadInput for an option, a name or a base that is not the same beside all checkpoints, and OtherRun,
    NotAvailable, IncompatiblePair as `disagree`.
    """

    checkpoints: tuple[Checkpoint, ...] = place(MISSING, metavar="NAME=MODEL...")
    pair: PairChoice = noun(
        PairChoice(),
        "rl",
        "rl_revision",
        pair="The base of a registered pair; MODEL `rl` is its RL model.  [default: bundled]",
        base="The base model: a Hub id or a folder.",
    )
    output: OutputChoice = noun(
        OutputChoice(),
        "shard",
        "claims",
        out="Holds a run a checkpoint.  [default: runs/PAIR-footprint]",
        overwrite="Delete what is there and start anew.",
    )
    reading: Reading = Reading()


@dataclass(frozen=True)
class RankChoice(Noun):
    """Which parts of the change are tried: `ranks` as written ("4", "full", "auto" for powers of two), none for no run.

    `kinds`: the matrices whose change is approximated (all, where empty); the `rest` is the base's or RL's.
    """

    ranks: tuple[str, ...] = option(
        (),
        "Also decode with ΔW cut to these ranks: 1,8,full or auto (powers of two).  [default: read the files only]",
        split=True,
    )
    kinds: tuple[str, ...] = option(
        (), "With --ranks: whose change is cut, as q,k,v,o.  [default: every matrix]", split=True, needs="ranks"
    )
    rest: str = option(
        "rl", "With --ranks: whose are the norms, the biases and the other matrices.", choices=MEMBERS, needs="ranks"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        for rank in self.ranks:
            if rank not in ("full", "auto") and not re.fullmatch("[0-9]{1,9}", rank):
                raise BadInput(f"rank {rank!r} is neither a whole number from 0 up nor full nor auto")


@dataclass(frozen=True, kw_only=True)
class WeightSettings(Settings):
    """What did RL change in the weights, and how few directions of it are enough?

    A finished RUN says which pair; without one, --pair or --base and --rl do.
    \f
    Of every matrix: the share of weights that did not change, ‖ΔW‖/‖W‖ (Frobenius), the stable rank and how many
    directions hold 90 % of ‖ΔW‖² (arXiv 2605.06241, §4 trains such a low-rank part). With `ranks`, base + ΔW_r decodes
    and is graded as well. Reads safetensors files in slices; needs no model in memory without `ranks`, but that of an
    adapter, which is merged there.

    Raises BadInput for ranks or kinds that are none, NotAvailable without safetensors files, IncompatiblePair for
    quantised weights, and OtherRun as `disagree`.
    """

    run: Path | None = place(None, unless=("pair", "base", "rl"))
    ranks: RankChoice = RankChoice()
    problems: ProblemChoice = noun(ProblemChoice(), needs="ranks")
    compute: ComputeChoice = noun(ComputeChoice(), needs="ranks")
    output: OutputChoice = noun(
        OutputChoice(), "shard", "claims", out="The run directory.  [default: runs/PAIR-weights, or runs/PAIR-DATASET]"
    )
    reading: Reading = noun(Reading(), "class_k", "tau", needs="ranks")
    grader: GraderChoice = noun(GraderChoice(), needs="ranks")


# ---- training --------------------------------------------------------------------------------------------------------

POSITIONS = (
    "all",
    "disagreements",
    "rest",
)  # where KL-LoRA learns: everywhere, where base and teacher differ, elsewhere
REWARDS = ("answer", "coin")


@dataclass(frozen=True)
class TrainChoice(Noun):
    """How much is trained, and what is learned of the weights: a LoRA adapter.

    A round draws `samples` responses to each of `problems` problems; `updates` of the weights follow, each on its part
    of the responses. The methods with loops of their own draw all responses first.
    """

    seed: int = option(1, "Of the adapter, the order of problems, and all that is drawn.", least=0)
    steps: int = option(
        50, "Updates of the weights, at most; a larger number goes on with a finished training.", least=1
    )
    tokens: int | None = option(
        None, "Draw no new round once so many response tokens were generated.  [default: no bound]", least=1
    )
    prompts: int = option(8, "Problems a round.", least=1)
    samples: int = option(8, "Responses to each of them.", least=2)
    rows: int = option(8, "Responses in one backward pass.", least=1)
    updates: int | None = option(None, "Updates a round, each on its part of the responses.  [default: 2]", least=1)
    max_new_tokens: int = option(256, "At most so many tokens a response; a longer one is cut, and earns 0.", least=1)
    temperature: float = option(1.0, "Of sampling and of the loss; above 0.", above=0)
    learning_rate: float = option(1e-4, "Of AdamW.", above=0)
    warmup: int = option(0, "Updates over which the learning rate rises from 0.", least=0)
    rank: int = option(16, "Of the LoRA adapter.", least=1)
    lora_alpha: int | None = option(None, "Its scale is that by the rank.  [default: twice the rank]", least=1)
    modules: tuple[str, ...] = option(
        ("q_proj", "k_proj", "v_proj", "o_proj"), "Which layers have one, by the end of their names.", split=True
    )
    reward: str = option(
        "answer",
        "What earns 1: a right answer in a response that ended, or the flip of a coin (a null training).",
        choices=REWARDS,
    )
    save_every: int = option(10, "Rounds between two checkpoints.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one("--modules", self.modules)
        once_each("--modules", self.modules)

    @property
    def updates_a_round(self) -> int:
        """As asked, or 2: the second is off the policy that the responses were drawn from."""
        return self.updates or 2

    @property
    def alpha(self) -> int:
        """LoRA's α."""
        return self.lora_alpha or 2 * self.rank


@dataclass(frozen=True)
class MethodChoice(Noun):
    """What only some methods have; None is a method's own value. One that a method does not have is refused."""

    clip_low: float | None = option(None, "The importance ratio is clipped below 1 less this.", least=0)
    clip_high: float | None = option(None, "And above 1 more this; with cispo, above this.", least=0)
    strength: float | None = option(
        None, "Of what the method adds: the weight of its term, or of its reweighting.", least=0
    )
    share: float | None = option(
        None,
        "Of the tokens: 80-20's highest entropies, lp-reg's least likely, kl-cov's most covariant.",
        above=0,
        most=1,
    )
    floor: float | None = option(
        None,
        "lp-reg: tokens below this share of the likeliest one's probability are noise; reasonmaxxer: a probability "
        "below which a bad token is pushed no further.",
        above=0,
        most=1,
    )
    k: int | None = option(None, "Of pass@k.", least=1)
    every: int | None = option(None, "Updates between two resets of the reference.", least=1)
    tau: float | None = option(None, "Entropy gate of the base, nats.", least=0)
    positions: str | None = option(None, "Where the teacher is learned from.", choices=POSITIONS)


@dataclass(frozen=True)
class TrainOutput(Noun):
    """Where to."""

    LAST = True

    out: Path | None = option(None, "The folder of the training.  [default: runs/train-BASE-METHOD-seedN]")
    overwrite: bool = option(False, "Delete the training that is there and start anew.")


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Noun):
    """Train an adapter of a base model by METHOD, on the answers that rlprobe's grader finds right.

    Every other command takes it as base+ADAPTER. A training that was stopped goes on with the same command. Needs the
    extra [train]. docs/training.md says what each method does.
    \f
    Returns the folder of the adapter: rl=f"base+{folder}". Beside it lie log.jsonl (a line a round: reward, length,
    entropy, tokens, seconds), training.json (the settings) and checkpoints.

    Raises BadInput for an option that cannot be or that the method has not, problems without a gold answer, a reward
    that is always the same, an adapter as base; OtherRun where `out` holds another training; NotAvailable without TRL
    or for a model that cannot be loaded; IncompatiblePair for a teacher of another vocabulary.
    """

    method: str = place(metavar="METHOD", names=METHOD)
    how: TrainChoice = TrainChoice()
    own: MethodChoice = MethodChoice()
    pair: PairChoice = noun(
        PairChoice(),
        "base_device",
        "rl_device",
        "template_of",
        pair="A registered pair: its base is trained, its RL model is the teacher of kl-lora.  [default: bundled]",
        rl="The teacher of kl-lora: a Hub id, a folder, a .gguf file, or base+ADAPTER.",
        rl_revision="Hub revision of the teacher.",
        dtype="Of the base; auto is float32 on a CPU, the checkpoint's own elsewhere. The adapter is float32.",
    )
    problems: ProblemChoice = noun(
        ProblemChoice(),
        dataset="What to train on: a registered data set (see `rlprobe datasets`) or a JSONL, JSON, Parquet or CSV "
        "file. Has to be given: a pair's own is what it is measured on.",
        style="Prompt style.  [default: the pair's own, else chat]",
    )
    grader: GraderChoice = noun(GraderChoice(), "answer")
    output: TrainOutput = TrainOutput()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.pair.pair or self.pair.base or self.pair.rl):
            object.__setattr__(self, "pair", replace(self.pair, pair="bundled"))


# ---- the commands that look inside the models, at places of a finished run -------------------------------------------


@dataclass(frozen=True)
class PointChoice(Noun):
    """How many places of which kind, along whose greedy text."""

    kind: str = option(
        "disagreement",
        "Which places; as many unchanged ones of the same entropy are set against them.",
        choices=KIND,
    )
    points: int = option(200, "At most so many.", least=1)
    trajectory: str = option("base", "Along whose greedy responses.", choices=MEMBERS)


@dataclass(frozen=True, kw_only=True)
class InsideSettings(Noun):
    """What every command that looks inside is asked for. What `pair` leaves open is as the run has it."""

    run: Path = place()
    pair: PairChoice = noun(
        PairChoice(),
        "base_revision",
        "rl_revision",
        "template_of",
        "dtype",
        pair="A registered pair.  [default: the run's own]",
        base="Where the run's base model lies now: a Hub id or a folder.",
        rl="Where the run's RL model lies now.",
    )
    choice: PointChoice = PointChoice()
    reading: Reading = noun(Reading(), "tau", answer="Places end with it.", seed="Of drawing and intervals.")


@dataclass(frozen=True, kw_only=True)
class LensSettings(InsideSettings):
    """In which layer is the choice made? The logit lens of both models where a finished RUN has them disagree.
    \f
    Each layer's residual stream goes through the model's own final norm and head. Tables: lens (after each layer the
    log-probabilities of both choices in nats, and how often the model's own one leads), lens_choices, trunk_and_head.

    Raises BadInput where the run has no such places, OtherRun for another pair than the run's, UnsupportedArchitecture
    for a model whose layers are not found, or an adapter that cannot be merged exactly.
    """


@dataclass(frozen=True)
class PatchChoice(Noun):
    """Which patches: `layers` None is all; `before` are tokens before the decision point."""

    host: str = option("base", "Who is patched.", choices=MEMBERS)
    layers: tuple[int, ...] | None = option(
        None, "Only these layers, from 0: 0,2,3.  [default: all]", split=True, least=0
    )
    before: tuple[int, ...] = option((1, 2, 4, 8), "Also so many tokens before the decision.", split=True, least=1)
    heads: bool = option(True, "Every single head as well.")
    whole: bool = option(True, "Also the prompt, and everything before.")
    factorial: bool = option(
        True, "Also cross residual streams with later layers, at the first disagreement of each response."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers is not None:
            at_least_one("--layers", self.layers)
            once_each("--layers", self.layers)
        once_each("--before", self.before)


@dataclass(frozen=True, kw_only=True)
class PatchSettings(InsideSettings):
    """Which activations carry the choice? Put one model's into the other where a finished RUN has them disagree.
    \f
    The gap is the log-probability (nats) of RL's choice minus that of the base's; a patch restores the share of the way
    that it moves the gap from the host's towards the donor's, a ratio of means, with 95 % intervals over problems and
    beside it a control from another problem's place. Tables: patching, heads.

    Raises BadInput where the run has no such places or for layers that the model lacks, OtherRun for another pair than
    the run's, UnsupportedArchitecture as `lens`.
    """

    patches: PatchChoice = PatchChoice()


@dataclass(frozen=True)
class SteerChoice(Noun):
    """What is added: after which layer (None: the middle one), how many times the direction, and the controls."""

    layer: int | None = option(None, "After which layer, from 0.  [default: the middle one]", least=0)
    coefficients: tuple[float, ...] = option(
        (1.0, 2.0, 4.0), "How many times the direction is added; repeatable.", flag="coefficient"
    )
    directions: int = option(3, "Random directions of equal norm.", least=1)
    wheres: tuple[str, ...] = option(
        ("everywhere", "uncertain"),
        "Where it is added: everywhere, or where the base is uncertain; repeatable.",
        flag="where",
        choices=("everywhere", "uncertain"),
    )
    limit: int | None = option(None, "Answer only so many problems of either half.", least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for flag, values in (("--coefficient", self.coefficients), ("--where", self.wheres)):
            at_least_one(flag, values)
            once_each(flag, values)


@dataclass(frozen=True, kw_only=True)
class SteerSettings(InsideSettings):
    """Is the correction one direction? Add the mean difference at the disagreements of a finished RUN to the base.
    \f
    The direction is taken on one half of the problems, the other half is answered with multiples of it and of random
    directions of equal norm, everywhere or where the base's entropy is above `tau` (nats). Table: steering.

    Raises BadInput where the run has no such places, OtherRun for another pair than the run's, UnsupportedArchitecture
    as `lens`.
    """

    steering: SteerChoice = SteerChoice()
    reading: Reading = noun(Reading(), answer="Places end with it.", seed="Of drawing and intervals.")
    grader: GraderChoice = GraderChoice()


# ---- the commands that read what a run holds, without its models -----------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class DirectionSettings(Noun):
    """Which tokens does RL make likelier, which rarer? Reads a finished RUN of `rlprobe disagree`; needs no models.
    \f
    Signed Δ log p = log p_RL − log p_base, nats (arXiv 2603.22117), from the token table of a run. Tables: tails,
    tails_by, authorship, detection, words, divergence, sparks.

    Raises BadInput where the run has no token table of base's or RL's text.
    """

    run: Path = place()
    tail: float = option(1.0, "Nats from 0 at which a tail begins, for its words.", above=0)
    reading: Reading = noun(Reading(), "tau")


@dataclass(frozen=True)
class Golds(Noun):
    """Where other golds come from, for the same questions; `dataset` None keeps those of the run."""

    dataset: str | None = option(
        None, "Other golds for the same problems: a registered data set or a file.", names=DATASET
    )
    question_field: str | None = option(
        None, "Column of a file that holds the question; a.b is the field b of a.", needs="dataset"
    )
    answer_field: str | None = option(
        None, "Column of a file that holds the gold answer, or the solution that ends in it.", needs="dataset"
    )


@dataclass(frozen=True, kw_only=True)
class GradeSettings(Noun):
    """Grade a finished RUN again and summarise it anew; needs no models.
    \f
    Another extraction, answer policy, k, or other golds. Responses and token tables stay as they are; the result's
    `grades` are the new verdicts (math-verify decides).

    Raises BadInput for what is no run, has nothing to summarise, or was asked other questions than `dataset` holds.
    """

    run: Path = place()
    golds: Golds = Golds()
    crew: WorkerChoice = WorkerChoice()
    reading: Reading = Reading()
    grader: GraderChoice = GraderChoice()


@dataclass(frozen=True, kw_only=True)
class MergeSettings(Noun):
    """Bring the shares of several machines (RUNS, made with --shard) together in OUT.
    \f
    What one machine would have written, byte for byte; verdicts that the parts brought along are kept.

    Problems that no part holds are named on standard error. Raises OtherRun where the runs are not of the same
    settings, BadInput where their shards differ or overlap, and Damaged for a shard that is not what was written.
    """

    out: Path = place()
    runs: tuple[Path, ...] = place()
    reading: Reading = Reading()
    grader: GraderChoice = GraderChoice()


_TRAJECTORIES = ("both", *MEMBERS)


@dataclass(frozen=True, kw_only=True)
class ReportSettings(Noun):
    """Write RUN/report.html: its tables, figures and every token, in one page that opens from disk.
    \f
    Returns the path of the page. Raises BadInput where the run has no token tables or no tokenizer.
    """

    run: Path = place()
    trajectory: str = option("both", "Whose token tables are on the page.", choices=_TRAJECTORIES)
    limit: int | None = None  # bytes of the page; what pages have by default


@dataclass(frozen=True, kw_only=True)
class WorkersSettings(Noun):
    """List the machines that workers could run on, and how many workers of a pair fit there.

    This machine, or those of a Ray cluster. Nothing is loaded.
    """

    pair: PairChoice = PairChoice()
    crew: WorkerChoice = noun(
        WorkerChoice(),
        workers="Whether so many fit on this machine.  [default: auto, one on every GPU, else core]",
        ray="A running Ray cluster instead of this machine: its address, or auto.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.pair.pair or self.pair.base or self.pair.rl):
            object.__setattr__(self, "pair", replace(self.pair, pair="bundled"))


@dataclass(frozen=True, kw_only=True)
class ViewSettings(Noun):
    """Open RUN's page in the browser; of one PROBLEM, show the responses on the terminal instead.
    \f
    The page is written first where it is missing, older than RUN, or of another trajectory.
    """

    run: Path = place()
    problem: str | None = place(None)
    arm: tuple[str, ...] = option(
        (),
        "With PROBLEM: whose response, by its label in the tables; may be repeated.  [default: base and rl]",
        needs="problem",
    )
    at: int | None = option(
        None, "With PROBLEM: both models' five best tokens at this position.", needs="problem", least=0
    )
    trajectory: str | None = option(
        None, "Whose token tables are on the page.  [default: the page's own, else both]", choices=_TRAJECTORIES
    )
    serve: bool = option(False, "Serve it on 127.0.0.1 instead, until Ctrl-C; nothing is opened.", unless=("problem",))
    port: int | None = option(None, "With --serve: where.  [default: any free one]", needs="serve", least=0, most=65535)
