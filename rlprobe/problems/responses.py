"""Responses that were made elsewhere, read from a file into rollouts of the arm `responses`.

A file, the problems with their encoded prompts and a tokenizer in, rollouts out, and what was left out. Ids are taken
as they are; text is tokenised here, which may not give the ids its writer had, so those rollouts say GIVEN_TEXT. Pads
behind the end are no tokens. Nothing is decoded or graded. What files look like is formats.py's business.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rlprobe.errors import BadInput
from rlprobe.problems.datasets import read_rows, whole_text
from rlprobe.problems.formats import Given, is_conversation, recognise
from rlprobe.problems.matching import Matching
from rlprobe.records import Made, Rollout, Stop

ARM = "responses"
READ = (".jsonl", ".json", ".parquet")
_LOOKED_AT = 100  # rows by which a format is known
_UNKNOWN_LOGPROB = -9999.0  # OpenAI's and vLLM's mark for a token outside the best ones


@dataclass(frozen=True)
class ResponseFile:
    """A file, and where its ids and responses stand; None is what its format says."""

    path: Path
    id_field: str | None = None
    response_field: str | None = None

    def check(self) -> None:
        """Raise BadInput unless there is a file of a kind that is read."""
        if self.path.suffix.lower() == ".eval":
            raise BadInput(
                f"{self.path} is a packed inspect log; `inspect log dump {self.path} > log.json` writes it as JSON, "
                "and --responses log.json reads that"
            )
        if not self.path.is_file() or self.path.suffix.lower() not in READ:
            raise BadInput(f"responses come from a JSONL, JSON or Parquet file, and {self.path} is none")


@dataclass(frozen=True)
class Asked:
    """What responses are read against. `context` is in tokens, prompt and response together."""

    matching: Matching
    prompts: Mapping[str, list[int]]  # the problems that were asked for and can be read
    tokenizer: Any
    stop_ids: Collection[int]
    allowed_ids: Collection[int]
    context: int

    @property
    def pad_ids(self) -> frozenset[int]:
        """What batches are filled up with."""
        pad = getattr(self.tokenizer, "pad_token_id", None)
        return frozenset(() if pad is None else (pad,))


@dataclass
class Loaded:
    """The rollouts of a file, in its order, and what was not read into them."""

    format: str
    rollouts: dict[tuple[str, int], Rollout] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)  # where they stand: they answer no problem of the set
    silent: int = 0  # rows that hold no response, such as one whose request failed
    unfit: int = 0  # responses whose log-probabilities have gaps, or are of other tokens
    reprompted: int = 0  # responses to another prompt than ours, which are read after ours all the same
    long: list[str] = field(default_factory=list)

    def about(self, name: str) -> dict[str, Any]:
        """Of a file of this name, for a run's summaries: what does not depend on how many problems were asked for."""
        counts = {"unknown_ids": len(self.unknown), "without_response": self.silent}
        return {"file": name, "format": self.format, **counts}


def load_responses(file: ResponseFile, asked: Asked) -> Loaded:
    """The responses of a JSONL, JSON or Parquet file (docs/formats.md).

    Rows that answer no problem of the set, and rows without a response, are counted. Raises BadInput, naming the row,
    for what cannot be read, for two responses to one draw, and for texts longer than the context.
    """
    file.check()
    rows = list(read_rows(file.path))
    if not rows:
        raise BadInput(f"{file.path} is empty: it holds no response")
    name, format_ = recognise([row for _, row in rows[:_LOOKED_AT]], str(file.path), file.id_field, file.response_field)
    loaded, drawn = Loaded(name), Counter[str]()
    for given in format_.responses((f"{file.path}, {where}", row) for where, row in rows):
        _add(given, asked, loaded, drawn)
    if not loaded.rollouts:
        raise BadInput(_why_empty(file.path, asked, loaded))
    _refuse_long(loaded, asked.context)
    return loaded


def load_solutions(solutions: Mapping[str, str], asked: Asked) -> Loaded:
    """A data set's own solutions, by problem, as if they were responses. Raises BadInput as `load_responses`."""
    loaded, drawn = Loaded("solutions"), Counter[str]()
    for problem_id, text in solutions.items():
        where = f"the solution of {problem_id}"
        _add(Given(where, problem_id, (), None, text, None, None, None, False), asked, loaded, drawn)
    if not loaded.rollouts:
        raise BadInput("none of the problems asked for has a solution: give texts of your own with --responses")
    _refuse_long(loaded, asked.context)
    return loaded


def _refuse_long(loaded: Loaded, context: int) -> None:
    if loaded.long:
        raise BadInput(
            f"{loaded.long[0]}, longer than the context of {context} ({len(loaded.long)} of "
            f"{len(loaded.rollouts)} responses are longer): take them out of the file"
        )


def _why_empty(path: Path, asked: Asked, loaded: Loaded) -> str:
    if not loaded.unknown:
        return f"{path} holds no response to the problems asked for ({loaded.silent} rows without a response)"
    known = ", ".join(repr(i) for i in sorted(asked.matching.ids)[:3])
    return (
        f"{path} answers none of the {len(asked.matching.ids)} problems, which are called {known}, ...: "
        f"{loaded.unknown[0]}; say with --id-field where the ids stand"
    )


def _add(given: Given, asked: Asked, loaded: Loaded, drawn: Counter[str]) -> None:
    """One response more, if it is to a problem that was asked for."""
    if given.problem is None and not given.prompts:
        raise BadInput(f"{given.where} has no problem_id; say with --id-field where the ids stand")
    by_id = given.problem is not None
    problem_id = asked.matching.by_id(given.problem) if by_id else asked.matching.by_prompt(given.prompts)
    if problem_id is None:
        found = f"the id {given.problem!r}" if by_id else "the question of no problem, or of several,"
        loaded.unknown.append(f"{given.where} has {found}"[:200])
    elif given.said is None:
        loaded.silent += 1
    else:
        draw = drawn[problem_id] if given.draw is None else _draw(given)
        drawn[problem_id] += 1
        if problem_id in asked.prompts:
            _put(_Reading(given, asked).rollout(problem_id, draw, loaded), given.where, asked.context, loaded)


def _put(rollout: Rollout, where: str, context: int, loaded: Loaded) -> None:
    key = (rollout.problem_id, rollout.draw)
    if key in loaded.rollouts:
        raise BadInput(f"{where}: there is a response to {key[0]!r}, draw {key[1]}, already; number them with `draw`")
    if (length := len(rollout.prompt_ids) + len(rollout.response_ids)) > context:
        loaded.long.append(f"{where}: prompt and response have {length} tokens")
    loaded.rollouts[key] = rollout


def _draw(given: Given) -> int:
    draw = int(given.draw) if isinstance(given.draw, float) and given.draw.is_integer() else given.draw
    if type(draw) is not int or not 0 <= draw < 2**31:
        raise BadInput(f"{given.where}: draw is {given.draw!r}, not a number from 0 on")
    return draw


@dataclass(frozen=True)
class _Reading:
    """One response, read against what was asked."""

    given: Given
    asked: Asked

    def rollout(self, problem_id: str, draw: int, loaded: Loaded) -> Rollout:
        """As a rollout."""
        given, stop_ids = self.given, self.asked.stop_ids
        ids, made = self._response()
        logprobs = self._logprobs(ids, made)
        loaded.unfit += logprobs is None and given.logprobs is not None
        loaded.reprompted += self._is_reprompted(problem_id)
        ids = self._checked(without_pads(ids, stop_ids, self.asked.pad_ids), "response")
        ended = bool(ids) and ids[-1] in stop_ids
        return Rollout(
            arm=ARM,
            problem_id=problem_id,
            draw=draw,
            prompt_ids=self._prompt(problem_id),
            response_ids=ids,
            host_ids=None,
            gated=[False] * len(ids),
            logprobs=None if logprobs is None else logprobs[: len(ids)],
            stop=Stop.EOS if ended else Stop.LENGTH if given.cut else Stop.GIVEN,
            made=made,
        )

    def _response(self) -> tuple[list[int], Made]:
        said = self.given.said
        if isinstance(said, list) and not is_conversation(said):
            return self._ids(said, "response"), Made.GIVEN
        text = _text(said, self.given.where)
        return list(self.asked.tokenizer(text, add_special_tokens=False)["input_ids"]), Made.GIVEN_TEXT

    def _prompt(self, problem_id: str) -> list[int]:
        """The prompt as the file has it, without the pads in front that batches have; else as it was asked."""
        if self.given.prompt_ids is None:
            return list(self.asked.prompts[problem_id])
        ids, asked = self._ids(self.given.prompt_ids, "prompt"), self.asked.prompts[problem_id]
        start = next((at for at, i in enumerate(ids) if i not in self.asked.pad_ids), 0)
        if start and asked[:1] == ids[start - 1 : start]:  # a BOS id that pads are made of
            start -= 1
        if not ids:
            raise BadInput(f"{self.given.where}: the prompt has no token")
        return self._checked(ids[start:], "prompt")

    def _is_reprompted(self, problem_id: str) -> bool:
        """Whether the file has the prompt as text, which is not ours."""
        given, asked = self.given, self.asked
        if given.prompt_ids is not None or not isinstance(given.rendered, str):
            return False
        ids = list(asked.tokenizer(given.rendered, add_special_tokens=False)["input_ids"])
        return ids not in (asked.prompts[problem_id], asked.prompts[problem_id][1:])  # with the BOS id, or without

    def _ids(self, ids: Any, what: str) -> list[int]:
        if not isinstance(ids, list) or not all(type(number) is int for number in ids):
            raise BadInput(f"{self.given.where}: the {what} is neither text nor a list of token ids")
        return ids

    def _checked(self, ids: list[int], what: str) -> list[int]:
        if strange := [number for number in ids if number not in self.asked.allowed_ids]:
            raise BadInput(
                f"{self.given.where}: the {what} holds {strange[0]}, which is no token of the common vocabulary"
            )
        return ids

    def _logprobs(self, ids: list[int], made: Made) -> list[float] | None:
        """The sampler's log-probability of each id (nats); None where they are not given, not whole, or of other ids.

        Text has been tokenised here: its numbers are kept where the file's tokens are ours, one by one.
        """
        values = self.given.logprobs
        if not isinstance(values, list):
            return None
        if made is Made.GIVEN and len(values) != len(ids):
            raise BadInput(f"{self.given.where} has {len(values)} log-probabilities for {len(ids)} tokens")
        if made is Made.GIVEN_TEXT and not self._same_tokens(values, ids):
            return None
        found = [_logprob(value, i) for value, i in zip(values, ids, strict=False)]
        if any(number is not None and number > 1e-3 for number in found):  # a little above is rounding
            raise BadInput(f"{self.given.where} has a log-probability above 0")
        whole = [number for number in found if number is not None and number > _UNKNOWN_LOGPROB]
        return whole if len(whole) == len(ids) else None

    def _same_tokens(self, values: list[Any], ids: list[int]) -> bool:
        """Whether the file's tokens begin with ours; it may have one more, the stop id that its text is without."""
        tokens = [value.get("token") if isinstance(value, Mapping) else None for value in values]
        ours = [{f"token_id:{i}", self.asked.tokenizer.decode([i])} for i in ids]
        return len(ids) <= len(tokens) <= len(ids) + 1 and all(
            token in mine for token, mine in zip(tokens, ours, strict=False)
        )


def _logprob(value: Any, token_id: int) -> float | None:
    """A number as it stands, in OpenAI's entry for a token, or in vLLM's for several, by id."""
    if isinstance(value, Mapping):
        value = value.get("logprob", value.get(str(token_id)))
        value = value.get("logprob") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value == value else None


def without_pads(ids: list[int], stop_ids: Collection[int], pad_ids: Collection[int]) -> list[int]:
    """Ids without the pads at their end: of the last run of stop ids and pads the first stop id is kept, if any."""
    end = len(ids)
    while end and (ids[end - 1] in stop_ids or ids[end - 1] in pad_ids):
        end -= 1
    stop = next((at for at in range(end, len(ids)) if ids[at] in stop_ids), None)
    return ids[:end] if stop is None else ids[: stop + 1]


def _text(said: Any, where: str) -> str:
    """The text of a response: as it stands, or the content of the one chat message that it is."""
    if is_conversation(said):
        if len(said) > 1:
            raise BadInput(f"{where} holds {len(said)} turns; rlprobe reads one response to one prompt")
        said = said[0]
    if isinstance(said, Mapping):
        apart = [name for name in ("reasoning", "reasoning_content", "tool_calls") if said.get(name)]
        content = said.get("content")
        parts = content if isinstance(content, list) else []
        apart += [str(p.get("type")) for p in parts if not (isinstance(p, Mapping) and p.get("type") == "text")]
        if apart:
            raise BadInput(
                f"{where} keeps its {apart[0]} apart from the text, so that the tokens the model said are not known: "
                "use a dump that has token ids"
            )
        said = "".join(part["text"] for part in parts) if parts else content
    if not isinstance(said, str):
        raise BadInput(f"{where}: the response is a {type(said).__name__}, neither text nor a list of token ids")
    return whole_text(said, f"{where}: the response")
