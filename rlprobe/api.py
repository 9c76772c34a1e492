"""The commands from Python: the same settings by the same names, and results to go on with.

    import rlprobe as rp

    rp.pair("bundled")                                 # what is compared; shows itself in a notebook
    found = rp.disagree(pair="bundled", limit=20)      # what `rlprobe disagree --pair bundled --limit 20` does
    found.tokens                                       # one row per response position, a DataFrame
    found.tables["classes"]                            # a table as it is read; found.numbers for full precision
    found.view("word-0003", "rl")                      # a response, every token marked

    rp.disagree(base=model, rl=tuned, tokenizer=tokenizer, problems=frame)    # what is in memory already

A function a command, made of its settings (settings.py): a keyword is called like the option (`max_new_tokens`,
`class_k`, ...), one of several values also as on the command line (`gate` for `gates`); what cannot be is refused in
the command's own words. Progress is said on standard error; errors are those of errors.py. Whatever a command keeps in
its run directory, the same command finds again, from Python or not.
`import rlprobe` imports none of this: rlprobe/__init__.py does, when somebody first asks for a name.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass
from functools import cached_property
from inspect import Parameter, Signature, cleandoc
from pathlib import Path
from typing import Any

import pandas as pd

from rlprobe import functions, own
from rlprobe.commands import COMMANDS, Command, calls, listed, workers
from rlprobe.commands.progress import Reporter
from rlprobe.errors import BadInput
from rlprobe.pairs import live
from rlprobe.pairs.loading import LocatedPair, locate
from rlprobe.pairs.model import parameter_count
from rlprobe.pairs.registry import BUNDLED, DEFAULT_PAIR, PAIR_COLUMNS, PAIRS, PairEntry
from rlprobe.pairs.sources import Source
from rlprobe.problems.datasets import DATASETS
from rlprobe.records import MEMBERS
from rlprobe.results import Comparison as Comparison
from rlprobe.results import Results, read
from rlprobe.results import compare as compare
from rlprobe.settings import (
    Asked,
    PairChoice,
    ReportSettings,
    TrainSettings,
    WorkersSettings,
    by_keyword,
    made,
    options_of,
    said_of,
)

# ---- a pair ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A base model and the RL model trained from it: located and found comparable, weights not loaded.

    `located` is all that is known of the two without weights, `entry` what the registry says of a pair with a name.
    Commands take a Pair as `pair=`.
    """

    choice: PairChoice
    located: LocatedPair
    entry: PairEntry | None = None

    @cached_property
    def members(self) -> pd.DataFrame:
        """A column a model: name, revision, parameters, layers and width, context in tokens, hashes of weights."""
        sources = (self.located.base, self.located.rl)
        return pd.DataFrame({m: _member(source) for m, source in zip(MEMBERS, sources, strict=True)})

    @cached_property
    def facts(self) -> dict[str, str]:
        """What the two have in common, and where the pair comes from."""
        vocabulary, located, entry = self.located.vocabulary, self.located, self.entry
        stops = [f"{i} {located.tokenizer.convert_ids_to_tokens(i)}" for i in located.stop_ids]
        return {
            "pair": self.choice.pair or "(no name)",
            "algorithm": entry.algorithm if entry else "–",
            "prompt style": entry.prompt_style if entry else "chat",
            "common vocabulary": f"{len(vocabulary.ids):,} ids; left out: {vocabulary.only_base:,} of base alone, "
            f"{vocabulary.only_rl:,} of RL alone, {sum(vocabulary.padded_rows):,} padded head rows",
            "stop ids": ", ".join(stops) or "none",
            "configs differ in": ", ".join(located.differences) or "nothing that changes how a model reads",
            "dtype": located.dtype,
            "source": entry.source if entry else "–",
        }

    def __repr__(self) -> str:
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts.items())
        return f"{facts}\n{self.members.to_string()}"

    def _repr_html_(self) -> str:
        facts = pd.Series(self.facts).to_frame().to_html(header=False)
        return f"{self.members.to_html()}\n{facts}"


def pair(name: str | None = None, **options: Any) -> Pair:
    """Which two models are compared: a registered name ("bundled", where none is given), or `base` and `rl`.

    Reads configs and tokenizers, downloads no weights, and compares the two: ids that are the same token in both make
    the common vocabulary. The result shows itself, has `members` (one column a model) and `facts`, and can be given to
    every command as `pair=`.

    Raises BadInput for an unknown name, NotAvailable for a model that cannot be found, and IncompatiblePair for two
    that share no tokenizer or whose state cannot be rewound.
    """
    if "pair" in options:
        raise BadInput("give the name of a pair alone, as pair('bundled'), or base and rl")
    is_named = name is not None or (options.get("base"), options.get("rl")) == (None, None)
    choice = made(PairChoice, _by_name(PairChoice, options) | ({"pair": name or DEFAULT_PAIR} if is_named else {}))
    return Pair(choice, locate(choice), PAIRS.get(choice.pair or ""))


def list_pairs() -> pd.DataFrame:
    """The registered pairs, one row each: name, base, rl, algorithm, prompt style, how far it was checked."""
    return pd.DataFrame([entry.shown(name) for name, entry in PAIRS.items()], columns=list(PAIR_COLUMNS))


def list_datasets() -> pd.DataFrame:
    """The registered data sets, one row each: name, where it is from, how many problems it has."""
    rows = [(name, entry.source, " or ".join(map(str, entry.rows))) for name, entry in DATASETS.items()]
    return pd.DataFrame(rows, columns=["data set", "source", "problems"])


def list_runs(folder: str | Path = "runs") -> pd.DataFrame:
    """The runs below a folder, one row each: pair, data set, problems, arms, and how far it is."""
    return pd.DataFrame(listed.listed(Path(folder)), columns=list(listed.COLUMNS))


def list_workers(**options: Any) -> pd.DataFrame:
    """The machines that workers could run on, one row each; `attrs["fits"]` says how many workers of a pair fit there.

    `options` are those of `rlprobe workers`: `pair=`, `ray=`, `workers=`, `gpus_per_worker=`, ...
    """
    rows, lines = workers.machines(made(WorkersSettings, options))
    table = pd.DataFrame(rows, columns=list(workers.COLUMNS))
    table.attrs["fits"] = lines
    return table


def replay(file: str | Path, quiet: Any = False, progress: Any = None) -> Results:
    """Do again what a file of settings says, as a run keeps one of every call (RUN/calls/001-intervene.toml).

    In the run where the file lies, or where its `out` says. Raises BadInput for what is no such file.
    """
    call = calls.read(Path(file))
    return FUNCTIONS[call.command.name](**call.given, quiet=quiet, progress=progress)


def _member(source: Source) -> dict[str, str]:
    weights = [sha for name, sha in source.files.items() if name.endswith((".safetensors", ".bin", "weights"))]
    config = source.config
    return {
        "model": _name(source),
        "revision": source.revision or "–",
        "parameters": f"{parameter_count(config):,}",
        "layers × width": f"{config.num_hidden_layers} × {config.hidden_size}",
        "context": f"{getattr(config, 'max_position_embeddings', None) or '–'}",
        "weights (sha256)": ", ".join(sha[:12] for sha in weights) or "not on this machine yet",
    }


def _name(source: Source) -> str:
    """As it was given; what lies inside the package is called so."""
    inside = Path(source.name).is_relative_to(BUNDLED)
    name = f"{Path(source.name).name} (inside the package)" if inside else source.name
    return name + (f"+{source.adapter}" if source.adapter else "")


# ---- a function a command --------------------------------------------------------------------------------------------


def report(*places: Any, quiet: Any = False, progress: Any = None, **options: Any) -> Path:
    """Write the page of a run; its settings say more, below."""
    from rlprobe.commands.report import report

    return report(made(ReportSettings, _given(ReportSettings, places, options)), _reporter(quiet, progress))[0]


def train(*places: Any, quiet: Any = False, progress: Any = None, **options: Any) -> Path:
    """Train an adapter; its settings say more, below."""
    from rlprobe.commands.train import train

    return train(made(TrainSettings, _given(TrainSettings, places, options)), _reporter(quiet, progress))


def _reporter(quiet: Any, progress: Any) -> Reporter:
    if not isinstance(quiet, bool):
        raise BadInput(f"quiet is {str(quiet)[:60]!r}: it is True or False")
    if progress is not None and not callable(progress):
        raise BadInput(f"progress is {str(progress)[:60]!r}: it is a function of (what, done, total)")
    return Reporter(quiet, progress)


def _function(command: Command) -> Callable[..., Results]:
    def call(*places: Any, quiet: Any = False, progress: Any = None, **options: Any) -> Results:
        settings: Any = made(command.settings, _given(command.settings, places, options))
        written = calls.work(command, settings, _reporter(quiet, progress))
        return read(written[0].run.path) if isinstance(written, list) else Results(written.run, written.summary)

    call.__name__ = call.__qualname__ = command.name
    return call


def _given(kind: type, places: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """What a function was called with, as keywords; a Pair and Results stand for what they were made of."""
    names = [asked.name for asked in options_of(kind) if asked.option.place]
    if len(places) > len(names):
        raise BadInput(f"{places[len(names)]!r} is one argument too many: options are given by their names")
    given = dict(zip(names, places, strict=False))
    if twice := given.keys() & options.keys():
        raise BadInput(f"{min(twice)} is given twice")
    given = _by_name(kind, by_keyword(kind, {**given, **options}))
    if isinstance(chosen := given.get("pair"), Pair):
        of_pair = asdict(chosen.choice)
        of_pair = {name: value for name, value in of_pair.items() if value != getattr(PairChoice(), name)}
        given = of_pair | given | {"pair": chosen.choice.pair}
    return {name: _path(given[name]) if name in names else given[name] for name in given}


def _by_name(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """The same with objects (models, problems, functions) kept under names of their content (own.py)."""
    asked = {each.name: each for each in options_of(kind)}
    if "problems" in given and "dataset" in asked:
        if given.get("dataset") is not None:
            raise BadInput("give either problems or dataset, not both")
        given = {"dataset" if name == "problems" else name: value for name, value in given.items()}
    given = _in_memory(given) if {"base", "rl"} <= asked.keys() else given
    return {name: _named(asked[name], value) if name in asked else value for name, value in given.items()}


def _in_memory(given: dict[str, Any]) -> dict[str, Any]:
    """The two models, where they are in memory, by name; `tokenizer` is theirs."""
    given = dict(given)
    tokenizer, base, rl = given.pop("tokenizer", None), given.get("base"), given.get("rl")
    if not any(map(own.is_model, (base, rl))):
        if tokenizer is not None:
            raise BadInput("tokenizer is for models in memory: base and rl that have a name bring their own")
        return given
    if own.is_model(base):
        given["base"] = own.keep_model(base, tokenizer, bare=live.is_under(base, rl))
    if own.is_model(rl):
        given["rl"] = own.keep_model(rl, tokenizer)
    return given


def _named(asked: Asked, value: Any) -> Any:
    """A value that is an object of the user's, or several, by name."""
    what = asked.option.objects
    if not what or value is None or isinstance(value, str | Path):
        return value
    if what == "data set":
        return own.keep_problems(value)
    if isinstance(value, list | tuple):
        return [_named(asked, each) for each in value]
    if hasattr(value, "spec"):  # a gate, a writer
        return value.spec
    if what not in own.WHATS or not callable(value):
        return value
    return functions.keep(what, value, **own.said_of(what, value)).key  # what it reads may have changed


def _path(place: Any) -> Any:
    if isinstance(place, list | tuple):
        return [_path(each) for each in place]
    return place.path if isinstance(place, Results) else place


def _said(function: Callable, words: str, options: tuple[Asked, ...], leading: tuple[Parameter, ...] = ()) -> Any:
    """A function with the signature of its options, and their words at the end of its docstring."""
    keywords = [
        Parameter(
            asked.name,
            Parameter.POSITIONAL_OR_KEYWORD if asked.option.place else Parameter.KEYWORD_ONLY,
            default=Parameter.empty if asked.default is MISSING else asked.default,
            annotation=asked.kind,
        )
        for asked in sorted(options, key=lambda asked: not asked.option.place)
    ]
    here = {name: words for name, (words, beside) in HERE.items() if beside <= {asked.name for asked in options}}
    here |= AS_IT_WORKS if function is not pair else {}
    keywords += [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Any) for name in here]
    width = max(len(asked.name) for asked in options)
    lines = [f"    {asked.name:<{width}}  {_in_python(asked, options)}" for asked in options if not asked.option.place]
    lines += [f"    {name:<{width}}  {words}" for name, words in here.items()]
    function.__doc__ = "\n".join([words, "", "Options:", *lines])
    returns = Path if function in (report, train) else Pair if function is pair else Results
    function.__signature__ = Signature([*leading, *keywords], return_annotation=returns)  # type: ignore[attr-defined]
    return function


def _in_python(asked: Asked, options: tuple[Asked, ...]) -> str:
    """The words of an option and its choices, without the command line's brackets and dashes."""
    names = {each.flag: each.name for each in options}
    words = re.sub(r"\s*\[default: (.*?)\]", r" Default: \1.", asked.option.words)
    words = re.sub(r"--[a-z][a-z-]*", lambda found: names.get(found[0], found[0]), words)
    return words + "".join(_more(asked))


def _more(asked: Asked) -> Iterator[str]:
    if asked.option.among:
        yield f" One of {', '.join(asked.option.among)}."
    if asked.option.percent:
        yield " As shares from 0 to 1."
    if asked.option.metavar:
        yield f' As "{asked.option.metavar.lower()}".'


# what can be given from Python alone: its words, and the options beside which it has a use
HERE: dict[str, tuple[str, set[str]]] = {
    "tokenizer": (
        "Of models in memory, which base and rl may be: transformers' or PEFT's objects.",
        {"base", "rl", "device"},
    ),
    "problems": ("The same as dataset, as an object: a DataFrame, a list of rows, a datasets.Dataset.", {"dataset"}),
}

AS_IT_WORKS = {
    "quiet": "Say nothing on standard error.",
    "progress": "A function that is told (what, done, total) of all that is counted.",
}

FUNCTIONS: dict[str, Callable[..., Results]] = {
    name: _said(_function(command), said_of(command.settings).replace("\f\n", "\n"), options_of(command.settings))
    for name, command in COMMANDS.items()
}
_said(report, said_of(ReportSettings).replace("\f\n", "\n"), options_of(ReportSettings))
_said(train, said_of(TrainSettings).replace("\f\n", "\n"), options_of(TrainSettings))
_said(
    pair,
    cleandoc(pair.__doc__ or ""),
    tuple(asked for asked in options_of(PairChoice) if asked.name != "pair"),
    (Parameter("name", Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=str | None),),
)
