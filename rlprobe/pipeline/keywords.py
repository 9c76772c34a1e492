"""Settings from keywords: what a command is asked for, without a command line.

The settings of a command are nouns made of nouns (pipeline/prepare.py). Each noun takes the keywords that are called
like its fields, so a new field can be asked for as soon as it exists; a keyword that no noun has is refused by name.
Where the command line calls a thing otherwise, both names do. None is the same as not given.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from rlprobe.errors import BadInput
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.pipeline.prepare import Settings

Kind = TypeVar("Kind")

# field -> what its option is called
OPTION_NAMES = {
    "block": "shard_size",
    "path": "statistics",
    "timeout_s": "grader_timeout",
    "workers": "grader_workers",
    "share": "shard",
}
# option that is no more -> what took its place, and why
RENAMED = {"exclude_donor": ("allow_donor", "controls never write the donor's token by default")}
_FIELD_NAMES = {option: field for field, option in OPTION_NAMES.items()}
_NOT_ASKED = ("golds", "rules", "libraries")  # parts of a grader's key that nobody chooses


@dataclass(frozen=True, slots=True)
class Keyword:
    """One keyword of a command; `default` is `MISSING` where it has to be given, `kind` what it may be."""

    name: str
    default: Any
    kind: Any


def keywords_of(kind: Any, is_optional: bool = False) -> list[Keyword]:
    """Every keyword that settings of a kind are made of, in order, each once; an optional noun's have no default."""
    found: dict[str, Keyword] = {}
    for field in fields(kind):
        part = _part(field.type)
        if part and not hasattr(part, "parse"):
            for keyword in keywords_of(part, is_optional or field.default is None):
                found.setdefault(keyword.name, keyword)
        elif field.name not in _NOT_ASKED:
            name = OPTION_NAMES.get(field.name, field.name)
            what: Any = field.type
            default = None if part or is_optional else _default(field)
            found.setdefault(name, Keyword(name, default, what | None if is_optional else what))
    return list(found.values())


def settings_of(kind: type[Kind], keywords: Mapping[str, Any]) -> Kind:
    """Settings of a kind. Raises BadInput for a keyword that no part of them has, naming the nearest that one has."""
    given = {_FIELD_NAMES.get(name, name): value for name, value in keywords.items() if value is not None}
    known = set(_names(kind))
    for name in sorted(given.keys() - known):
        if name in RENAMED:
            new, why = RENAMED[name]
            raise BadInput(f"there is no option {name!r} any more: {why}; {new!r} is the opposite")
        options = {OPTION_NAMES.get(each, each) for each in known}
        near = difflib.get_close_matches(name, options, 1)
        raise BadInput(f"there is no option {name!r}" + (f"; is {near[0]!r} meant?" if near else ""))
    if {"pair"} < given.keys() & {"pair", "base", "rl"}:
        raise BadInput("give either pair or base and rl, not both")
    if issubclass(kind, Settings) and given.keys().isdisjoint({"pair", "base", "rl"}):
        given["pair"] = DEFAULT_PAIR
    return _made(kind, given)


def _made(kind: Any, given: Mapping[str, Any]) -> Any:
    """A noun of what was given; the parts that nothing was given for keep their defaults."""
    values = {}
    for field in fields(kind):
        part = _part(field.type)
        if part and (_needed(field) or not given.keys().isdisjoint({field.name, *_names(part)})):
            values[field.name] = _noun(part, field.name, given)
        elif not part and field.name in given:
            values[field.name] = _as(field.type, given[field.name])
    missing = [f.name for f in fields(kind) if _needed(f) and f.name not in values]
    if missing:
        raise BadInput(f"{missing[0]} has to be given")
    return kind(**values)


def _noun(part: Any, name: str, given: Mapping[str, Any]) -> Any:
    """A part of the settings: as it was given whole, changed by what was given of it, or made of that alone."""
    mine, own = given.get(name), set(_names(part))
    if isinstance(mine, part):
        return replace(mine, **{f.name: given[f.name] for f in fields(part) if f.name in given and f.name != name})
    if isinstance(mine, str) and hasattr(part, "parse"):
        return part.parse(mine)
    if mine is not None and name not in own:
        raise BadInput(
            f"{name} is {mine!r}, which is no {part.__name__}; give what it is made of: {', '.join(sorted(own))}"
        )
    return _made(part, given)


def _names(kind: Any) -> Iterator[str]:
    """The names that a noun and its parts listen to."""
    for field in fields(kind):
        if field.name not in _NOT_ASKED:
            yield field.name
        if part := _part(field.type):
            yield from _names(part)


def _part(annotation: Any) -> Any:
    """The noun that a field holds, if it holds one; of an optional one, too."""
    return next((kind for kind in _kinds(annotation) if is_dataclass(kind)), None)


def _kinds(annotation: Any) -> tuple[Any, ...]:
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _as(annotation: Any, value: Any) -> Any:
    """Paths may be given as strings, several as a list or alone, and what is written down as a number or a string."""
    if isinstance(value, str) and Path in _kinds(annotation):
        return Path(value)
    for kind in _kinds(annotation):
        if get_origin(kind) is tuple:
            several = value if isinstance(value, list | tuple) else (value,)
            return tuple(_one(get_args(kind)[0], each) for each in several)
    return value


def _one(kind: Any, value: Any) -> Any:
    if isinstance(value, str) and hasattr(kind, "parse"):
        return kind.parse(value)
    return str(value) if kind is str else value


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _needed(field: Any) -> bool:
    return field.init and field.default is MISSING and field.default_factory is MISSING
