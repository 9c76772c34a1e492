"""A prompt style put together by the user: a template in a file, a system turn, solved questions before the question.

    {# extract: box #}                                     where responses state their answer; else math-verify's search
    {{ chat("Solve: " ~ question, system=system) }}        the tokenizer's own chat template around a user's turn

A template knows `question`, `system` and `shots` (what --system and --shots say), `bos`, and `chat`, which puts `shots`
before the question as turns of their own. Each is a style under a name made of its content (own.py).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlprobe import own
from rlprobe.errors import BadInput
from rlprobe.problems.answers import EXTRACTIONS
from rlprobe.problems.datasets import read_rows
from rlprobe.problems.prompts import PromptStyle, prompt_style

KNOWN = ("question", "system", "shots", "bos", "chat")
_EXTRACT = re.compile(r"\{#-?\s*extract:\s*(\w+)\s*-?#\}")
Shot = tuple[str, str]  # a question, and the whole answer to it


@dataclass(frozen=True)
class Around:
    """What stands around a question: a system turn, and solved questions."""

    system: str | None = None
    shots: tuple[Shot, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return self.system is None and not self.shots


def asked_as(style: str, system: str | None, shots: Path | None) -> str:
    """The name of a style with what is put around it; a template is read, and known by its content.

    Raises BadInput where the style has no place for it.
    """
    around = Around(system, shots_in(shots) if shots else ())
    if style.endswith(".jinja"):
        return _of_template(Path(style), around)
    if kept := own.fresh(own.find("prompt style", style)):
        style = kept.key
    if around.is_empty:
        return style
    base = prompt_style(style)
    render = _with_turns(base, around) if base.is_template else _with_text(style, base, around)
    return _kept(re.split(r"[(,]", style.removeprefix("own("))[0], base, render, [style, around.system, around.shots])


def shots_in(file: Path) -> tuple[Shot, ...]:
    """Solved questions from a JSONL, JSON, Parquet or CSV file, or given as objects: a question, and an answer.

    The answer is a row's response or solution, where it has one.
    """
    found = []
    given = own.problems(str(file))
    for where, row in read_rows(file) if given is None else ((f"row {n}", row) for n, row in enumerate(given)):
        question = next((row[name] for name in ("question", "problem", "prompt") if name in row), None)
        answer = next((row[name] for name in ("response", "solution", "answer") if name in row), None)
        if not isinstance(question, str) or not isinstance(answer, str | int | float):
            raise BadInput(f"{file}, {where} is no solved question: it has a question, and a response or an answer")
        found.append((question, str(answer)))
    if not found:
        raise BadInput(f"{file} is empty: it holds no solved question")
    return tuple(found)


def _kept(name: str, style: PromptStyle, render: Callable[[str, Any], str], content: Any) -> str:
    version = json.dumps([content, style.extract, style.is_template])
    more: dict[str, Any] = {"extract": style.extract, "is_template": style.is_template}
    more |= {"bare": False}  # the style that it is made of keeps its name
    return own.keep("prompt style", render, re.sub(r"\W", "_", f"_{name}").lstrip("_") or "style", version, **more).key


# ---- around a style that has a name ----------------------------------------------------------------------------------


class _Turns:
    """In a tokenizer's place: the turns that a style gives to the chat template, instead of their text."""

    chat_template = "turns"

    def apply_chat_template(self, turns: list[dict[str, str]], **_: Any) -> Any:
        return json.dumps(turns)


def _with_turns(style: PromptStyle, around: Around) -> Callable[[str, Any], str]:
    """The same style with a system turn, and with its own wording of every solved question."""

    def turns(question: str) -> list[dict[str, str]]:
        return json.loads(style.render(question, _Turns()))

    def render(question: str, tokenizer: Any) -> str:
        said = [] if around.system is None else [{"role": "system", "content": around.system}]
        for asked, answer in around.shots:
            said += [*turns(asked), {"role": "assistant", "content": answer}]
        return chatted([*said, *turns(question)], tokenizer)

    return render


def _with_text(name: str, style: PromptStyle, around: Around) -> Callable[[str, Any], str]:
    """The same style with solved questions in its own wording before the question."""
    if around.system is not None:
        raise BadInput(f"--system is a turn of a chat, and the prompt style {name} is none: choose another --style")
    if style.between is None:
        raise BadInput(f"the prompt style {name} has no place for --shots: choose another --style, or a template")
    between = style.between

    def render(question: str, tokenizer: Any) -> str:
        text = ""
        for asked, answer in around.shots:
            opened = style.render(asked, tokenizer)
            text += f"{opened}{'' if opened[-1:].isspace() else ' '}{answer}{between}"
        return text + style.render(question, tokenizer)

    return render


def chatted(turns: Sequence[dict[str, str]], tokenizer: Any) -> str:
    """Turns in the tokenizer's own chat template, up to the opening of the assistant's."""
    from jinja2 import TemplateError

    if not getattr(tokenizer, "chat_template", None):
        raise BadInput("this tokenizer has no chat template: choose a prompt style without turns, or write a template")
    try:
        return tokenizer.apply_chat_template(list(turns), add_generation_prompt=True, tokenize=False)
    except TemplateError as error:
        raise BadInput(f"the tokenizer's chat template does not render these turns: {error}") from error


# ---- a template in a file --------------------------------------------------------------------------------------------


def _of_template(file: Path, around: Around) -> str:
    """The name of the style that a template is. Raises BadInput where it cannot be one."""
    from jinja2 import StrictUndefined, TemplateError, meta
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--style: {file} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined)
    try:
        names = meta.find_undeclared_variables(environment.parse(source))
        template = environment.from_string(source)
    except TemplateError as error:
        raise BadInput(f"--style: {file} is no template: {error} (line {getattr(error, 'lineno', 1)})") from None
    _check_names(file, names, around)
    extract = (_EXTRACT.search(source) or ("", "general"))[1]
    if extract not in EXTRACTIONS:
        raise BadInput(f"--style: {file} says extract: {extract}, which is none of {', '.join(EXTRACTIONS)}")
    style = PromptStyle(lambda *_: "", extract, is_template="chat" in names)

    def render(question: str, tokenizer: Any) -> str:
        try:
            return template.render(question=question, **_at_hand(tokenizer, around))
        except TemplateError as error:
            raise BadInput(f"--style: {file} does not render: {error}") from None

    return _kept(file.stem, style, render, [source, around.system, around.shots])


def _check_names(file: Path, names: set[str], around: Around) -> None:
    if unknown := sorted(names - {*KNOWN}):
        raise BadInput(f"--style: {file} asks for {unknown[0]}, which there is not: it can use {', '.join(KNOWN)}")
    if "question" not in names:
        raise BadInput(f"--style: {file} never says {{{{ question }}}}: every problem would have the same prompt")
    for name in ("system", "shots"):
        if getattr(around, name) and name not in names:
            raise BadInput(f"--{name} has no place in {file}: it says nothing of {name}")


def _at_hand(tokenizer: Any, around: Around) -> dict[str, Any]:
    def chat(user: str, system: str | None = None, shots: Sequence[Any] = ()) -> str:
        turns = [{"role": "system", "content": system}] if system else []
        for shot in shots:
            turns += [{"role": "user", "content": shot["question"]}, {"role": "assistant", "content": shot["answer"]}]
        return chatted([*turns, {"role": "user", "content": user}], tokenizer)

    shots = [{"question": asked, "answer": answer} for asked, answer in around.shots]
    return {"chat": chat, "system": around.system, "shots": shots, "bos": tokenizer.bos_token or ""}
