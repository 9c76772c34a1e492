"""The summary of synthetic tables, against counts made in plain Python and against what must hold of any summary."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from synthetic_tables import tables, token

from rlprobe.analysis.disagreement import COLUMNS, summarise
from rlprobe.reporting.disagree import TABLES
from rlprobe.settings import Reading

READING = Reading(resamples=200)


def summary_of(reading=READING, left_out=None, **made):
    return summarise(*tables(**made), reading, token, left_out)


def intervals(value):
    """Every interval in a summary."""
    if isinstance(value, dict):
        if "low" in value and "high" in value:
            yield value
        else:
            for inner in value.values():
                yield from intervals(inner)


CASES = {
    "both trajectories": {"problems": 20},
    "no shifted token": {"problems": 20, "shifted": 0},
    "a model with itself": {"problems": 20, "reranked": 0, "shifted": 0},
    "one trajectory": {"problems": 20, "arms": ("base",)},
    "responses made elsewhere": {"problems": 20, "arms": ("responses",)},
    "one problem": {"problems": 1},
    "everything disagrees": {"problems": 5, "reranked": 1e6, "shifted": 0},
}


@pytest.mark.parametrize("made", CASES.values(), ids=CASES)
def test_a_summary_is_json_without_nan_and_comes_back_as_it_was(made):
    summary = summary_of(**made)
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary


@pytest.mark.parametrize("made", CASES.values(), ids=CASES)
def test_every_interval_holds_its_value_or_says_why_there_is_none(made):
    for found in intervals(summary_of(**made)):
        if found["low"] is None:
            assert found["reason"]
        else:
            assert found["low"] <= found["value"] <= found["high"]


def test_the_rates_are_those_of_a_count_in_plain_python():
    tokens, rollouts, grades = tables(problems=15)
    found = summarise(tokens, rollouts, grades, READING, token)["trajectories"]["base"]["rates"]
    counts, per_problem = Counter(), {}
    ends = grades[grades["arm"] == "base"].set_index("problem_id")["end_last"]
    for row in tokens[tokens["arm"] == "base"].itertuples():
        kind = "unchanged" if row.argmax_rl == row.argmax_base else "shifted" if row.rank_base_of_rl > 5 else "reranked"
        for part in [
            "all",
            *["up_to_answer"] * int(row.position < ends[row.problem_id]),
            *["without_terminator"] * (row.token_id > 0),
        ]:
            counts[part, kind] += 1
            per_problem.setdefault((part, row.problem_id), Counter())[kind] += 1
    for part in ("all", "up_to_answer", "without_terminator"):
        size = sum(n for (p, _), n in counts.items() if p == part)
        assert found[part]["tokens"] == size
        for kind in ("unchanged", "reranked", "shifted"):
            macro = np.mean([c[kind] / c.total() for (p, _), c in per_problem.items() if p == part])
            assert found[part]["micro"][kind]["value"] == pytest.approx(counts[part, kind] / size)
            assert found[part]["macro"][kind]["value"] == pytest.approx(macro)
        disagreements = 1 - counts[part, "unchanged"] / size
        assert found[part]["micro"]["disagreements"]["value"] == pytest.approx(disagreements)


def test_the_answer_policy_decides_what_comes_after_the_answer():
    first, last = (summary_of(Reading(answer=a, resamples=100)) for a in ("first", "last"))
    sizes = [s["trajectories"]["base"]["rates"]["up_to_answer"]["tokens"] for s in (first, last)]
    assert sizes[0] < sizes[1]
    assert first["trajectories"]["base"]["rates"]["all"] == last["trajectories"]["base"]["rates"]["all"]


def test_near_ties_are_left_out_at_the_measured_threshold():
    tokens, rollouts, grades = tables(problems=20)
    tokens.loc[::3, "margin_rl"] = 0.0
    summary = summarise(tokens, rollouts, grades, READING)
    threshold = summary["noise"]["near_tie"]["threshold"]
    rows = tokens[tokens["arm"] == "rl"]
    near = (rows["margin_base"] < threshold) | (rows["margin_rl"] < threshold)
    found = summary["trajectories"]["rl"]["rates"]["without_near_ties"]
    assert found["tokens"] == (~near).sum()
    assert found["removed"] == pytest.approx(near.mean())
    assert found["removed"] > 1 / 4
    assert found["reason"] is None


@pytest.mark.parametrize(
    ("margin", "says"), [(9.0, "removes nothing"), (0.0, "every token"), (None, "every disagreem")]
)
def test_a_threshold_that_removes_nothing_or_all_is_no_filter(margin, says):
    tokens, rollouts, grades = tables(problems=20)
    differ = tokens["argmax_base"] != tokens["argmax_rl"]
    own = tokens["arm"] == "rl"
    shown = tokens.assign(margin_base=9.0, margin_rl=np.where(differ, 0.0, 9.0) if margin is None else margin)
    tokens = pd.concat([tokens[~own], shown[own]])  # the base's text says what the threshold is
    summary = summarise(tokens, rollouts, grades, READING)
    found = summary["trajectories"]["rl"]["rates"]["without_near_ties"]
    assert summary["noise"]["near_tie"]["threshold"] < 9
    assert (found["micro"], found["macro"]) == (None, None)
    assert says in found["reason"]
    assert "without near ties" not in set(TABLES["rates"](summary).query("trajectory == 'rl'")["positions"])
    assert found["reason"] in TABLES["noise"](summary).set_index("model").loc["rl", "near ties"]


def test_ranks_entropies_and_the_gate_are_those_of_the_rows():
    tokens, rollouts, grades = tables(problems=20)
    found = summarise(tokens, rollouts, grades, READING)["trajectories"]["base"]
    rows = tokens[tokens["arm"] == "base"]
    apart = rows[rows["argmax_base"] != rows["argmax_rl"]]
    reranked, unchanged = apart[apart["rank_base_of_rl"] <= 5], rows.drop(apart.index)
    gated = rows[rows["entropy_base"] > 1.2]
    hits = len(gated.index.intersection(apart.index))
    ratio = reranked["entropy_base"].mean() / unchanged["entropy_base"].mean()
    assert found["ranks"]["mean"]["value"] == pytest.approx(apart["rank_base_of_rl"].mean())
    assert sum(found["ranks"]["histogram"].values()) == len(apart)
    assert found["ranks"]["histogram"]["3"] == (apart["rank_base_of_rl"] == 3).sum()
    assert found["ranks"]["histogram"]["6-10"] == apart["rank_base_of_rl"].between(6, 10).sum()
    assert found["entropy"]["ratio"]["value"] == pytest.approx(ratio, rel=1e-5)
    assert found["detector"]["gated"]["value"] == pytest.approx(len(gated) / len(rows))
    assert found["detector"]["precision"]["value"] == pytest.approx(hits / len(gated))
    assert found["detector"]["recall"]["value"] == pytest.approx(hits / len(apart))


def test_swaps_are_counted_commonest_first_with_their_problems():
    tokens, rollouts, grades = tables(problems=20)
    found = summarise(tokens, rollouts, grades, READING, token)["trajectories"]["rl"]["swaps"]
    apart = tokens[(tokens["arm"] == "rl") & (tokens["argmax_base"] != tokens["argmax_rl"])]
    counts = Counter(zip(apart["argmax_base"], apart["argmax_rl"], strict=True))
    top = found[0]
    assert top["count"] == max(counts.values()) == counts[top["base_id"], top["rl_id"]]
    assert [s["count"] for s in found] == sorted((s["count"] for s in found), reverse=True)
    same = apart[(apart["argmax_base"] == top["base_id"]) & (apart["argmax_rl"] == top["rl_id"])]
    assert top["problems"] == same["problem_id"].nunique()
    assert (top["base"], top["rl"]) == (token(top["base_id"]), token(top["rl_id"]))
    assert all(type(s["count"]) is int and type(s["mean_entropy"]) is float for s in found)


def test_a_model_with_itself_never_disagrees_and_is_never_certain_of_it():
    summary = summary_of(problems=20, reranked=0, shifted=0)
    found = summary["trajectories"]["base"]
    assert found["rates"]["all"]["micro"]["disagreements"]["value"] == 0
    assert found["rates"]["all"]["micro"]["disagreements"]["problems_bound"] == pytest.approx(1 - 0.025 ** (1 / 20))
    assert found["ranks"]["mean"]["value"] is None
    assert found["entropy"]["ratio"]["value"] is None
    assert found["entropy"]["ratio"]["reason"]
    assert found["detector"]["auroc"]["value"] is None
    assert found["detector"]["recall"]["value"] is None
    assert found["swaps"] == []


def test_zero_shifted_still_has_an_upper_bound():
    found = summary_of(problems=20, shifted=0)["trajectories"]["base"]["rates"]["all"]
    for each in ("micro", "macro"):
        assert found[each]["shifted"]["value"] == 0
        assert found[each]["shifted"]["high"] > 0


def test_one_trajectory_leaves_the_other_model_unmeasured():
    summary = summary_of(problems=10, arms=("rl",))
    assert list(summary["trajectories"]) == ["rl"]
    assert summary["noise"]["models"]["base"]["floor"]["value"] is None
    assert summary["noise"]["models"]["base"]["floor"]["reason"]
    assert summary["noise"]["near_tie"]["threshold"] is not None
    assert summary["accuracy"]["last"]["mcnemar"] is None


def test_empty_responses_count_as_responses_and_add_no_token():
    tokens, rollouts, grades = tables(problems=10, arms=("base",))
    empty = rollouts.iloc[:1].assign(problem_id="empty", response_ids=[[]], logprobs=[[]], stop="length")
    found = summarise(tokens, pd.concat([rollouts, empty]), grades, READING)["trajectories"]["base"]
    assert (found["problems"], found["empty"], found["tokens"]) == (11, 1, len(tokens))
    assert found["length"]["value"] == pytest.approx(len(tokens) / 11)
    assert found["rates"]["all"]["macro"]["unchanged"]["n_problems"] == 10


def test_a_trajectory_of_nothing_but_empty_responses_has_no_rates():
    tokens, rollouts, grades = tables(problems=2, arms=("base",))
    rollouts = rollouts.assign(response_ids=[[], []], logprobs=[[], []])
    summary = summarise(tokens.iloc[:0], rollouts, grades, READING)
    assert summary["trajectories"]["base"]["rates"]["all"]["micro"]["reranked"]["value"] is None
    json.dumps(summary, allow_nan=False)


def test_the_order_of_the_rows_does_not_matter():
    made = tables(problems=12)
    shuffled = [table.sample(frac=1, random_state=1) for table in made]
    assert summarise(*shuffled, READING, token) == summarise(*made, READING, token)


def test_the_named_columns_are_all_that_is_read():
    tokens, rollouts, grades = tables(problems=5)
    assert summarise(tokens[list(COLUMNS)], rollouts, grades, READING) == summarise(tokens, rollouts, grades, READING)


def test_problems_left_out_are_counted_by_reason():
    summary = summary_of(problems=5, left_out={"a": "the prompt is too long", "b": "x", "c": "the prompt is too long"})
    assert summary["left_out"] == {"problems": 3, "reasons": {"the prompt is too long": 2, "x": 1}}
