"""What decides the answers of an object that a user gives, as a digest: functions with all they read, weights, tables.

A function is its source (without comments and decorators), its defaults, and the value of every closed-over and global
name that it reads; functions and classes of the user's own are followed, those of packages stand for their version.
What has no source, or holds a state that cannot be read, is refused. Imports nothing heavy; knows no registry, no run.
"""

import __future__

import ast
import builtins
import dis
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import linecache
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from rlprobe import __version__

LENGTH = 12  # hex digits of a digest
_UNSEEN = {"eval", "exec", "globals", "locals", "vars", "open", "input", "__import__"}  # read what nobody can see
_FUTURE = sum(getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
_BUILTINS = (BuiltinFunctionType, MethodWrapperType, WrapperDescriptorType)
_NOT_STATE = re.compile(  # of a class: what Python puts there
    r"__(module|dict|weakref|doc|annotations|qualname|firstlineno|static_attributes|match_args|annotate.*|"
    r"dataclass_.*|abstractmethods|parameters|orig_bases)__|_abc_impl"
)
_NOT_CONFIG = ("_name_or_path", "transformers_version", "use_cache", "architectures")  # say nothing of the logits


class Unreadable(Exception):
    """What an object does cannot be told from its source and its values, and why."""


def digest(content: Any) -> str:
    """The digest of plain content, such as `contents` gives."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:LENGTH]


def contents(thing: Any) -> Any:
    """All that decides what an object does, as plain content. Raises Unreadable."""
    return _Reading().of(thing)


# ---- functions and values --------------------------------------------------------------------------------------------


class _Reading:
    """One reading of an object and all that it reads; what was met before is named by its number."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[int, Any]] = {}

    def of(self, value: Any) -> Any:
        """A value as plain content."""
        if value is None or value is ... or isinstance(value, bool | int | float | complex | str | bytes):
            return [type(value).__name__, repr(value)]
        if id(value) in self._met:
            return ["met", self._met[id(value)][0]]
        self._met[id(value)] = (len(self._met), value)  # the value is kept, so that its id stays its own
        for fits, read in _KINDS:
            if fits(value):
                return [type(value).__name__, read(self, value)]
        return [type(value).__name__, self._object(value)]

    def function(self, function: FunctionType) -> Any:
        """A function: of a package its name, of the user's its source; of both what it closes over."""
        name = f"{function.__module__}.{function.__qualname__}"
        held = [self.of(function.__defaults__), self.of(function.__kwdefaults__), self._cells(function)]
        if package := package_of(function.__module__):
            return [package, name, *held]
        node = _node_of(function)
        return [_bare(node), *held, self._globals(function, node)]

    def _cells(self, function: FunctionType) -> dict[str, Any]:
        found = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                found[name] = self.of(cell.cell_contents)
            except ValueError:
                raise Unreadable(f"it reads {name}, which has no value yet") from None
        return found

    def _globals(self, function: FunctionType, node: ast.AST) -> dict[str, Any]:
        """The values of the global names that a function of the user's reads, and those inside it."""
        found: dict[str, Any] = {}
        known = function.__globals__
        for name in sorted(_global_names(function.__code__)):
            if name in known:
                found |= self._named(name, known[name], node)
            elif name in _UNSEEN:
                raise Unreadable(f"it calls {name}(), and what that reads cannot be told")
            elif not hasattr(builtins, name):
                raise Unreadable(f"it reads {name}, which has no value yet")
        return found

    def _named(self, name: str, value: Any, node: ast.AST) -> dict[str, Any]:
        """A global name with its value; of a module of the user's, those of its names that are read."""
        if not isinstance(value, ModuleType) or package_of(value.__name__):
            return {name: self.of(value)}
        found = {}
        for attributes in _read_of(node, name):
            here, way = value, [name]
            for attribute in attributes:
                if not (isinstance(here, ModuleType) and not package_of(here.__name__)):
                    break
                here = getattr(here, attribute)
                way.append(attribute)
            found[".".join(way)] = self.of(here)
        return found

    def module(self, module: ModuleType) -> str:
        """A module of a package, with its version."""
        if package := package_of(module.__name__):
            return f"{module.__name__} of {package}"
        raise Unreadable(f"it reads the module {module.__name__} as a whole")

    def kind(self, kind: type) -> Any:
        """A class: of a package its name, of the user's what is in it."""
        name = f"{kind.__module__}.{kind.__qualname__}"
        if package := package_of(kind.__module__):
            return [package, name]
        held = {n: v for n, v in sorted(vars(kind).items()) if not _NOT_STATE.fullmatch(n) and not _is_generated(v)}
        return [name, [self.of(base) for base in kind.__bases__], {n: self.of(v) for n, v in held.items()}]

    def _object(self, value: Any) -> Any:
        kind, package = type(value), package_of(type(value).__module__)
        if package and not hasattr(kind, "__dataclass_fields__"):
            raise Unreadable(f"it reads a {kind.__module__}.{kind.__qualname__}, whose state cannot be told")
        if not hasattr(value, "__dict__"):
            raise Unreadable(f"it reads a {kind.__qualname__}, whose state cannot be told")
        return [self.of(kind), {name: self.of(held) for name, held in sorted(vars(value).items())}]


def _is_generated(member: Any) -> bool:
    """Whether dataclasses wrote a method of a class, from fields that are read themselves."""
    code = getattr(inspect.unwrap(member) if callable(member) else member, "__code__", None)
    return code is not None and code.co_filename == "<string>"


def _is(*kinds: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kinds)


def _is_tensor(value: Any) -> bool:
    library = type(value).__module__.partition(".")[0]
    return library in ("torch", "numpy") and hasattr(value, "dtype") and hasattr(value, "shape")


def _is_word_of_torch(value: Any) -> bool:
    return type(value).__module__ == "torch" and type(value).__name__ in ("dtype", "device", "Size", "layout")


def _is_network(value: Any) -> bool:
    named = (getattr(value, name, None) for name in ("state_dict", "named_modules"))
    return not isinstance(value, type) and all(map(callable, named))


# what a value is -> what is read of it; the first that fits counts
_KINDS: list[tuple[Callable[[Any], bool], Callable[[_Reading, Any], Any]]] = [
    (_is_tensor, lambda _, v: numbers(v)),
    (_is_word_of_torch, lambda _, v: repr(v)),
    (_is_network, lambda reading, v: [reading.of(type(v)), str(v), state(v.state_dict())]),
    (_is(FunctionType), _Reading.function),
    (_is(MethodType), lambda reading, v: [reading.of(v.__func__), reading.of(v.__self__)]),
    (_is(functools.partial), lambda reading, v: [reading.of(each) for each in (v.func, v.args, v.keywords)]),
    (_is(type(functools.lru_cache(int))), lambda reading, v: reading.of(v.__wrapped__)),
    (_is(*_BUILTINS), lambda reading, v: [v.__qualname__, reading.of(getattr(v, "__self__", None))]),
    (_is(ModuleType), _Reading.module),
    (_is(Enum), lambda reading, v: [reading.of(type(v)), v.name]),
    (_is(type), _Reading.kind),
    (_is(list, tuple), lambda reading, v: [reading.of(each) for each in v]),
    (_is(dict), lambda reading, v: [[reading.of(key), reading.of(held)] for key, held in v.items()]),
    (_is(set, frozenset), lambda reading, v: [reading.of(each) for each in sorted(v, key=repr)]),
    (_is(range, slice), lambda _, v: repr(v)),
    (_is(re.Pattern), lambda _, v: [repr(v.pattern), v.flags]),
    (_is(PurePath), lambda _, v: str(v)),
    (_is(staticmethod, classmethod), lambda reading, v: reading.of(v.__func__)),
    (_is(property), lambda reading, v: [reading.of(each) for each in (v.fget, v.fset)]),
    (_is(functools.cached_property), lambda reading, v: reading.of(v.func)),
]


def _bare(node: ast.AST) -> str:
    """The source of a function without comments, decorators and layout."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        node = ast.parse(ast.unparse(node)).body[0]
        node.decorator_list = []  # type: ignore[attr-defined]
    return ast.unparse(node)


def _read_of(node: ast.AST, name: str) -> Iterator[list[str]]:
    """The attributes that a function reads of a global name, each as its way from there."""
    above = {child: parent for parent in ast.walk(node) for child in ast.iter_child_nodes(parent)}
    for at in [each for each in ast.walk(node) if isinstance(each, ast.Name) and each.id == name]:
        way, here = [], above.get(at)
        while isinstance(here, ast.Attribute):
            way.append(here.attr)
            here = above.get(here)
        yield way


def _global_names(code: CodeType) -> set[str]:
    """The global names that a function, or one inside it, reads. Raises Unreadable for one that it writes."""
    found = set()
    for each in _codes(code):
        for step in dis.get_instructions(each):
            if step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL") or (
                step.opname == "STORE_DEREF" and each is code and step.argval in code.co_freevars
            ):
                raise Unreadable(f"it changes {step.argval} as it goes, so that it answers by what was asked before")
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                found.add(str(step.argval))
            if step.opname == "IMPORT_NAME" and not package_of(str(step.argval)):
                raise Unreadable(f"it imports {step.argval} inside: import it above the function")
    return found


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _node_of(function: FunctionType) -> ast.AST:
    """The piece of source that a function was compiled from, which is compiled again to see that it is."""
    code = function.__code__
    linecache.checkcache(code.co_filename)
    source = "".join(linecache.getlines(code.co_filename, function.__globals__))
    if not source:
        raise Unreadable("its source is not to be found")
    try:
        whole = compile(source, code.co_filename, "exec", flags=code.co_flags & _FUTURE, dont_inherit=True)
    except SyntaxError:
        whole = None
    if whole is None or code not in set(_codes(whole)):
        raise Unreadable("its source was changed after it was loaded")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(each.lineno for each in (node, *node.decorator_list))
            if (node.name, first) == (code.co_name, code.co_firstlineno):
                return node
        elif isinstance(node, ast.Lambda) and code.co_name == "<lambda>" and _places(node) == _spans(code):
            return node
    raise Unreadable("its source is not to be found")


def _places(node: ast.Lambda) -> set[Any]:
    """Where the parts of a lambda stand, as its compiled code would say it."""
    compiled = compile(ast.Expression(node), "", "eval")
    return _spans(next(each for each in compiled.co_consts if isinstance(each, CodeType)))


def _spans(code: CodeType) -> set[Any]:
    return {(code.co_firstlineno, *place) for place in code.co_positions() if None not in place}


# ---- packages --------------------------------------------------------------------------------------------------------


def package_of(name: str | None) -> str | None:
    """The package that a module is of, with its version; None for a module of the user's own."""
    top = (name or "__main__").partition(".")[0]
    if top not in _PACKAGES and (found := _package(top)):
        _PACKAGES[top] = found
    return _PACKAGES.get(top)


_PACKAGES: dict[str, str] = {}  # what was found, by the first part of a module's name
_PLACES = tuple(filter(None, map(sysconfig.get_path, ("purelib", "platlib"))))


def _package(top: str) -> str | None:
    if top == "__main__":
        return None
    if top in sys.stdlib_module_names:
        return f"python {sys.version_info.major}.{sys.version_info.minor}"
    if top == "rlprobe":
        return f"rlprobe {version_of(top)}"
    if not _is_installed(top):
        return None
    try:
        return f"{top} {importlib.metadata.version(top)}"
    except importlib.metadata.PackageNotFoundError:
        named = _distributions().get(top, ())
        version = importlib.metadata.version(named[0]) if named else None
        version = version or getattr(sys.modules.get(top), "__version__", None)
        return f"{top} {version}" if version else None


def version_of(name: str) -> str:
    """The version of a package; rlprobe's own is said by its source, which need not be installed."""
    return __version__ if name == "rlprobe" else importlib.metadata.version(name)


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    """Which distributions have a module of each name: the whole folder is read for that."""
    return importlib.metadata.packages_distributions()


def _is_installed(top: str) -> bool:
    """Whether a module lies where packages are installed, imported yet or not."""
    module = sys.modules.get(top)
    try:
        spec = getattr(module, "__spec__", None) or importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    places = [
        getattr(module, "__file__", None),
        *([spec.origin, *(spec.submodule_search_locations or ())] if spec else ()),
    ]
    file = next((Path(place) for place in places if place), Path())
    return any(file.is_relative_to(place) for place in _PLACES) or "dist-packages" in file.parts


# ---- numbers ---------------------------------------------------------------------------------------------------------


def numbers(tensor: Any) -> list[Any]:
    """A tensor or an array as its dtype, its shape and the digest of its bytes."""
    import numpy as np

    if hasattr(tensor, "detach"):
        import torch

        if tensor.device.type == "meta":
            raise Unreadable("its numbers are not in memory (they are on the device meta)")
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    else:
        flat = np.ascontiguousarray(tensor)
        if flat.dtype.hasobject:
            raise Unreadable("it reads an array of objects")
    return [str(tensor.dtype), list(tensor.shape), hashlib.sha256(flat.reshape(-1).view(np.uint8).data).hexdigest()]


def state(tensors: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Tensors by name."""
    return {name: numbers(tensor) for name, tensor in sorted(tensors.items()) if hasattr(tensor, "shape")}


def of_config(config: Any) -> Any:
    """What a (transformers) config says that can decide a logit: not where it lies, nor who wrote it."""
    said = {name: value for name, value in config.to_dict().items() if name not in _NOT_CONFIG}
    return json.loads(json.dumps(said, sort_keys=True, default=str))


def of_tokenizer(tokenizer: Any) -> Any:
    """What a (transformers) tokenizer does with a text and with a chat."""
    fast = getattr(tokenizer, "backend_tokenizer", None)
    core = sorted(tokenizer.get_vocab().items()) if fast is None else json.loads(fast.to_str())
    if isinstance(core, dict):  # the last call's, not the tokenizer's
        core = {name: held for name, held in core.items() if name not in ("truncation", "padding")}
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items()}
    return [type(tokenizer).__name__, core, tokenizer.chat_template, special, list(tokenizer("x")["input_ids"])]
