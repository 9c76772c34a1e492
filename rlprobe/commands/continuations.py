"""How a response goes on from another token, as `flips` and `consequences` have decoded it, and what would decode it.

On the base's text RL's token is written once and the base goes on, on RL's text the base's token and RL goes on. Reads
a run; decodes nothing.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from rlprobe.pairs.registry import PAIRS
from rlprobe.records import MEMBERS
from rlprobe.runs import Run

_FLIPS = ("problem_id", "position", "rl_id", "response_ids", "stop", "right")
_CONSEQUENCES = ("problem_id", "position", "argmax_base", "response_ids", "stop", "same_answer")
_RIGHT = {True: "right", False: "wrong", None: "no verdict"}
_SAME = {True: "RL's own answer", False: "another answer", None: "no verdict"}


@dataclass(frozen=True, slots=True)
class Continuation:
    """What follows from `position` on, the other token first, in the text of the member `text`; and what came of it."""

    text: str
    position: int
    ids: list[int]
    stop: str
    outcome: str


def continuations(run: Run, grades: str | None, start: int, stop: int) -> dict[str, list[Continuation]]:
    """problem_id -> those of the problems `start` to `stop`, under the verdicts of the layer `grades`; each once."""
    found: dict[str, dict[tuple[str, int], Continuation]] = {}
    if grades is not None:
        for problem_id, each in _read(run, grades.removeprefix("grades/"), start, stop):
            found.setdefault(problem_id, {}).setdefault((each.text, each.position), each)
    return {name: sorted(each.values(), key=lambda c: (c.text, c.position)) for name, each in found.items()}


def _read(run: Run, grader: str, start: int, stop: int) -> Iterator[tuple[str, Continuation]]:
    of_layers = (
        (f"flips/{grader}/single", "base", _FLIPS, _RIGHT),
        (f"consequences/{grader}", "rl", _CONSEQUENCES, _SAME),
    )
    for layer, text, columns, words in of_layers:
        for row in _rows(run, layer, columns, start, stop):
            problem_id, position, _, ids, ended, verdict = row
            yield problem_id, Continuation(text, position, ids[position:], ended, words[verdict])


def _rows(run: Run, layer: str, columns: tuple[str, ...], start: int, stop: int) -> Iterator[tuple]:
    for scope in run.arms(layer):
        for shard in run.shards(layer, scope):
            if shard.start < stop and start < shard.stop:
                table: pa.Table = run.read_shard(layer, shard, list(columns))
                yield from zip(*(table[name].to_pylist() for name in columns), strict=True)


def commands(run: Run) -> dict[str, str]:
    """The commands that decode them, by the member whose text they go on from; `flips` takes a problem's name behind.

    Empty where the texts were made elsewhere. To be called in the folder that holds the run.
    """
    if "text" in run.identity or not set(MEMBERS) <= set(run.arms("rollouts")):
        return {}
    options = shlex.join([*_options(run), "--out", run.path.resolve().name])
    return {"base": f"rlprobe flips {options} --problem", "rl": f"rlprobe consequences {options}"}


def _options(run: Run) -> Iterator[str]:
    """Those that say which pair, which problems and how they are answered."""
    about, identity = run.about, run.identity
    if about["pair"] in PAIRS:
        yield from ("--pair", about["pair"])
    else:
        for m in MEMBERS:
            yield from (f"--{m}", about[m])
            if revision := identity["pair"][m].get("revision"):
                yield from (f"--{m}-revision", revision)
    yield from ("--dataset", about["dataset"], "--style", about["prompt_style"])
    yield from ("--limit", str(len(run.problems())), "--max-new-tokens", str(identity["decoding"]["max_new_tokens"]))
