"""The summary of flips, counted by hand on three problems."""

import json

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.flips import summarise
from rlprobe.records import SearchEnd
from rlprobe.settings import Reading


def flip(problem_id, ordinal, right, base_id=1, rl_id=2):
    place = {"problem_id": problem_id, "ordinal": ordinal, "position": 3 * ordinal, "base_id": base_id, "rl_id": rl_id}
    return place | {"response_ids": [], "stop": "eos", "right": right}


def problem(problem_id, base_right, rl_right, flips=None, end=None, trials=None, oracle=None, edits=()):
    row = {"problem_id": problem_id, "base_right": base_right, "rl_right": rl_right, "flips": flips, "end": end}
    names = ("ordinals", "positions", "base_ids", "rl_ids")
    kept = {name: np.array([edit[i] for edit in edits]) if edits else None for i, name in enumerate(names)}
    return row | {"trials": trials, "oracle_edits": oracle, **kept}


SINGLE = pd.DataFrame(
    [
        *(flip("a", 0, True), flip("a", 1, False), flip("a", 2, True, 5, 6)),
        *(flip("b", 0, False), flip("b", 1, False, 5, 6)),
        *(flip("c", 0, True), flip("c", 1, False, 7, 8), flip("c", 2, None)),
    ]
)
NEEDED = pd.DataFrame(
    [
        problem("a", False, True, 3, SearchEnd.ONE_FLIP, 0, 4, [(0, 0, 1, 2)]),
        problem("b", False, True, 2, SearchEnd.MINIMAL, 9, 6, [(0, 0, 1, 2), (4, 13, 7, 8), (5, 20, 1, 2)]),
        problem("c", True, True, 3),
        problem("d", False, False),
        problem("e", None, None),
        problem("f", False, True, 0, SearchEnd.STOPPED, 8, 9, [(n, n, 1, 9) for n in range(5)]),
        problem("g", False, True, 0, SearchEnd.ORACLE_WRONG, 0, 0),
    ]
)


def placebo(kind, problem_id, ordinal, right, entropy=1.0):
    place = {"kind": kind, "problem_id": problem_id, "ordinal": ordinal, "position": 40, "entropy": entropy}
    return place | {"base_id": 3, "written_id": 4, "response_ids": [], "stop": "eos", "right": right}


PLACEBO = pd.DataFrame(
    [
        *(placebo("same", "a", n, n == 2) for n in range(3)),
        *(placebo("same", "b", n, False) for n in range(2)),
        *(placebo("same", "c", n, n > 0) for n in range(3)),
        *(placebo("agreed", "a", n, None if n == 0 else False, n / 2) for n in range(2)),  # none for the third
        placebo("agreed", "b", 1, True, 2.0),
    ]
)


def found(single=SINGLE, needed=NEEDED, placebos=PLACEBO):
    return summarise(single, needed, placebos, Reading(), lambda i: f"<{i}>")


def by_loop(kind, problems, wrong):
    """(share of flips, of placebos) that changed the verdict, over pairs with both verdicts, counted one by one."""
    pairs = [
        (mine.right, theirs.right)
        for mine in SINGLE.itertuples()
        for theirs in PLACEBO[PLACEBO["kind"] == kind].itertuples()
        if (mine.problem_id, mine.ordinal) == (theirs.problem_id, theirs.ordinal) and mine.problem_id in problems
    ]
    pairs = [(mine, theirs) for mine, theirs in pairs if mine is not None and theirs is not None]
    return len(pairs), *(sum(right == wrong for right in side) / len(pairs) for side in zip(*pairs, strict=True))


@pytest.mark.parametrize("kind", ["same", "agreed"])
def test_placebos_are_counted_like_flips_and_compared_with_them_pair_by_pair(kind):
    for outcome, problems, wrong in (("fix", "abf", True), ("break", "c", False)):
        told = found()["placebo"][kind][outcome]
        rows = PLACEBO[(PLACEBO["kind"] == kind) & PLACEBO["problem_id"].isin(list(problems))]
        graded = [right for right in rows["right"] if right is not None]
        assert (told["flips"], told["changed"]) == (len(graded), sum(right == wrong for right in graded))
        assert told["without"] == SINGLE["problem_id"].isin(list(problems)).sum() - len(rows)
        if not len(rows):
            assert told["difference"]["value"] is told["entropy"]["value"] is None
            continue
        n, mine, theirs = by_loop(kind, problems, wrong)
        assert (told["pairs"], told["difference"]["value"]) == (n, pytest.approx(mine - theirs))
        assert told["entropy"]["value"] == pytest.approx(rows["entropy"].mean())
    difference = found()["placebo"]["same"]["fix"]["difference"]
    assert difference["low"] <= difference["value"] == 1 / 5 <= difference["high"]


def test_fixes_are_counted_where_the_base_is_wrong_and_breaks_where_it_is_right():
    fix, broke = (found()["single"][name] for name in ("fix", "break"))
    assert [fix[name] for name in ("problems", "flips", "changed", "nothing", "ungraded")] == [4, 5, 2, 3, 0]
    assert [broke[name] for name in ("problems", "flips", "changed", "nothing", "ungraded")] == [1, 2, 1, 1, 1]
    assert fix["share"]["value"] == 2 / 5
    assert fix["per_problem"]["value"] == 2 / 4
    assert fix["flips_per_problem"]["value"] == 5 / 4
    assert fix["problems_with"]["value"] == 1 / 4
    assert fix["share"]["low"] <= 2 / 5 <= fix["share"]["high"]
    assert broke["share"]["low"] is None  # one problem


def test_a_count_that_never_varies_claims_no_certainty():
    fix = found(SINGLE.assign(right=False))["single"]["fix"]
    assert (fix["per_problem"]["value"], fix["per_problem"]["low"]) == (0, None)
    assert fix["share"]["high"] > 0  # Clopper and Pearson


def test_sizes_are_of_sets_in_which_nothing_can_be_spared_and_other_ends_are_counted():
    needed = found()["needed"]
    assert needed["ends"] == {"one_flip": 1, "minimal": 1, "stopped": 1, "oracle_wrong": 1}
    assert needed["histogram"] == {"1": 1, "3": 1}
    assert (needed["size"]["value"], needed["median"], needed["stopped_size"]) == (2, 2, 5)
    assert needed["share_of_oracle"]["value"] == (1 + 3) / (4 + 6)
    assert needed["one_flip"]["value"] == 1 / 3
    assert (needed["problems"], needed["trials"]) == (3, 17)


def test_swaps_come_by_how_often_they_fix_then_by_how_often_they_are_needed():
    swaps = found()["swaps"]
    assert [(s["base"], s["rl"]) for s in swaps] == [("<1>", "<2>"), ("<5>", "<6>"), ("<1>", "<9>"), ("<7>", "<8>")]
    first, second, third, last = (tuple(s[n] for n in ("tried", "fixed", "broke", "needed")) for s in swaps)
    assert (first, second, third, last) == ((5, 1, 0, 3), (2, 1, 0, 0), (0, 0, 0, 5), (1, 0, 1, 1))
    assert (swaps[0]["problems"], swaps[0]["problems_fixed"]) == (3, 1)


def test_verdicts_and_problems_without_one_are_counted():
    assert found()["verdicts"] == {"both": 1, "only_base": 0, "only_rl": 4, "neither": 1}
    assert found()["ungraded"] == ["e"]
    assert found()["looked_at"] == 5


def test_one_problem_is_shown_flip_by_flip():
    one = found(SINGLE[SINGLE.problem_id == "a"], NEEDED[:1])["one"]
    assert [f["outcome"] for f in one["flips"]] == ["fix", "nothing", "fix"]
    assert one["edits"] == [{"ordinal": 0, "position": 0, "base": "<1>", "rl": "<2>"}]
    assert (one["base_right"], one["rl_right"], one["end"]) == (False, True, "one_flip")
    no_verdict = NEEDED[:1].assign(base_right=None)
    assert {f["outcome"] for f in found(SINGLE[SINGLE.problem_id == "a"], no_verdict)["one"]["flips"]} == {None}
    ungraded = found(SINGLE[SINGLE.problem_id == "c"], NEEDED[2:3])["one"]
    assert [f["outcome"] for f in ungraded["flips"]] == ["nothing", "break", None]
    assert found()["one"] is None


@pytest.mark.parametrize("rows", [NEEDED[3:5], NEEDED[:0]])
def test_nothing_to_count_is_none_with_a_reason_never_nan(rows):
    summary = found(SINGLE[:0], rows, PLACEBO[:0])
    json.dumps(summary, allow_nan=False)
    assert summary["single"]["fix"]["share"]["value"] is None
    assert summary["single"]["fix"]["share"]["reason"]
    assert (summary["swaps"], summary["needed"]["median"]) == ([], None)
