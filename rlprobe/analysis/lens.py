"""At which layer each model's choice is made: one summary of what the logit lens read.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. Depth 0 is the
embedding, depth d the residual stream after d layers. A model's choice is what it says after its last layer; it first
leads at the first depth where it is the argmax, and has settled from the depth on after which it stays that.
Intervals resample problems. Knows no torch and no disk.
"""

from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.points import GROUPS, clusters_of, describe
from rlprobe.analysis.statistics import Interval, mean, rate
from rlprobe.records import MEMBERS
from rlprobe.settings import Reading, Resampling

# What `summarise` is given: a row for each place, model and depth ...
BY_DEPTH = ("point", "model", "depth", "leading", "logprob_of_base", "logprob_of_rl")
# ... and a row for each place, whose last residual stream was read (trunk) and whose norm and head read it (readout)
CROSSED = ("point", "trunk", "readout", "leading", "logprob_of_base", "logprob_of_rl")


def summarise(chosen: pd.DataFrame, by_depth: pd.DataFrame, crossed: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """Everything `rlprobe lens` says, as a dictionary that JSON can hold.

    `chosen` are the places (analysis/points.py), which `by_depth` (BY_DEPTH) and `crossed` (CROSSED) name by their row.
    """
    of_point = chosen[["problem_id", "group", "argmax_base", "argmax_rl"]]
    by_depth = _settled(by_depth).join(of_point, on="point")
    crossed = crossed.join(of_point, on="point")
    summary = {
        "reading": reading,
        "points": describe(chosen, reading),
        "layers": int(by_depth["depth"].max()),
        "depths": {g: _of_members(by_depth[by_depth["group"] == g], _depths, reading.resampling) for g in GROUPS},
        "choices": {g: _of_members(by_depth[by_depth["group"] == g], _choices, reading.resampling) for g in GROUPS},
        "crossed": [
            {"trunk": trunk, "readout": readout, **_crossed(crossed, trunk, readout, reading.resampling)}
            for trunk in MEMBERS
            for readout in MEMBERS
        ],
        "other_argmax": {member: _other_argmax(by_depth, member) for member in MEMBERS},
    }
    return plain(summary)


def _settled(by_depth: pd.DataFrame) -> pd.DataFrame:
    """With the columns leads (the final choice is the argmax here) and settled (here and at every later depth)."""
    rows = by_depth.sort_values(["point", "model", "depth"], kind="stable").reset_index(drop=True)
    of_one = rows.groupby(["point", "model"])
    rows["leads"] = rows["leading"] == of_one["leading"].transform("last")
    rows["settled"] = rows[::-1].groupby(["point", "model"])["leads"].cummin()[::-1]
    return rows


def _of_members(rows: pd.DataFrame, describe_one: Any, resampling: Resampling) -> dict[str, Any]:
    return {member: describe_one(rows[rows["model"] == member], resampling) for member in MEMBERS}


def _depths(rows: pd.DataFrame, resampling: Resampling) -> list[dict[str, Any]]:
    """One entry a depth: the mean logprobs of both choices, and how often the model's own leads, and has settled."""
    return [
        {
            "depth": int(depth),  # type: ignore[arg-type]
            "logprob_of_base": _mean(here, "logprob_of_base", resampling),
            "logprob_of_rl": _mean(here, "logprob_of_rl", resampling),
            "leads": _share(here, "leads", resampling),
            "settled": _share(here, "settled", resampling),
        }
        for depth, here in rows.groupby("depth")
    ]


def _choices(rows: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """The mean depth at which the model's choice first leads, and from which on it stays; and their distributions."""
    found = {}
    for name, column in (("first", "leads"), ("settled", "settled")):
        depths = rows[rows[column]].groupby("point").first().reset_index()
        counts = np.bincount(depths["depth"], minlength=int(rows["depth"].max()) + 1 if len(rows) else 0)
        found[name] = {"mean": _mean(depths, "depth", resampling), "counts": counts.tolist()}
    return found


def _crossed(crossed: pd.DataFrame, trunk: str, readout: str, resampling: Resampling) -> dict[str, Any]:
    """One model's trunk, one model's final norm and head: whose choice comes out at disagreements, by how much."""
    these = (crossed["trunk"] == trunk) & (crossed["readout"] == readout) & (crossed["group"] == "disagreement")
    rows = crossed[these]
    gap = rows["logprob_of_rl"] - rows["logprob_of_base"]
    return {
        "base_choice": _share(rows.assign(is_it=rows["leading"] == rows["argmax_base"]), "is_it", resampling),
        "rl_choice": _share(rows.assign(is_it=rows["leading"] == rows["argmax_rl"]), "is_it", resampling),
        "gap": _mean(rows.assign(gap=gap), "gap", resampling),
    }


def _other_argmax(by_depth: pd.DataFrame, member: str) -> int:
    """At how many places the model says another token here than in the run: float noise at near ties."""
    last = by_depth[(by_depth["model"] == member) & (by_depth["depth"] == by_depth["depth"].max())]
    return int((last["leading"] != last[f"argmax_{member}"]).sum())


def _mean(rows: pd.DataFrame, column: str, resampling: Resampling) -> Interval:
    clusters = clusters_of(rows)
    return mean(clusters.sums(rows[column].to_numpy(dtype=float)), clusters.sums(np.ones(len(rows))), resampling)


def _share(rows: pd.DataFrame, column: str, resampling: Resampling) -> Interval:
    clusters = clusters_of(rows)
    return rate(clusters.sums(rows[column].to_numpy(dtype=bool)), clusters.sums(np.ones(len(rows))), resampling)
