"""Which problem a row of somebody's file speaks of: by its id, else by the question that its prompt holds.

Problems in; ids and texts in, problem ids out. A row that names no problem of the set is the caller's to count.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rlprobe.problems.formats import is_conversation
from rlprobe.records import Problem


def id_text(value: Any) -> str | None:
    """The id in a cell as text: 7 and 7.0, which tables make of it, are "7". None for a cell that holds none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        return None
    return str(value) if str(value).strip() else None


class Matching:
    """Finds problems of one set, called `name`."""

    def __init__(self, name: str, problems: Sequence[Problem]):
        self.ids = {problem.problem_id for problem in problems}
        self._prefix = f"{name}/"
        self._loose: dict[str, list[str]] = defaultdict(list)
        self._questions: dict[str, list[str]] = defaultdict(list)
        for problem in problems:
            self._loose[_loose(problem.problem_id)].append(problem.problem_id)
            self._questions[_squeezed(problem.question)].append(problem.problem_id)
        self._found: dict[str, str | None] = {}

    def by_id(self, value: Any) -> str | None:
        """The problem that an id names: as it stands, after the name of the set, or as the same whole number."""
        text = id_text(value)
        if text is None:
            return None
        for name in (text, self._prefix + text):
            if name in self.ids:
                return name
        return _only(self._loose.get(_loose(text), []))

    def by_prompt(self, prompts: Sequence[Any]) -> str | None:
        """The one problem whose question stands in one of the prompts (texts, or lists of chat messages)."""
        for prompt in prompts:
            text = _squeezed(_text(prompt))
            if text not in self._found:
                self._found[text] = self._in(text)
            if self._found[text]:
                return self._found[text]
        return None

    def _in(self, text: str) -> str | None:
        if text in self._questions:
            return _only(self._questions[text])
        held = [question for question in self._questions if question and question in text]
        widest = [q for q in held if not any(q != other and q in other for other in held)]
        return _only([i for question in widest for i in self._questions[question]])


def _only(found: list[str]) -> str | None:
    return found[0] if len(found) == 1 else None


def _loose(text: str) -> str:
    """7 for 7.0, which a table of numbers makes of it."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", text.strip())


def _squeezed(text: str) -> str:
    """With single spaces, since templates strip and join."""
    return " ".join(text.split())


def _text(prompt: Any) -> str:
    if is_conversation(prompt):
        return "\n".join(_text(message.get("content")) for message in prompt)
    if isinstance(prompt, list):
        return "\n".join(_text(part.get("text")) for part in prompt if isinstance(part, Mapping))
    return prompt if isinstance(prompt, str) else ""
