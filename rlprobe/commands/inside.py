"""What the commands that look inside the models share: a finished run, its pair opened up, and the places to look at.

A run says which pair it is about by content (hashes of the files), so the pair is found under the names that the run
remembers, or under others that are given, and refused if its content is another.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from rlprobe import runs
from rlprobe.analysis.points import COLUMNS, choose, first_disagreements
from rlprobe.commands.rollouts import rollouts_in
from rlprobe.commands.verdicts import answered
from rlprobe.decoding.check import load_checked
from rlprobe.errors import BadInput, OtherRun
from rlprobe.internals.modules import Inside, open_pair
from rlprobe.internals.points import Point
from rlprobe.pairs import loading
from rlprobe.pairs.adapters import check_mergeable
from rlprobe.pairs.loading import LocatedPair
from rlprobe.pairs.model import ModelPair
from rlprobe.pairs.registry import PAIRS
from rlprobe.records import Rollout
from rlprobe.runs import Run
from rlprobe.settings import PairChoice, PointChoice, Reading


@dataclass(frozen=True)
class Opened:
    """A run with its pair; weights are loaded the first time somebody asks for them."""

    run: Run
    located: LocatedPair

    @cached_property
    def pair(self) -> ModelPair:
        """The loaded pair; adapters are merged."""
        return load_checked(self.located, apart=True)

    @cached_property
    def inside(self) -> dict[str, Inside]:
        """Both members, opened up."""
        return open_pair(self.pair)


def open_run(path: Path, asked: PairChoice) -> Opened:
    """The run and its pair; loads nothing.

    Raises OtherRun for another pair, UnsupportedArchitecture for an adapter that cannot be merged exactly.
    """
    run = runs.read(path)
    located = loading.locate(pair_of(run, asked))
    for source in (located.base, located.rl):
        check_mergeable(source, located.dtype)
    there, here = ({k: v for k, v in p.items() if k != "device"} for p in (run.identity["pair"], located.identity()))
    if difference := runs.first_difference(there, here):
        name, its, given = difference
        raise OtherRun(f"{path} is about another pair: its {name} is {its}, this one's is {given}; give that pair")
    return Opened(run, located)


def pair_of(run: Run, asked: PairChoice) -> PairChoice:
    """What is asked for, else what the run remembers, in the run's dtype and of its revisions."""
    identity = run.identity["pair"]
    if asked.pair is None and asked.base is None and asked.rl is None:
        name = run.about["pair"]
        names = {"pair": name} if name in PAIRS else {"base": run.about["base"], "rl": run.about["rl"]}
        revisions = {f"{member}_revision": identity[member]["revision"] for member in ("base", "rl")}
        if "+" in run.about["rl"]:  # the revision of an adapter is in no run: its content decides
            del revisions["rl_revision"]
        asked = replace(asked, **names, **revisions)
    return replace(asked, dtype=identity["dtype"])


# ---- places ----------------------------------------------------------------------------------------------------------


def chosen_points(run: Run, choice: PointChoice, reading: Reading) -> tuple[pd.DataFrame, list[Point]]:
    """The places as a table (analysis/points.py), and the same as points, row for row."""
    chosen = choose(_tokens(run, choice, reading), choice, reading)
    return chosen, _points(run, choice, chosen)


def first_points(run: Run, choice: PointChoice, reading: Reading) -> tuple[pd.DataFrame, list[Point]]:
    """The same for the first disagreement of each response."""
    chosen = first_disagreements(_tokens(run, choice, reading), choice, reading)
    return chosen, _points(run, choice, chosen)


def _tokens(run: Run, choice: PointChoice, reading: Reading) -> pd.DataFrame:
    """The token table of the trajectory, with what stands behind its answers."""
    shards = run.shards("tokens", choice.trajectory)
    if not shards:
        raise BadInput(
            f"{run.path} has no token table of the text of {choice.trajectory}; run `rlprobe disagree` on it first"
        )
    tokens = run.table("tokens", COLUMNS, [choice.trajectory]).to_pandas()
    return answered(run, tokens, reading.answer)


def _points(run: Run, choice: PointChoice, chosen: pd.DataFrame) -> list[Point]:
    rollouts = rollouts_in(run, choice.trajectory, 0, len(run.problems()))
    return [_point(rollouts[row["problem_id"]], row) for row in chosen.to_dict("records")]


def _point(rollout: Rollout, row: dict) -> Point:
    return Point(
        problem_id=rollout.problem_id,
        ids=(*rollout.prompt_ids, *rollout.response_ids[: row["position"]]),
        prompt=len(rollout.prompt_ids),
        base_id=int(row["argmax_base"]),
        rl_id=int(row["argmax_rl"]),
    )
