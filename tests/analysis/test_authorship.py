"""Where two responses part, and what signals tell of the writer, against loops and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from synthetic_texts import token_table

from rlprobe.analysis.authorship import AUTHOR_SIGNALS, detection, divergence, separation
from rlprobe.analysis.texts import texts_of
from rlprobe.settings import Reading

READING = Reading(resamples=200)


def response_ids(tokens):
    grouped = tokens.sort_values("position").groupby(["arm", "problem_id", "draw"])["token_id"]
    return {key: ids.tolist() for key, ids in grouped}


def parting(ours, theirs):
    """The first position at which two lists differ, or the end of the shorter."""
    return next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))


def mask_apart(tokens):
    """Row by row of the table: does it stand from the first divergence on?"""
    ids = response_ids(tokens)
    return np.array(
        [
            row.position >= parting(ids["base", row.problem_id, row.draw], ids["rl", row.problem_id, row.draw])
            for row in tokens.itertuples()
        ]
    )


@pytest.fixture(scope="module")
def tokens():
    return token_table(draws=2, seed=4).sample(frac=1, random_state=0)


def test_responses_part_where_a_loop_says(tokens):
    texts = texts_of(tokens, READING)
    found = divergence(texts, READING.resampling)
    ids = response_ids(tokens)
    ends = [parting(ids["base", p, d], ids["rl", p, d]) for arm, p, d in ids if arm == "base"]
    assert found.summary["responses"] == len(ends) == 40
    assert found.summary["position"].value == pytest.approx(np.mean(ends))
    of_base = (tokens["arm"] == "base").to_numpy()
    share = 1 - mask_apart(tokens)[of_base].mean()
    assert found.summary["share_common"].value == pytest.approx(share)


@pytest.mark.parametrize("signal", AUTHOR_SIGNALS)
@pytest.mark.parametrize(
    "among", ["all", "apart", "apart_unchanged", "apart_disagreements", "apart_moved", "apart_moved_unchanged"]
)
def test_the_auroc_for_the_writer_is_mann_and_whitneys(tokens, signal, among):
    delta = tokens["logprob_rl"].astype(float) - tokens["logprob_base"]
    score = {"delta": delta, "abs_delta": delta.abs()}.get(signal, tokens.get(signal))
    apart, disagrees = mask_apart(tokens), (tokens["argmax_base"] != tokens["argmax_rl"]).to_numpy()
    kept = {
        "all": np.ones(len(tokens), bool),
        "apart": apart,
        "apart_unchanged": apart & ~disagrees,
        "apart_disagreements": apart & disagrees,
        "apart_moved": apart & (delta.abs() >= 0.3).to_numpy(),
        "apart_moved_unchanged": apart & (delta.abs() >= 0.3).to_numpy() & ~disagrees,
    }[among]
    by_rl = (tokens["arm"] == "rl").to_numpy()
    ours, theirs = score[kept & by_rl], score[kept & ~by_rl]
    texts = texts_of(tokens, READING)
    found = separation(texts, divergence(texts, READING.resampling), READING.resampling)[among][signal]
    assert found.value == pytest.approx(stats.mannwhitneyu(ours, theirs).statistic / (len(ours) * len(theirs)))
    assert found.low < found.value < found.high


def test_the_auroc_for_a_disagreement_is_mann_and_whitneys(tokens):
    rows = tokens[tokens["arm"] == "rl"]
    disagrees = rows["argmax_base"] != rows["argmax_rl"]
    found = detection(texts_of(tokens, READING)["rl"], READING.resampling)
    scores = {
        "kl_rl_base": rows["kl_rl_base"],
        "minus_margin_base": -rows["margin_base"],
        "minus_delta_argmax_base": rows["logprob_argmax_base"].astype(float) - rows["logprob_rl_of_base"],
    }
    for name, score in scores.items():
        u = stats.mannwhitneyu(score[disagrees], score[~disagrees]).statistic
        assert found[name].value == pytest.approx(u / (disagrees.sum() * (~disagrees).sum()))


def test_the_common_prefix_holds_the_same_tokens_in_both_texts(tokens):
    texts = texts_of(tokens, READING)
    found = divergence(texts, READING.resampling)
    ids = [texts[m].rows["token_id"][found.places(texts[m]) == 0] for m in ("base", "rl")]
    assert np.array_equal(*ids)


def test_identical_responses_have_no_row_apart():
    base = token_table(problems=5, arms=("base",))
    tokens = token_table(problems=5, arms=("base",)).assign(arm="rl")
    texts = texts_of(pd.concat([base, tokens]), READING)
    found = divergence(texts, READING.resampling)
    assert found.summary["identical"] == 5
    apart = separation(texts, found, READING.resampling)["apart"]["delta"]
    assert (apart.value, apart.reason) == (None, "one of the two groups is empty")


def test_a_response_without_a_counterpart_is_left_out(tokens):
    short = tokens[(tokens["arm"] == "base") | (tokens["problem_id"] != "p003")]
    texts = texts_of(short, READING)
    found = divergence(texts, READING.resampling)
    assert found.summary["responses"] == 38
    alone = texts["base"].clusters.codes == 3
    assert (found.places(texts["base"])[alone] == -1).all()
    assert separation(texts, found, READING.resampling)["all"]["js"].n_tokens == len(short) - alone.sum()
