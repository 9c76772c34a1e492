"""Settings from keywords: what a command is asked for, without a command line.

The settings of a command are nouns made of nouns (pipeline/prepare.py). Each noun takes the keywords that are called
like its fields, so a new field can be asked for as soon as it exists; a keyword that no noun has is refused by name.
Where the command line calls a thing otherwise, both names do.
"""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

from rlprobe.errors import BadInput
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.pipeline.prepare import Settings

Kind = TypeVar("Kind")

_LIKE_OPTIONS = {"shard_size": "block", "statistics": "path", "grader_timeout": "timeout_s"}


def settings_of(kind: type[Kind], keywords: Mapping[str, Any]) -> Kind:
    """Settings of a kind. Raises BadInput for a keyword that no part of them has, naming the nearest that one has."""
    given = {_LIKE_OPTIONS.get(name, name): value for name, value in keywords.items()}
    known = set(_names(kind))
    for name in sorted(given.keys() - known):
        near = difflib.get_close_matches(name, known, 1)
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
            mine = given.get(field.name)
            values[field.name] = mine if isinstance(mine, part) else _made(part, given)
        elif not part and field.name in given:
            values[field.name] = _as(field.type, given[field.name])
    missing = [f.name for f in fields(kind) if _needed(f) and f.name not in values]
    if missing:
        raise BadInput(f"{missing[0]} has to be given")
    return kind(**values)


def _names(kind: Any) -> Iterator[str]:
    """The names that a noun and its parts listen to."""
    for field in fields(kind):
        yield field.name
        if part := _part(field.type):
            yield from _names(part)


def _part(annotation: Any) -> Any:
    """The noun that a field holds, if it holds one; of an optional one, too."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return next((kind for kind in kinds if is_dataclass(kind)), None)


def _as(annotation: Any, value: Any) -> Any:
    """Paths and tuples may be given as strings and lists."""
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    if isinstance(value, str) and Path in kinds:
        return Path(value)
    if isinstance(value, list) and any(get_origin(kind) in (tuple, None) for kind in kinds):
        return tuple(value)
    return value


def _needed(field: Any) -> bool:
    return field.init and field.default is MISSING and field.default_factory is MISSING
