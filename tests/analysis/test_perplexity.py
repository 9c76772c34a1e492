"""Perplexity four ways, against a loop over problems, responses and tokens."""

import math
from statistics import fmean, geometric_mean

import pandas as pd
import pytest
from held import held
from synthetic_tables import tables

from rlprobe.analysis.disagreement import summarise
from rlprobe.reporting.disagree import TABLES
from rlprobe.settings import Reading

READING = Reading(resamples=300)


def made(**options):
    """Tables in which the two models find a token differently likely."""
    tokens, rollouts, grades = tables(**options)
    tokens["logprob_rl"] = tokens["logprob_rl"] * 0.5 - 0.01 * (tokens["position"] % 3)
    return tokens, rollouts, grades


def own_perplexities(tokens, arm, model):
    """problem -> the perplexity of its response, token by token."""
    nats = {}
    for row in tokens[tokens["arm"] == arm].to_dict("records"):
        nats.setdefault(row["problem_id"], []).append(-float(row[f"logprob_{model}"]))
    return {problem: math.exp(sum(mine) / len(mine)) for problem, mine in nats.items()}


@pytest.mark.parametrize("model", ["base", "rl"])
@pytest.mark.parametrize("arm", ["base", "rl"])
def test_each_text_under_each_model_is_the_loop_over_its_tokens(arm, model):
    tokens, rollouts, grades = made(problems=9)
    found = summarise(tokens, rollouts, grades, READING)["trajectories"][arm]["perplexity"][model]
    mine = tokens[tokens["arm"] == arm]
    product = 0.0
    for logprob in mine[f"logprob_{model}"]:
        product -= float(logprob)
    own = own_perplexities(tokens, arm, model)
    assert found["all"]["value"] == pytest.approx(math.exp(product / len(mine)))
    assert found["nats"]["value"] == pytest.approx(math.log(found["all"]["value"]))
    assert found["typical"]["value"] == pytest.approx(geometric_mean(own.values()))
    assert found["all"]["low"] < found["all"]["value"] < found["all"]["high"]
    assert (found["responses"], found["all"]["n_problems"]) == (9, 9)


def test_the_ratio_pairs_problems_under_one_model():
    tokens, rollouts, grades = made(problems=10)
    there = ~((rollouts["arm"] == "rl") & (rollouts["problem_id"] == "test-00003"))
    kept = ~((tokens["arm"] == "rl") & (tokens["problem_id"] == "test-00003"))
    found = summarise(tokens[kept], rollouts[there], grades, READING)["perplexity_ratio"]["base"]
    base, rl = (own_perplexities(tokens[kept], arm, "base") for arm in ("base", "rl"))
    expected = math.exp(fmean(math.log(rl[i] / base[i]) for i in rl))
    assert found["value"] == pytest.approx(expected)
    assert found["n_problems"] == 9


def test_a_third_text_has_both_models_and_no_ratio():
    summary = summarise(*made(problems=6, arms=("responses",)), READING)
    table = TABLES["perplexity"](summary)
    assert summary["perplexity_ratio"] is None
    assert table[["trajectory", "under"]].to_numpy().tolist() == [["responses", "base"], ["responses", "rl"]]


def test_several_draws_of_a_problem_are_several_responses():
    tokens, rollouts, grades = made(problems=4, arms=("responses",))
    pieces = [t.assign(draw=t["draw"] * 0 + d) for d in (0, 1) for t in (tokens,)]
    pieces[1]["logprob_base"] *= 2
    drawn = pd.concat(pieces), *(pd.concat([table, table.assign(draw=1)]) for table in (rollouts, grades))
    found = summarise(*drawn, READING)["trajectories"]["responses"]["perplexity"]["base"]
    own = own_perplexities(tokens, "responses", "base")
    assert found["responses"] == 8
    assert found["typical"]["value"] == pytest.approx(geometric_mean([*own.values(), *(v**2 for v in own.values())]))
    with held(300):  # and the same where few rows are looked at at once
        assert summarise(*drawn, READING)["trajectories"]["responses"]["perplexity"]["base"] == found
