"""Gates and writers from words: as the command line writes them, as a key spells them, and functions of the user's.

    disagree    first:2    not-entropy_above:1.2    hesitates          one, the last a function of the user's (own.py)
    (disagree & ~first(2)) | hesitates                                 several, as in Python and in the key of an arm

Nothing is ever evaluated as code. What a function of the user's says is checked, and at its first views asked again:
one that looks beyond a position, or draws numbers of its own, would say something else when a run is gone on with.
"""

import ast
import inspect
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from rlprobe import own
from rlprobe.decoding.arms import GATES, WRITERS, Gate, Leaf, View, Writer
from rlprobe.decoding.noise import Noise
from rlprobe.errors import BadInput
from rlprobe.own import Kept

ASKED_AGAIN = 16  # views of a function of the user's at which it is asked twice


def gate_of(words: str) -> Gate:
    """The gate that words spell. Raises BadInput where they spell none."""
    if kept := own.fresh(own.find("gate", words)):
        return own_gate(kept)
    return _combined(words) if re.search(r"[&|~()]", words) else _made(words, GATES, "gate")


def writer_of(words: str) -> Writer:
    """The writer that words spell. Raises BadInput where they spell none."""
    if kept := own.fresh(own.find("writer", words)):
        return own_writer(kept)
    return _made(words, WRITERS, "writer")


# ---- functions of the user's -----------------------------------------------------------------------------------------


def own_gate(kept: Kept) -> Gate:
    """A function from a view to one True or False a position. It may look at the token drawn unless it says not."""
    steady = _Steady(kept)

    def test(view: View) -> Tensor:
        said, n = steady(view), len(view.host_logits)
        if not (isinstance(said, Tensor) and said.dtype == torch.bool and said.shape == (n,)):
            raise BadInput(
                f"the gate {kept.name} answers {_what(said)}: it answers True or False a position, a bool tensor of "
                f"shape ({n},)"
            )
        return said

    leaf = Leaf(test, sees_draw=kept.options.get("sees_draw", True))
    return Gate(kept.key, (leaf,), lambda answers: answers[0], kept.options.get("random", False))


def own_writer(kept: Kept) -> Writer:
    """A function from a view to one id a position, a column of the common vocabulary."""
    steady = _Steady(kept)

    def write(view: View) -> Tensor:
        said, n = steady(view), len(view.host_logits)
        whole = isinstance(said, Tensor) and said.dtype in (torch.int64, torch.int32) and said.shape == (n,)
        if not whole or (n and not (int(said.min()) >= 0 and int(said.max()) < view.vocab)):
            raise BadInput(
                f"the writer {kept.name} answers {_what(said)}: it answers an id a position, a tensor of whole numbers "
                f"below {view.vocab} of shape ({n},)"
            )
        return said.long()

    return Writer(kept.key, write, random=kept.options.get("random", False))


def _what(said: Any) -> str:
    if not isinstance(said, Tensor):
        return f"a {type(said).__name__}"
    return f"a tensor of {str(said.dtype).removeprefix('torch.')} of shape {tuple(said.shape)}"


class _Steady:
    """A function that is asked twice at its first views: about all positions, and about some of them alone."""

    def __init__(self, kept: Kept) -> None:
        self.kept, self.asked = kept, 0

    def __call__(self, view: View) -> Any:
        """What the function says. Raises BadInput where it does not say the same of the same position."""
        said = own.called(self.kept, view)
        if self.asked < ASKED_AGAIN and isinstance(said, Tensor) and len(view.host_logits):
            self.asked += 1
            some = (len(view.host_logits) + 1) // 2
            again = own.called(self.kept, _part(view, slice(0, some)))
            if not (isinstance(again, Tensor) and torch.equal(said[:some], again)):
                raise BadInput(
                    f"the {self.kept.what} {self.kept.name} answers otherwise when it is asked again: it has to look "
                    "at each position alone, and to draw from view.noise if at all"
                )
        return said


def _part(view: View, positions: slice) -> View:
    host = view.host_logits[positions]
    donor = host if view.donor_logits is view.host_logits else view.donor_logits[positions]
    noise = Noise(view.noise.keys[positions], view.noise.positions[positions])
    return replace(view, host_logits=host, donor_logits=donor, noise=noise, facts=view.facts[positions])


# ---- words -----------------------------------------------------------------------------------------------------------


def _combined(words: str) -> Gate:
    """Gates put together by &, | and ~ (or not-), as Python reads these signs."""
    spelt = own.KEY.sub(r'own("\1", "\2")', words)
    try:
        return _of(ast.parse(re.sub(r"\bnot-", "~", spelt).strip(), mode="eval").body, words)
    except (SyntaxError, ValueError, RecursionError):
        raise _no_gate(words) from None


def _of(node: ast.AST, words: str) -> Gate:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd | ast.BitOr):
        left, right = _of(node.left, words), _of(node.right, words)
        return left & right if isinstance(node.op, ast.BitAnd) else left | right
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        return ~_of(node.operand, words)
    if isinstance(node, ast.Name):
        return gate_of(node.id)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and not node.keywords:
        given = [ast.unparse(each).strip("'\"") for each in node.args]
        if node.func.id == "own" and len(given) == 2:
            return gate_of(f"own({given[0]}, {given[1]})")
        given = [each for each in given if not re.fullmatch("v[0-9]+", each)]  # the edition, as keys have it
        return _made(":".join((node.func.id, *([",".join(given)] if given else []))), GATES, "gate")
    raise _no_gate(words)


def _no_gate(words: str) -> BadInput:
    return BadInput(f'{words!r} is no gate: put gates together as in "disagree & ~entropy_above(1.2)"')


def _made(words: str, known: dict[str, Callable], what: str):
    """`NAME:ARG,ARG` as a gate or a writer."""
    name, _, given = words.partition(":")
    negated = what == "gate" and name.startswith("not-")
    name = name.removeprefix("not-") if negated else name
    if name not in known:
        raise BadInput(f"no {what} is called {name!r}; known: {', '.join(known)}")
    parameters = list(inspect.signature(known[name]).parameters.values())
    switches = {p.name for p in parameters if p.annotation is bool}
    asked = [a for a in given.split(",") if a]
    numbers = _arguments(words, [a for a in asked if a not in switches], parameters)
    made = known[name](*numbers, **{a: True for a in asked if a in switches})
    return ~made if negated else made


def _arguments(words: str, given: Sequence[str], parameters: Sequence[inspect.Parameter]) -> list[int | float | str]:
    """Words as the numbers or names that a function takes; switches are named: host_random:20,allow_donor."""
    takes = ", ".join(p.name if p.annotation is bool else str(p) for p in parameters) or "nothing"
    parameters = [p for p in parameters if p.annotation is not bool]
    many = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    required = sum(p.default is p.empty and p.kind is not p.VAR_POSITIONAL for p in parameters)
    if len(given) < required or (len(given) > len(parameters) and not many):
        raise BadInput(f"{words!r} has {len(given)} arguments; {words.partition(':')[0]} takes {takes}")
    kinds = [parameters[min(i, len(parameters) - 1)].annotation for i in range(len(given))]
    try:
        made = [kind(text) for kind, text in zip(kinds, given, strict=True)]
    except ValueError:
        raise BadInput(f"{words!r}: an argument is no number of the kind that is wanted") from None
    if not all(math.isfinite(each) for each in made if not isinstance(each, str)):
        raise BadInput(f"{words!r}: an argument is no finite number")
    return made
