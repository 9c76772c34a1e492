"""What files of responses look like: one entry a producer, and the rows of any of them brought to one shape.

Rows in, `Given` responses out, as they stand: text, chat messages or token ids. A format is known by its keys; a field
is named by a path, `output.choices.0.text`: a number takes one element of a list, any other name is looked up in each
of its elements, which are then several draws. Knows no tokenizer, no problems and no disk.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rlprobe.errors import BadInput

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """One response as a file has it; what the file does not say is None."""

    where: str  # for messages
    problem: Any  # an id that names the problem
    prompts: tuple[Any, ...]  # texts that hold the question, where no id names the problem
    draw: Any  # None: the next one of its problem
    said: Any  # text, a chat message, a list of chat messages, or a list of token ids; None: no response
    prompt_ids: Any
    rendered: Any  # the prompt as text, template and all, where that is known
    logprobs: Any  # one entry a token
    cut: bool  # at the token limit


@dataclass(frozen=True)
class Format:
    """How one producer writes responses. Fields are paths; of several the first that holds something counts."""

    producer: str  # the version whose writer was read
    keys: tuple[str, ...]  # every row has them, except one that tells of an error
    said: tuple[str, ...]
    problem: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    draw: str = ""
    first_draw: int = 0
    repeats: bool = True  # rows of one problem are its draws, in order
    once: str = ""  # rows that differ in this field hold the same responses: those with its first value are read
    prompt_ids: str = ""
    rendered: str = ""  # the prompt as text, template and all
    logprobs: str = ""
    cut: str = ""
    inside: Callable[[Row], Iterable[Row]] | None = None  # the rows that one row of the file is made of

    def has(self, row: Row) -> bool:
        """Whether a row is of this format."""
        return all(_leaf(row, key) for key in self.keys) and (
            self.inside is not None or any(_leaf(row, path) for path in self.said)
        )

    def rows(self, row: Row) -> list[Row]:
        """The rows, one a problem or a draw, that a row of the file is made of."""
        return [row] if self.inside is None else list(self.inside(row))

    def responses(self, rows: Iterable[tuple[str, Row]]) -> Iterator[Given]:
        """The responses of a file, whose rows come as (where, row)."""
        first = None
        for where, outer in rows:
            inner = self.rows(outer)
            for number, row in enumerate(inner):
                kind = reach(row, self.once) if self.once else None
                first = kind if first is None else first
                if kind == first:
                    yield from self._draws(f"{where}, entry {number}" if len(inner) > 1 else where, row)

    def _draws(self, where: str, row: Row) -> Iterator[Given]:
        path, said = self._said(row)
        several = _several(path, said)
        draw, logprobs, cut = (reach(row, at) if at else None for at in (self.draw, self.logprobs, self.cut))
        draw = draw - self.first_draw if type(draw) is int else draw
        if draw is not None and several is not None and len(several) > 1:
            raise BadInput(f"{where} has {len(several)} responses and one draw, {draw!r}: leave the draw out")
        for number, one in enumerate([said] if several is None else several or [None]):
            yield Given(
                where=f"{where}, draw {number}" if several and len(several) > 1 else where,
                problem=next((value for at in self.problem if (value := reach(row, at)) is not None), None),
                prompts=tuple(value for at in self.prompts if (value := reach(row, at)) is not None),
                draw=number if draw is None and not self.repeats else draw,
                said=one,
                prompt_ids=reach(row, self.prompt_ids) if self.prompt_ids else None,
                rendered=reach(row, self.rendered) if self.rendered else None,
                logprobs=_of_draw(logprobs, number, several),
                cut=_of_draw(cut, number, several) in _CUT,
            )

    def _said(self, row: Row) -> tuple[str, Any]:
        """The first path that holds a response, and what it holds."""
        found = ((path, reach(row, path)) for path in self.said)
        return next(
            ((p, v) for p, v in found if v is not None and not (isinstance(v, Several) and _empty(v))), ("", None)
        )


class Several(list):
    """What one path found in each element of a list."""


def reach(row: Any, path: str) -> Any:
    """What stands at a path; None if nothing does. A name that holds dots itself comes first."""
    if not path:
        return row
    name, _, rest = path.partition(".")
    if isinstance(row, Mapping):
        return row[path] if path in row else reach(row[name], rest) if name in row else None
    if isinstance(row, list) and name.isdecimal():
        return reach(row[int(name)], rest) if int(name) < len(row) else None
    if isinstance(row, list):
        found = [reach(item, path) for item in row]
        return Several(inner for each in found for inner in (each if isinstance(each, Several) else [each]))
    return None


def _leaf(row: Row, path: str) -> bool:
    found = reach(row, path)
    return found is not None and not isinstance(found, Mapping)


def _empty(found: Any) -> bool:
    return found is None or (isinstance(found, Several) and all(each is None for each in found))


def _several(path: str, said: Any) -> list[Any] | None:
    """The draws in a list of them; None for one response. An empty list of ids is one response, an empty one."""
    if isinstance(said, Several):
        return list(said)
    if not isinstance(said, list) or _is_one(said, path):
        return None
    return [one for each in said for one in (each if isinstance(each, list) and _texts(each) else [each])]


def _is_one(said: list[Any], path: str) -> bool:
    if path.endswith("ids"):
        return not (said and all(isinstance(each, list) for each in said))
    return is_conversation(said) or (bool(said) and all(type(each) is int for each in said))


def _texts(values: list[Any]) -> bool:
    return all(isinstance(each, str) for each in values)


def is_conversation(said: Any) -> bool:
    """Whether this is a list of chat messages."""
    return isinstance(said, list) and bool(said) and all(isinstance(m, Mapping) and "role" in m for m in said)


def _of_draw(values: Any, number: int, several: list[Any] | None) -> Any:
    """A draw's part of what is given for all draws of a row."""
    if isinstance(values, Several) or (several is not None and isinstance(values, list)):
        return values[number] if len(values) == len(several or [0]) else None
    return values


_CUT = ("length", "max_tokens", True)  # why a response ended, where it ended at the token limit


def recognise(rows: list[Row], where: str, id_field: str | None, response_field: str | None) -> tuple[str, Format]:
    """(name, format) of a file by some of its rows, with the fields that were asked for in the place of its own.

    Raises BadInput where no format, or more than one, has these rows.
    """
    found = [name for name, each in FORMATS.items() if any(each.has(row) for row in rows)]
    has = f"{where} has the fields {', '.join(dict.fromkeys(name for row in rows for name in row)) or 'none'}"
    if len(found) > 1 and not response_field:
        raise BadInput(f"{has}, as {' and '.join(found)} do: say with --response-field (and --id-field) what to read")
    if not found and not response_field:
        raise BadInput(f"which field holds the response? {has}; say it with --response-field, and --id-field")
    for option, path in (("--id-field", id_field), ("--response-field", response_field)):
        shaped = rows if len(found) != 1 else [each for row in rows for each in FORMATS[found[0]].rows(row)]
        if path and all(reach(row, path) is None for row in shaped):
            raise BadInput(f"no {path!r} in {where}, which {option} asks for: {has}")
    chosen = FORMATS[found[0]] if len(found) == 1 else FORMATS[OWN]
    if id_field:
        chosen = replace(chosen, problem=(id_field,), prompts=())
    if response_field:
        chosen = replace(chosen, said=(response_field,), repeats=chosen.repeats and len(found) == 1)
    return (found[0] if len(found) == 1 else OWN), chosen


# ---- what some producers' rows need


def _verifiers(row: Row) -> Iterator[Row]:
    """A rollout; the ids of the only step of its trajectory, where they were kept, beside its messages."""
    steps = row.get("trajectory")
    tokens = steps[0].get("tokens") if isinstance(steps, list) and len(steps) == 1 else None
    yield {**row, "tokens": tokens}


def _trace(trace: Row) -> Row:
    """A graph of messages; the ids of its only sampled message, where they were kept, and what stands before them."""
    nodes = trace.get("nodes") or []
    sampled = [node for node in nodes if node.get("sampled")]
    found = {"prompt": reach(trace, "task.data.prompt"), "said": [node.get("message") for node in sampled]}
    if len(sampled) != 1 or not (mask := sampled[0].get("mask")):
        return {**trace, **found}
    own, before = sampled[0]["token_ids"], nodes[: nodes.index(sampled[0])]
    prompt_ids = [i for node in before for i in node["token_ids"]] + own[: mask.index(True) if True in mask else None]
    ids = [i for i, is_sampled in zip(own, mask, strict=False) if is_sampled]
    return {**trace, **found, "prompt_ids": prompt_ids, "ids": ids, "logprobs": sampled[0].get("logprobs") or None}


def _inspect(log: Row) -> Iterator[Row]:
    """The samples of a log; of one that took several turns every turn, which is then refused."""
    for sample in log["samples"]:
        turns = [m for m in sample.get("messages") or () if m.get("role") == "assistant"]
        yield {**sample, "turns": turns if len(turns) > 1 else None}


OWN = "rlprobe"
_CHOICES = "response.body.choices"

# name -> format, in the order of docs/formats.md
FORMATS: dict[str, Format] = {
    OWN: Format(
        "rlprobe",
        keys=(),
        said=("response_ids", "response"),
        problem=("problem_id",),
        prompts=("question", "problem", "prompt"),
        draw="draw",
        repeats=False,
        prompt_ids="prompt_ids",
        logprobs="logprobs",
    ),
    "lm-eval samples": Format(
        "lm-evaluation-harness 0.4.13, loggers/evaluation_tracker.py",
        keys=("doc_id", "resps", "filtered_resps"),
        said=("resps",),
        problem=("doc.problem_id", "doc.unique_id"),
        prompts=("doc.question", "doc.problem", "arguments.gen_args_0.arg_0"),
        rendered="arguments.gen_args_0.arg_0",
        once="filter",
    ),
    "vLLM outputs": Format(
        "vLLM at 003d3ee22261, vllm/outputs.py: RequestOutput",
        keys=("request_id", "outputs"),
        said=("outputs.token_ids", "outputs.text"),
        prompts=("prompt",),
        prompt_ids="prompt_token_ids",
        rendered="prompt",
        logprobs="outputs.logprobs",
        cut="outputs.finish_reason",
    ),
    "OpenAI batch": Format(
        "vLLM at 0056ae7b2144, entrypoints/openai/run_batch.py; at 002032ee2b18, chat_completion/protocol.py",
        keys=("custom_id", _CHOICES),
        said=(f"{_CHOICES}.token_ids", f"{_CHOICES}.message", f"{_CHOICES}.text"),
        problem=("custom_id",),
        prompt_ids="response.body.prompt_token_ids",
        logprobs=f"{_CHOICES}.logprobs.content",
        cut=f"{_CHOICES}.finish_reason",
    ),
    "verl rollouts": Format(
        "verl 0.9.1, trainer/ppo/ray_trainer.py: _write_generations",
        keys=("input", "output", "score", "step"),
        said=("output",),
        prompts=("input",),
    ),
    "verl generation": Format(
        "verl 0.9.1, trainer/main_generation_server.py",
        keys=("prompt.content", "responses"),
        said=("responses",),
        prompts=("prompt",),
    ),
    "TRL completions": Format(
        "TRL 1.16.0, trainer/grpo_trainer.py: log",
        keys=("step", "prompt", "completion", "advantage"),
        said=("completion",),
        prompts=("prompt",),
    ),
    "prime-rl rollouts": Format(
        "prime-rl at 07a70e62ed52, orchestrator/vf_utils.py: save_rollouts; verifiers 0.1.14, utils/save_utils.py",
        keys=("example_id", "completion", "reward"),
        said=("tokens.completion_ids", "completion"),
        prompts=("prompt",),
        prompt_ids="tokens.prompt_ids",
        logprobs="tokens.completion_logprobs",
        cut="is_truncated",
        inside=_verifiers,
    ),
    "prime-rl traces": Format(
        "prime-rl at 07a70e62ed52, orchestrator/utils.py: save_rollouts; verifiers 0.4.0, v1/trace.py, v1/graph.py",
        keys=("nodes", "task.type"),
        said=("ids", "said"),
        prompts=("prompt",),
        prompt_ids="prompt_ids",
        logprobs="logprobs",
        inside=lambda row: [_trace(row)],
    ),
    "verifiers episodes": Format(
        "verifiers 0.4.0, v1/utils/trace_store.py: write_episode",
        keys=("traces", "task.type"),
        said=("ids", "said"),
        prompts=("prompt",),
        prompt_ids="prompt_ids",
        logprobs="logprobs",
        inside=lambda row: [_trace(trace) for trace in row["traces"]],
    ),
    "inspect log": Format(
        "inspect_ai 0.3.285, log/_log.py: EvalLog",
        keys=("eval.task", "samples"),
        said=("turns", "output.choices.message"),
        problem=("id",),
        draw="epoch",
        first_draw=1,
        logprobs="output.choices.logprobs.content",
        cut="output.choices.stop_reason",
        inside=_inspect,
    ),
}
