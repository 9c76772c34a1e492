"""Whose verdicts a run is read by: every summary names its grader, and what is read later is read by that one."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from rlprobe.analysis.answered import with_answers
from rlprobe.commands import COMMANDS, RETOLD
from rlprobe.commands.reading import verdicts_in
from rlprobe.commands.shown import First
from rlprobe.errors import BadInput
from rlprobe.problems.grading import GraderSettings
from rlprobe.problems.prompts import prompt_style
from rlprobe.runs import Run
from rlprobe.settings import GraderChoice

# whose grader counts, the first that is there
SUMMARIES = [each.summary for each in COMMANDS.values() if each.verdicts == RETOLD]


def grader_for(identity: dict[str, Any], choice: GraderChoice) -> GraderSettings:
    """The settings for a run of this identity: its golds, and its prompt style's extraction where none is asked for."""
    prompt = identity["prompt"]
    asked = prompt.get("extract") or (
        "box" if "text" in identity else prompt_style(prompt["style"]).extract
    )  # of texts
    return GraderSettings(**vars(choice)).under(asked, identity["problems"]["golds"])


def named(grader: GraderSettings) -> dict[str, Any]:
    """A grader as every summary names it: its key, and its settings."""
    return {"key": grader.key, **grader.canonical()}


def named_grader(run: Run, layer: str) -> dict[str, Any]:
    """The grader of a layer of verdicts, as summaries name it: its key and all that it was asked for."""
    return run.read_json(f"{layer}/settings.json", lambda settings: {"key": layer.partition("/")[2], **settings})


def grader_of(run: Run) -> dict[str, Any] | None:
    """The grader that the run's summary names; None where there is no summary, or one without verdicts."""
    there = _summaries(run)
    return run.read_json(there[0], _grader_in) if there else None


def _summaries(run: Run) -> list[str]:
    return [file.name for pattern in SUMMARIES for file in run.files(pattern)]


def _grader_in(summary: Any) -> dict[str, Any] | None:
    grader = summary.get("grader")
    return grader and {**grader, "key": str(grader["key"])}


def layer_of(run: Run) -> str | None:
    """The layer of verdicts by that grader; without a summary, the only one there is. None: there are no verdicts.

    Raises BadInput where several graders' verdicts lie in the run, and nothing says which of them is meant.
    """
    if _summaries(run):
        grader = grader_of(run)
        return None if grader is None else f"grades/{grader['key']}"
    layers = [layer for layer in run.layers() if layer.startswith("grades/")]
    if len(layers) > 1:
        raise BadInput(
            f"{run.path} has the verdicts of {len(layers)} graders, and no summary.json that names one of them; "
            f"run `rlprobe grade {run.path}` first"
        )
    return layers[0] if layers else None


def verdicts_on(run: Run, arms: Sequence[str]) -> pd.DataFrame | None:
    """The verdicts on the texts of some arms by the grader in use; None where it has none.

    Raises BadInput where the run is not summarised, or its verdicts are not all there.
    """
    if not _summaries(run):
        raise BadInput(f"{run.path} has no verdicts yet; run the command that made it again, or `rlprobe grade` on it")
    layer = layer_of(run)
    if layer is None:
        return None
    for arm in arms:
        if set(run.shards("tokens", arm)) - set(run.shards(layer, arm)):
            raise BadInput(f"{run.path} lacks verdicts on {arm}'s answers; run `rlprobe grade {run.path}` first")
    return verdicts_in(First(run), layer, arms)


def answered(run: Run, tokens: pd.DataFrame, answer: str) -> pd.DataFrame:
    """Rows of the run's token table with the column after_answer, by `verdicts_on` them; without, where it has none."""
    verdicts = verdicts_on(run, [str(arm) for arm in tokens["arm"].unique()])
    return tokens if verdicts is None else with_answers(tokens, verdicts, answer)
