"""What single flips did, and how few edits a right answer needs: one summary of the two tables of `rlprobe flips`.

Tables in, one plain dictionary out, ready for JSON: a missing number is None with a reason beside it. A flip fixes
where the base's own answer is wrong and the flipped one right, breaks where it is the other way round, and else does
nothing. Beside the flips stand their placebos (analysis/placebo.py), compared in pairs. Flips of one problem are not
independent: intervals are over problems. Knows no models and no disk.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.placebo import KINDS
from rlprobe.analysis.statistics import Clusters, Interval, Sums, mean, proportion, rate, rate_difference
from rlprobe.records import SearchEnd
from rlprobe.settings import Reading, Resampling

SWAPS_KEPT = 50
OUTCOMES = {"fix": False, "break": True}  # name: whether the base's own answer is right
FEWEST = (SearchEnd.ONE_FLIP, SearchEnd.MINIMAL)  # where no edit of the set can be spared
SEARCHED = (*FEWEST, SearchEnd.STOPPED)


def summarise(
    single: pd.DataFrame,
    needed: pd.DataFrame,
    placebo: pd.DataFrame,
    reading: Reading,
    token_text: Callable[[int], str] = "#{}".format,
) -> dict[str, Any]:
    """Everything `rlprobe flips` says, as a dictionary that JSON can hold.

    `single`, `needed` and `placebo` have the columns of records.FLIP_SCHEMA, NEEDED_SCHEMA and PLACEBO_SCHEMA;
    `token_text` gives the string of a token id. "one" lists the flips and edits where there is one problem, and is None
    where there are several.
    """
    base_right = needed.set_index("problem_id")["base_right"]
    flips, beside = (table.assign(base_right=table["problem_id"].map(base_right)) for table in (single, placebo))
    looked_at = needed[needed["flips"].notna()]
    summary = {
        "reading": reading,
        "ungraded": sorted(needed.loc[needed[["base_right", "rl_right"]].isna().any(axis=1), "problem_id"]),
        "verdicts": _verdicts(needed),
        "looked_at": len(looked_at),
        "single": {name: _single(flips, looked_at, name, reading.resampling) for name in OUTCOMES},
        "placebo": {
            kind: {name: _placebo(flips, rows, looked_at, name, reading.resampling) for name in OUTCOMES}
            for kind in KINDS
            for rows in [beside[beside["kind"] == kind]]
        },
        "needed": _needed(needed, reading.resampling),
        "swaps": _swaps(flips, needed, token_text)[:SWAPS_KEPT],
        "one": _one(flips, looked_at, token_text) if len(looked_at) == 1 else None,
    }
    return plain(summary)


def _verdicts(needed: pd.DataFrame) -> dict[str, int]:
    """On how many problems either model is right, of those with both verdicts."""
    base, rl = needed["base_right"], needed["rl_right"]
    return {
        "both": int(((base == True) & (rl == True)).sum()),  # noqa: E712 - the columns hold None as well
        "only_base": int(((base == True) & (rl == False)).sum()),  # noqa: E712
        "only_rl": int(((base == False) & (rl == True)).sum()),  # noqa: E712
        "neither": int(((base == False) & (rl == False)).sum()),  # noqa: E712
    }


def _single(flips: pd.DataFrame, looked_at: pd.DataFrame, outcome: str, resampling: Resampling) -> dict[str, Any]:
    """The flips that could have this outcome, and how many had it: per flip, per problem, and problems with any."""
    problems = looked_at.loc[looked_at["base_right"] == OUTCOMES[outcome], "problem_id"]
    here = flips[flips["problem_id"].isin(problems) & flips["right"].notna()]
    clusters = Clusters(pd.Index(problems).get_indexer(here["problem_id"]), len(problems))
    changed, tried = clusters.sums(_had(here, outcome)), clusters.sums(np.ones(len(here)))
    return {
        "problems": len(problems),
        "flips": len(here),
        "changed": int(changed.sum()),
        "nothing": int(tried.sum() - changed.sum()),
        "ungraded": int(flips["problem_id"].isin(problems).sum()) - len(here),
        "share": _of_problems(rate(changed, tried, resampling)),
        "per_problem": _per_problem(changed, resampling),
        "flips_per_problem": _per_problem(tried, resampling),
        "problems_with": proportion(int((changed > 0).sum()), len(problems), resampling),
    }


def _placebo(
    flips: pd.DataFrame, placebo: pd.DataFrame, looked_at: pd.DataFrame, outcome: str, resampling: Resampling
) -> dict[str, Any]:
    """What `_single` says of placebos of one kind, the base's entropy there, and the flips' share less theirs.

    The difference is of pairs: a flip and its placebo, where both have a verdict.
    """
    found = _single(placebo, looked_at, outcome, resampling)
    problems = pd.Index(looked_at.loc[looked_at["base_right"] == OUTCOMES[outcome], "problem_id"])
    rows = placebo[placebo["problem_id"].isin(problems)]
    at = Clusters(problems.get_indexer(rows["problem_id"]), len(problems))
    entropy = mean(at.sums(rows["entropy"].to_numpy(np.float64)), at.sums(np.ones(len(rows))), resampling)
    mine = flips[flips["problem_id"].isin(problems)].assign(changed=lambda table: _had(table, outcome))
    theirs = rows.assign(changed=_had(rows, outcome))
    pairs = mine.merge(theirs, on=["problem_id", "ordinal"], suffixes=("", "_placebo"))
    pairs = pairs[pairs["right"].notna() & pairs["right_placebo"].notna()]
    both = Clusters(problems.get_indexer(pairs["problem_id"]), len(problems))
    changed, other = (both.sums(pairs[name].to_numpy(bool)) for name in ("changed", "changed_placebo"))
    less = rate_difference(changed, other, both.sums(np.ones(len(pairs))), resampling)
    without = len(mine) - len(rows)
    return {**found, "without": without, "pairs": len(pairs), "entropy": entropy, "difference": _of_problems(less)}


def _had(flips: pd.DataFrame, outcome: str) -> np.ndarray:
    """Per flip: it has a verdict, and the verdict is not that on the base's own answer, which is the outcome's."""
    own = OUTCOMES[outcome]
    return ((flips["base_right"] == own) & (flips["right"] == (not own))).to_numpy(dtype=bool)


def _per_problem(counts: Sums, resampling: Resampling) -> Interval:
    """The mean of a count. Where every problem has the same, resampling would claim certainty: then no interval."""
    found = _of_problems(mean(counts, np.ones(len(counts)), resampling))
    if len(counts) > 1 and np.ptp(counts) == 0:
        return replace(found, low=None, high=None, method=None, reason="every problem has the same number")
    return found


def _of_problems(interval: Interval) -> Interval:
    return replace(interval, n_tokens=None)


def _needed(needed: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """How many edits were kept. Sizes are of sets in which no edit can be spared; stopped searches are counted apart,
    with the mean size of what they kept, which fewer edits may do."""
    searched = needed[needed["end"].isin(SEARCHED)]
    fewest, stopped = searched[searched["end"].isin(FEWEST)], searched[searched["end"] == SearchEnd.STOPPED]
    sizes, oracle = _sizes(fewest), fewest["oracle_edits"].to_numpy(dtype=np.float64)
    return {
        "problems": len(searched),
        "ends": {str(end): int((needed["end"] == end).sum()) for end in SearchEnd},
        "size": _per_problem(sizes, resampling),
        "median": float(np.median(sizes)) if len(sizes) else None,
        "histogram": {str(int(size)): int(n) for size, n in zip(*np.unique(sizes, return_counts=True), strict=True)},
        "oracle_edits": _per_problem(oracle, resampling),
        "share_of_oracle": _of_problems(rate(sizes, oracle, resampling)),
        "one_flip": proportion(int((fewest["end"] == SearchEnd.ONE_FLIP).sum()), len(searched), resampling),
        "stopped_size": float(_sizes(stopped).mean()) if len(stopped) else None,
        "trials": int(searched["trials"].sum()),
    }


def _sizes(needed: pd.DataFrame) -> np.ndarray:
    return np.array([len(ordinals) for ordinals in needed["ordinals"]], dtype=np.float64)


def _swaps(flips: pd.DataFrame, needed: pd.DataFrame, token_text: Callable[[int], str]) -> list[dict[str, Any]]:
    """What RL's token did in the place of the base's, by pair of tokens; first those that fix most often.

    `tried` flips, of which `fixed` and `broke`, in so many problems; `needed`: edits in the sets that were kept.
    """
    marked = flips.assign(fixed=_had(flips, "fix"), broke=_had(flips, "break"), tried=1)
    marked["fixed_problem"] = marked["problem_id"].where(marked["fixed"])
    groups = marked.groupby(["base_id", "rl_id"])
    table = groups[["tried", "fixed", "broke"]].sum()
    table["problems"], table["problems_fixed"] = groups["problem_id"].nunique(), groups["fixed_problem"].nunique()
    table = table.join(_kept_swaps(needed), how="outer").fillna(0).astype(int)
    table = table[table[["fixed", "broke", "needed"]].any(axis=1)].reset_index()
    table = table.sort_values(
        ["fixed", "needed", "broke", "tried"], ascending=[False, False, False, True], kind="stable"
    )
    names = ["tried", "fixed", "broke", "problems", "problems_fixed", "needed"]
    return [
        {"base": token_text(int(row["base_id"])), "rl": token_text(int(row["rl_id"]))}
        | {name: int(row[name]) for name in names}
        for row in table.to_dict("records")
    ]


def _kept_swaps(needed: pd.DataFrame) -> pd.Series:
    """How often each pair of tokens is an edit of a set that was kept."""
    rows = needed[needed["ordinals"].notna()]
    pairs = [pair for ids in zip(rows["base_ids"], rows["rl_ids"], strict=True) for pair in zip(*ids, strict=True)]
    index = pd.MultiIndex.from_tuples(pairs, names=["base_id", "rl_id"]) if pairs else _NO_PAIRS
    return pd.Series(1, index=index, name="needed", dtype=int).groupby(level=[0, 1]).sum()


_NO_PAIRS = pd.MultiIndex.from_arrays([np.array([], dtype=int)] * 2, names=["base_id", "rl_id"])


def _one(flips: pd.DataFrame, looked_at: pd.DataFrame, token_text: Callable[[int], str]) -> dict[str, Any]:
    """Every flip of the one problem, and the edits that its right answer needs."""
    row = looked_at.iloc[0]
    mine = flips[flips["problem_id"] == row["problem_id"]]
    outcomes = np.where(_had(mine, "fix"), "fix", np.where(_had(mine, "break"), "break", "nothing"))
    judged = mine[["base_right", "right"]].notna().all(axis=1)  # an outcome is the change of a verdict
    edits = [] if row["ordinals"] is None else zip(*(row[name] for name in _EDIT), strict=True)
    return {
        "problem_id": row["problem_id"],
        "base_right": None if row["base_right"] is None else bool(row["base_right"]),
        "rl_right": None if row["rl_right"] is None else bool(row["rl_right"]),
        "end": None if pd.isna(row["end"]) else row["end"],
        "flips": [
            _edit(edit, token_text) | {"outcome": str(outcome) if judged else None}
            for edit, judged, outcome in zip(mine[list(_FLIP)].to_numpy(), judged, outcomes, strict=True)
        ],
        "edits": [_edit(edit, token_text) for edit in edits],
    }


_FLIP = ("ordinal", "position", "base_id", "rl_id")
_EDIT = ("ordinals", "positions", "base_ids", "rl_ids")


def _edit(edit: Any, token_text: Callable[[int], str]) -> dict[str, Any]:
    ordinal, position, base_id, rl_id = map(int, edit)
    return {"ordinal": ordinal, "position": position, "base": token_text(base_id), "rl": token_text(rl_id)}
