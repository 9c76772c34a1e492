"""What this process was given as objects, by names made of their content: functions, models in memory, problems.

A name travels where names travel: through settings, identities and the keys of arms. It is made of a hash, so that a
changed object is another one, and a run is never gone on with by what did not make it.

    own(hesitates, 3fa9c01b77de)    a function of the user's (gate, writer, prompt style, extraction, grader,
                                    claim)
    live:3fa9c01b77de               a model in memory and its tokenizer
    given:3fa9c01b77de              problems that were given as objects

A function is known by its bare name as well, the last of that name. Knows no command and no run.
"""

import base64
import importlib.util
import linecache
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rlprobe import fingerprint
from rlprobe.errors import BadInput
from rlprobe.fingerprint import Unreadable, package_of

WHATS = ("gate", "writer", "prompt style", "extraction", "grader", "claim")  # what functions can be
KEY = re.compile(r"own\((\w+), ([0-9a-f]{12})\)|(live|given):[0-9a-f]{12}")


@dataclass(frozen=True)
class Kept:
    """An object with its name; `options` are what else was said of it, such as where a style asks for the answer."""

    what: str
    name: str
    key: str
    thing: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    version: Any = None


@dataclass(frozen=True)
class Live:
    """A model in memory and its tokenizer; None is that of the base. `bare`: without the adapter that lies on it."""

    model: Any
    tokenizer: Any
    bare: bool = False

    @property
    def digest(self) -> str:
        """Of config, weights and tokenizer, as they are now."""
        tensors, tokenizer = self.model.state_dict(), self.tokenizer
        if self.bare:
            tensors = {k.replace(".base_layer.", "."): v for k, v in tensors.items() if not _OF_ADAPTER.search(k)}
            tensors = {k.removeprefix("base_model.model."): v for k, v in tensors.items()}
        words = None if tokenizer is None else fingerprint.of_tokenizer(tokenizer)
        adapters = [] if self.bare else self._adapters()
        return fingerprint.digest(
            [fingerprint.of_config(self.model.config), fingerprint.state(tensors), words, adapters]
        )

    def _adapters(self) -> list[Any]:
        """How layers use an adapter of PEFT's that lies on them: which, how strongly, or not at all."""
        layers = [m for m in self.model.modules() if hasattr(m, "active_adapters") and hasattr(m, "base_layer")]
        return [[getattr(m, "scaling", None), list(m.active_adapters), m.disable_adapters] for m in layers]


_OF_ADAPTER = re.compile(r"\.(lora|ia3|vera|oft|hada|lokr|boft|randlora|adapter)_")  # PEFT's own tensors in a layer


_KEPT: dict[tuple[str, str], Kept] = {}  # (what it is, its key or its bare name) -> it
_INCLUDED: list[Path] = []
_UNPACKED: set[str] = set()  # the keys that came from another process


# ---- functions -------------------------------------------------------------------------------------------------------


def keep(
    what: str, function: Any, name: str | None = None, version: Any = None, bare: bool = True, **options: Any
) -> Kept:
    """A function of the user's under its key, and its `bare` name. A `version` makes the key, else its content does.

    Raises BadInput for what is no function, for a name that cannot be, and for one whose content cannot be told.
    """
    if not callable(function):
        raise BadInput(f"a {what} is a function, and {str(function)[:60]!r} is none")
    name = name or name_of(function)
    if not re.fullmatch(r"[^\W\d]\w*", name):
        raise BadInput(f"the {what} is called {name!r}: a name is letters, digits and _, as in entropy_above")
    kept = Kept(what, name, "", function, options, version)
    return _put(replace(kept, key=_key(kept)), bare)


def _key(kept: Kept) -> str:
    """The key of a function, made of the version that was said, else of all that it reads now."""
    try:
        content = fingerprint.contents(kept.thing) if kept.version is None else ["version", str(kept.version)]
    except Unreadable as reason:
        raise BadInput(
            f"the {kept.what} {kept.name} has no key: {reason}; say yourself what it is, with name= and version=, and "
            "change the version when it changes"
        ) from None
    made_of = fingerprint.digest([kept.what, kept.name, content, sorted(kept.options.items())])
    return f"own({kept.name}, {made_of})"


def fresh(kept: Kept | None) -> Kept | None:
    """The same, if what it reads is still what it was named by. Raises BadInput where a value has changed since.

    In another process than the one that named it (`unpack`) there is no source, and nobody who changes it.
    """
    if kept and kept.key not in _UNPACKED and kept.key != _key(kept):
        raise BadInput(
            f"the {kept.what} {kept.name} reads other values than when it was named: name it again, as in "
            f"rp.{kept.what.rpartition(' ')[2]}({kept.name})"
        )
    return kept


def said_of(what: str, function: Any) -> dict[str, Any]:
    """What was said of a function when it was kept last: name, version and options; nothing of one that was not."""
    there = [kept for (kind, _), kept in _KEPT.items() if kind == what and kept.thing is function]
    return {"name": there[-1].name, "version": there[-1].version, **there[-1].options} if there else {}


def name_of(function: Any) -> str:
    """What a function is called where nothing else is said."""
    name = getattr(function, "__name__", None) or type(function).__name__
    return "function" if name == "<lambda>" else name


def _put(kept: Kept, bare: bool = True) -> Kept:
    _KEPT[kept.what, kept.key] = kept
    if bare:
        _KEPT[kept.what, kept.name] = kept
    return kept


def find(what: str, name: str) -> Kept | None:
    """The object of that key or bare name; None where this process was given none.

    Raises BadInput for the key of an object that it was not given.
    """
    kept = _KEPT.get((what, name))
    if kept is None and is_key(name):
        raise BadInput(
            f"the {what} {name} was given by another process: give it again, the same (from the command line, the file "
            "with its function as --include FILE)"
        )
    return kept


def key_of(what: str, name: str) -> str:
    """The key of an object that is called by its bare name; other names as they are."""
    kept = find(what, name)
    return kept.key if kept else name


def is_key(name: str) -> bool:
    """Whether a name is one of those that are made here."""
    return KEY.fullmatch(name) is not None


def names(what: str) -> list[str]:
    """The bare names of the functions of one kind."""
    return [kept.name for (kind, name), kept in _KEPT.items() if kind == what and name == kept.name]


def include(file: Path) -> None:
    """Execute a file of the user's, which names its functions by decorators (@rp.gate, @rp.style, ...).

    Raises BadInput where it cannot be read or fails, with the line.
    """
    try:
        source = file.read_text(encoding="utf-8")
        code = compile(source, str(file), "exec")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--include: {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except (SyntaxError, ValueError) as error:
        raise BadInput(f"--include: {file} is no Python: {error}") from None
    name = f"included_{re.sub(r'[^0-9A-Za-z]', '_', file.stem)}"
    spec = importlib.util.spec_from_loader(name, loader=None)
    assert spec
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(file)
    sys.modules[name] = module
    linecache.checkcache(str(file))
    before = len(_KEPT)
    try:
        exec(code, module.__dict__)
    except BadInput:
        raise
    except Exception as error:
        raise BadInput(f"--include: {file}, {place_in(error, str(file))}{type(error).__name__}: {error}") from error
    if len(_KEPT) == before and file not in _INCLUDED:
        raise BadInput(f"--include: {file} names no function: put @rp.gate, @rp.writer, @rp.style, ... above one")
    _INCLUDED.append(file)


def included() -> list[Path]:
    """The files of functions that this process has executed, in order, each once."""
    return list(dict.fromkeys(_INCLUDED))


def place_in(error: BaseException, file: str) -> str:
    """`line 3: `, the last line of a file that an error came through; nothing where it came through none."""
    trace, line = error.__traceback__, None
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == file else line
        trace = trace.tb_next
    return f"line {line}: " if line else ""


def called(kept: Kept, *arguments: Any) -> Any:
    """What a function of the user's says. Raises BadInput, with the line, where it fails."""
    try:
        return kept.thing(*arguments)
    except BadInput:
        raise
    except Exception as error:
        code = getattr(kept.thing, "__code__", None)
        where = place_in(error, code.co_filename) if code else ""
        raise BadInput(f"the {kept.what} {kept.name} fails: {where}{type(error).__name__}: {error}") from error


# ---- models and problems ---------------------------------------------------------------------------------------------


def is_model(thing: Any) -> bool:
    """Whether an object is a network rather than the name of one."""
    return callable(getattr(thing, "state_dict", None)) and hasattr(thing, "config")


def keep_model(model: Any, tokenizer: Any, bare: bool = False) -> str:
    """A model in memory, by the content of its weights, its config and its tokenizer."""
    live = Live(model, tokenizer, bare)
    try:
        key = f"live:{live.digest}"
    except Unreadable as reason:
        raise BadInput(f"the model in memory has no key: {reason}") from None
    return _put(Kept("model", key, key, live)).key


def live(name: str) -> Live | None:
    """The model of a name; None for a name of another kind. Raises BadInput where its weights are others by now."""
    if not name.startswith("live:"):
        return None
    kept = find("model", name)
    if kept is None:
        raise BadInput(f"there is no model {name!r}: models in memory are given from Python")
    found: Live = kept.thing
    if (now := f"live:{found.digest}") != name:
        raise BadInput(f"the model {name} was changed after it was given, and is {now} now: give it again")
    return found


def keep_problems(rows: Any) -> str:
    """Problems that were given as objects, by their content: a DataFrame, a list, or a datasets.Dataset."""
    table = _rows(rows)
    key = f"given:{fingerprint.digest(table)}"
    return _put(Kept("data set", key, key, table)).key


def problems(name: str) -> list[dict[str, Any]] | None:
    """The rows of a name; None for a name of another kind."""
    kept = find("data set", name)
    return None if kept is None else kept.thing


def _rows(given: Any) -> list[dict[str, Any]]:
    if isinstance(given, Mapping):  # a DatasetDict
        raise BadInput(f"problems are a dictionary ({', '.join(map(str, given))}): give one of its splits, or rows")
    if hasattr(given, "to_dict") and hasattr(given, "columns"):  # a DataFrame
        given = given.to_dict("records")
    elif hasattr(given, "column_names") and hasattr(given, "to_list"):  # a datasets.Dataset
        given = given.to_list()
    if not isinstance(given, list | tuple):
        raise BadInput(
            f"problems are a {type(given).__name__}: give a DataFrame, a list of rows, or a datasets.Dataset"
        )
    return [_row(each, number) for number, each in enumerate(given)]


def _row(row: Any, number: int) -> dict[str, Any]:
    """A row as a dictionary; of a pair, the question and its answer."""
    if isinstance(row, Mapping):
        return {str(name): _plain(value) for name, value in row.items()}
    if isinstance(row, tuple | list) and len(row) == 2:
        return dict(zip(("question", "answer"), map(_plain, row), strict=True))
    if hasattr(row, "problem_id") and hasattr(row, "question"):  # a records.Problem
        return {name: getattr(row, name) for name in ("problem_id", "question", "answer")}
    raise BadInput(f"problem {number} is a {type(row).__name__}: a row is a dictionary, or (question, answer)")


def _plain(value: Any) -> Any:
    """A cell without numpy."""
    return value.tolist() if hasattr(value, "tolist") and hasattr(value, "dtype") else value


# ---- for other processes ---------------------------------------------------------------------------------------------


def pack(*whats: str) -> bytes:
    """Everything this process was given (or only objects of some kinds), for `unpack` in another one."""
    return dumps({place: kept for place, kept in _KEPT.items() if not whats or kept.what in whats})


def unpack(packed: bytes) -> None:
    """Know what another process was given."""
    there = loads(packed)
    _KEPT.update(there)
    _UNPACKED.update(kept.key for kept in there.values())


def dumps(thing: Any) -> bytes:
    """Anything, for `loads` in another process; what is of files that cannot be imported there travels whole."""
    import cloudpickle

    with _whole():
        return bytes(cloudpickle.dumps(thing))


def loads(packed: bytes) -> Any:
    """What another process packed."""
    import cloudpickle

    return cloudpickle.loads(packed)


def pickled(kept: Kept) -> str:
    """One function as text, for a process that knows nothing of rlprobe."""
    return base64.b64encode(dumps(kept.thing)).decode()


@contextmanager
def _whole() -> Iterator[None]:
    """Pickle what is of the user's own modules by its content: another process may not be able to import them."""
    import cloudpickle

    own = [m for name, m in list(sys.modules.items()) if getattr(m, "__file__", None) and not package_of(name)]
    modules = [m for m in own if m.__name__ != "__main__" and sys.modules.get(m.__name__) is m]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)
