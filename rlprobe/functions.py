"""Functions of the user's, and what they can be: `rp.gate`, `writer`, `style`, `extraction`, `grader`, `claim`.

    @rp.gate                                              | rp.intervene(gate=hesitates & ~rp.gate("first", 2))
    def hesitates(view):                                  |
        return view.host_entropy > 0.5                    | rlprobe intervene --include mine.py --gate hesitates

Each is a decorator, plain or with words of its own, and a function of a function. What they name is known in this
process (own.py) by its name and by a key that is made of its source and of all that it reads.
"""

from collections.abc import Callable
from typing import Any

from rlprobe import own
from rlprobe.analysis.own_claims import of_function
from rlprobe.decoding.arms import GATES, WRITERS, Gate, Writer
from rlprobe.decoding.words import gate_of, own_gate, own_writer, writer_of
from rlprobe.errors import BadInput
from rlprobe.problems.prompts import PROMPT_STYLES
from rlprobe.settings import EXTRACTION, GRADER


def gate(function: Any = None, *arguments: Any, name: str | None = None, version: Any = None, **more: Any) -> Any:
    """A gate: a function from a view (decoding/arms.py) to True or False at each position; or a named one.

    `rp.gate("entropy_above", 1.2)` is `--gate entropy_above:1.2`. Gates combine with &, | and ~. `random=True` where it
    draws from view.noise, so that seeds are tried; `sees_draw=False` where it does not look at what the host has drawn
    (view.host_ids), so that sampled arms share the donor's own draws. Raises BadInput for what cannot be one.
    """
    _known(more, "random", "sees_draw")
    if isinstance(function, str):
        return gate_of(":".join((function, *([",".join(map(str, arguments))] if arguments else []))))
    if isinstance(function, Gate):
        return function
    return _made("gate", function, {"name": name, "version": version, **more}, own_gate)


def writer(function: Any = None, *arguments: Any, name: str | None = None, version: Any = None, **more: Any) -> Any:
    """A writer: a function from a view to the id that is written at each position; or a named one, checked.

    Ids are columns of the common vocabulary, as in view.host_ids. `random=True` where it draws from view.noise. Raises
    BadInput for what cannot be one.
    """
    _known(more, "random")
    if isinstance(function, str):
        words = ":".join((function, *([",".join(map(str, arguments))] if arguments else [])))
        return words if writer_of(words) else None
    if isinstance(function, Writer):
        return function
    return _made("writer", function, {"name": name, "version": version, **more}, own_writer)


def style(
    function: Any = None,
    *,
    name: str | None = None,
    version: Any = None,
    extract: str = "general",
    is_template: bool = False,
) -> Any:
    """A prompt style: a function from (question, tokenizer) to the prompt as text.

    `extract` says where a response to it states its answer; `is_template`: the tokenizer's chat template makes the
    prompt, which then has its BOS token. Raises BadInput for what cannot be one.
    """
    if extract not in EXTRACTION.known():
        raise BadInput(f"extract is {extract!r}: it is one of {', '.join(EXTRACTION.known())}")
    said = {"name": name, "version": version, "extract": extract, "is_template": is_template}
    return _made("prompt style", function, said, _itself)


def extraction(function: Any = None, *, name: str | None = None, version: Any = None) -> Any:
    """An extraction: a function from a response to the answer in it (a part of the text, several in order, or None).

    It runs in the killable process that math-verify runs in. Raises BadInput for what cannot be one.
    """
    return _made("extraction", function, {"name": name, "version": version}, _itself)


def grader(function: Any = None, *, name: str | None = None, version: Any = None) -> Any:
    """A grader: a function from (answer, gold) to True, False, or None where the answer is none.

    The answer is what the extraction finds: the whole response, where none is asked for. It runs in the killable
    process that math-verify runs in. Raises BadInput for what cannot be one.
    """
    return _made("grader", function, {"name": name, "version": version}, _itself)


def claim(function: Any = None, *, name: str | None = None, version: Any = None, **asked: Any) -> Any:
    """A claim: a function from the evidence of a run (commands/evidence.py) to the number that it is about.

    It answers a number a problem (a Series by problem_id; the mean is judged), two (a DataFrame of two columns; the
    ratio of their sums), or an interval of a summary. `above`, `below` or `between`, and `margin`, are those of a
    claims.toml. The command line takes it as `--claims NAME`. Raises BadInput for what cannot be one.
    """
    return _made("claim", function, {"name": name, "version": version, **asked}, _itself)


def keep(what: str, function: Any, name: str | None = None, version: Any = None, **more: Any) -> own.Kept:
    """A function of the user's under its key (own.keep).

    Raises BadInput where rlprobe has one of that name, or for a claim that asks nothing.
    """
    if (taken := name or own.name_of(function)) in NAMES[what]():
        raise BadInput(f"rlprobe has a {what} {taken}: call yours otherwise, with name=")
    if what == "claim" and callable(function):
        of_function(taken, taken, more)
    return own.keep(what, function, name, version, **more)


def _made(what: str, function: Any, said: dict[str, Any], of: Callable[[own.Kept], Any]) -> Any:
    """What a function of the user's is, or, where there is none yet, the decorator that makes it."""

    def decorate(function: Any) -> Any:
        return of(keep(what, function, **said))

    return decorate if function is None else decorate(function)


def _itself(kept: own.Kept) -> Any:
    return kept.thing


def _known(more: dict[str, Any], *names: str) -> None:
    for name, value in more.items():
        if name not in names:
            raise BadInput(f"there is no option {name!r}; there are name, version, {', '.join(names)}")
        if not isinstance(value, bool):
            raise BadInput(f"{name} is {value!r}: it is True or False")


NAMES: dict[str, Callable[[], Any]] = {  # the names that a function of the user's cannot have, by what it is
    "gate": lambda: GATES,
    "writer": lambda: WRITERS,
    "prompt style": lambda: PROMPT_STYLES,
    "extraction": EXTRACTION.known,
    "grader": GRADER.known,
    "claim": tuple,
}
