"""What moving activations from one model into the other does: one summary of the patches of `rlprobe patch`.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. At a disagreement
the gap is the logprob of RL's choice minus that of the base's. A patch restores the share of the way that it moves the
gap from the host's towards the donor's:

    share = Σ (gap patched - gap of the host) / Σ (gap of the donor - gap of the host)

a ratio of means, not a mean of ratios; places where the denominator is below SMALLEST_GAP are left out of it and
counted. A flip is a place where the patched host says what the donor says. Where both say the same there is no gap;
there the share of places is given at which a patch makes the host say something else.

An activation from another place moves a gap, too, by taking the host's evidence away. What counts is what a patch does
beyond its control, place by place: its share less the control's, over the same denominator, and its flips less the
control's.

The factorial crosses whose residual stream (at every index, after a layer) with whose later layers (final norm and head
included) reads it. Of the four gaps, in nats, g(base, base) and g(RL, RL) are the two models themselves:

    residual effect   the mean over both stacks of what RL's residuals add
    layers effect     the mean over both residuals of what RL's later layers add
    interaction       g(RL, RL) - g(RL, base) - g(base, RL) + g(base, base)

The two effects add up to the whole way from the base's gap to RL's. Intervals resample problems. Knows no torch and no
disk.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.points import clusters_of, describe
from rlprobe.analysis.statistics import Interval, mean, rate, rate_difference, ratio_of_means
from rlprobe.settings import Reading, Resampling

SMALLEST_GAP = 0.1  # nats between host and donor

# What identifies a patch: its source, where in the network (head is -1 for a whole site), and where in the text ("0" is
# the decision, "-2" two tokens before it; "earlier", "prompt").
CELL = ("source", "site", "layer", "head", "where")
# Whose activation it is: the donor's at the same place, the donor's at another problem's place, or the host's own at
# that other place. Each is the control of the one before it: the first has RL's evidence here beyond the second, which
# has RL's ways elsewhere beyond the third.
SOURCES = ("same", "other", "other_host")
CONTROLS = dict(pairwise(SOURCES))
# A row for each place and patch.
EFFECTS = ("point", *CELL, "gap_host", "gap_patched", "gap_donor", "said_host", "said_patched", "said_donor")

# A row for each place and layer of the factorial: the gap with (whose residuals)_under_(whose later layers).
MIXED = ("base_under_base", "rl_under_base", "base_under_rl", "rl_under_rl")
CROSSED = ("point", "layer", *MIXED)
CONTRASTS = {  # what each says, as weights of MIXED
    "residual": (-0.5, 0.5, -0.5, 0.5),
    "layers": (-0.5, -0.5, 0.5, 0.5),
    "interaction": (1.0, -1.0, -1.0, 1.0),
    "whole": (-1.0, 0.0, 0.0, 1.0),
}


def summarise(chosen: pd.DataFrame, effects: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """Everything `rlprobe patch` says, as a dictionary that JSON can hold.

    `chosen` are the places (analysis/points.py), which `effects` (EFFECTS) names by their row.
    """
    effects = effects.join(chosen[["problem_id", "group"]], on="point")
    effects["small"] = (effects["gap_donor"] - effects["gap_host"]).abs() < SMALLEST_GAP
    differ = effects[effects["group"] == "disagreement"]
    by_cell = dict(iter(effects.groupby(list(CELL), sort=False)))
    summary = {
        "reading": reading,
        "points": describe(chosen, reading),
        "smallest_gap": SMALLEST_GAP,
        "small_gaps": int(differ.groupby("point")["small"].any().sum()),
        "cells": [
            {
                **dict(zip(CELL, key, strict=True)),
                **_effect(rows, reading.resampling),
                "minus_control": _minus_control(key, by_cell, reading.resampling),
            }
            for key, rows in by_cell.items()
        ],
    }
    return plain(summary)


def factorial(chosen: pd.DataFrame, crossed: pd.DataFrame, reading: Reading) -> dict[str, Any]:
    """The four gaps at each layer boundary, and what they say, in nats with intervals over problems.

    `chosen` are the places, first disagreements, which `crossed` (CROSSED) names by their row.
    """
    rows = crossed.join(chosen[["problem_id"]], on="point")
    summary = {
        "points": len(chosen),
        "problems": int(chosen["problem_id"].nunique()),
        "boundaries": [_boundary(layer, at, reading.resampling) for layer, at in rows.groupby("layer")],
    }
    return plain(summary)


def _boundary(layer: Any, rows: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    clusters, gaps = clusters_of(rows), rows[list(MIXED)].to_numpy(dtype=float)
    counts = clusters.sums(np.ones(len(rows)))
    found = {name: gaps[:, i] for i, name in enumerate(MIXED)}
    found |= {name: gaps @ np.array(weights) for name, weights in CONTRASTS.items()}
    means = {name: mean(clusters.sums(values), counts, resampling) for name, values in found.items()}
    return {"layer": int(layer), "gaps": {n: means[n] for n in MIXED}, **{n: means[n] for n in CONTRASTS}}


def _effect(rows: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """One patch over all places: its share and flips where the models disagree, and what it breaks where they agree."""
    differ, agree = (rows[rows["group"] == group] for group in ("disagreement", "unchanged"))
    return {
        "points": len(differ),
        "share": _share(differ[~differ["small"]], resampling),
        "flips": _rate(differ, differ["said_patched"] == differ["said_donor"], resampling),
        "breaks": _rate(agree, agree["said_patched"] != agree["said_host"], resampling),
    }


def _minus_control(key: Any, by_cell: Mapping[Any, pd.DataFrame], resampling: Resampling) -> dict[str, Any] | None:
    """What a patch (CELL) does beyond its control, over the places that have both; None where none has."""
    source, *place = key
    control = by_cell.get((CONTROLS.get(source), *place))
    if control is None:
        return None
    both = by_cell[key].merge(control[["point", "gap_patched", "said_patched"]], on="point", suffixes=("", "_control"))
    clusters = clusters_of(both)
    flips, of_control = (
        clusters.sums((both[said] == both["said_donor"]).to_numpy(dtype=bool))
        for said in ("said_patched", "said_patched_control")
    )
    return {
        "control": CONTROLS[source],
        "points": len(both),
        "share": _share(both[~both["small"]], resampling, start="gap_patched_control"),
        "flips": rate_difference(flips, of_control, clusters.sums(np.ones(len(both))), resampling),
    }


def _share(rows: pd.DataFrame, resampling: Resampling, start: str = "gap_host") -> Interval:
    """How far the patched gap is beyond `start`, of the way from the host's to the donor's."""
    clusters = clusters_of(rows)
    counts = clusters.sums(np.ones(len(rows)))
    sign = np.sign(rows["gap_donor"].mean() - rows["gap_host"].mean()) if len(rows) else 1.0  # backward it is negative
    moved = clusters.sums(sign * (rows["gap_patched"] - rows[start]).to_numpy(dtype=float))
    there = clusters.sums(sign * (rows["gap_donor"] - rows["gap_host"]).to_numpy(dtype=float))
    return ratio_of_means((moved, counts), (there, counts), resampling)


def _rate(rows: pd.DataFrame, events: pd.Series, resampling: Resampling) -> Interval:
    clusters = clusters_of(rows)
    return rate(clusters.sums(events.to_numpy(dtype=bool)), clusters.sums(np.ones(len(rows))), resampling)
