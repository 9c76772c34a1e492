"""The noise floor and near ties, planted and found."""

import numpy as np
import pytest
from synthetic_tables import tables

from rlprobe.analysis import noise
from rlprobe.analysis.disagreement import texts_with
from rlprobe.errors import RlprobeError
from rlprobe.settings import Resampling


def test_the_floor_counts_the_positions_where_a_model_would_not_repeat_itself():
    tokens, rollouts, _ = tables(problems=20)
    own = tokens.index[tokens["arm"] == "rl"][::100]
    tokens.loc[own, "argmax_rl"] = -1
    found = noise.measure(texts_with(tokens, rollouts), Resampling())["models"]
    assert (found["base"]["differing"], found["rl"]["differing"]) == (0, len(own))
    assert found["rl"]["floor"].value == pytest.approx(len(own) / (tokens["arm"] == "rl").sum())
    assert found["base"]["floor"].high > 0


def test_the_threshold_is_ten_times_the_larger_99th_percentile_of_the_tokens_that_can_flip():
    tokens, rollouts, _ = tables(problems=20)
    found = noise.measure(texts_with(tokens, rollouts), Resampling())
    by_hand = {}
    for m in ("base", "rl"):
        decoded = np.concatenate(rollouts.loc[rollouts["arm"] == m, "logprobs"].tolist()).astype(float)
        by_hand[m] = np.abs(decoded - tokens.loc[tokens["arm"] == m, f"logprob_{m}"].to_numpy(float))
        assert found["models"][m]["difference"]["max"] == by_hand[m].max()
        assert found["models"][m]["difference"]["mean"] == pytest.approx(by_hand[m].mean())
    small = {m: by_hand[m][tokens.loc[tokens["arm"] == m, f"margin_{m}"] < 1] for m in by_hand}
    expected = 10 * max(np.quantile(d, 0.99) for d in small.values())
    assert found["near_tie"]["threshold"] == pytest.approx(expected)
    assert {m: found["models"][m]["difference"]["small"] for m in small} == {m: len(d) for m, d in small.items()}


def test_certain_tokens_do_not_make_the_threshold_too_narrow():
    tokens, rollouts, _ = tables(problems=60, arms=("rl",))
    certain = np.arange(len(tokens)) % 20 > 0
    tokens["margin_rl"] = np.where(certain, 9.0, 0.1)
    decoded = tokens["logprob_rl"].to_numpy(float) + np.where(certain, 0.0, 0.02)
    lengths = np.cumsum(rollouts["response_ids"].map(len))[:-1]
    found = noise.measure(texts_with(tokens, rollouts.assign(logprobs=np.split(decoded, lengths))), Resampling())
    assert found["near_tie"]["threshold"] == pytest.approx(0.2, rel=1e-4)
    assert found["models"]["rl"]["difference"]["mean"] < 0.0015


def test_too_few_tokens_that_can_flip_give_no_threshold():
    tokens, rollouts, _ = tables(problems=5, arms=("rl",))
    found = noise.measure(texts_with(tokens.assign(margin_rl=9.0), rollouts), Resampling())["near_tie"]
    assert found["threshold"] is None
    assert "100 tokens" in found["reason"]


def test_the_order_of_the_rows_does_not_matter():
    tokens, rollouts, _ = tables(problems=10)
    shuffled = noise.measure(texts_with(tokens.sample(frac=1, random_state=0), rollouts.iloc[::-1]), Resampling())
    assert shuffled == noise.measure(texts_with(tokens, rollouts), Resampling())


def test_tables_of_different_ids_are_refused():
    tokens, rollouts, _ = tables(problems=5)
    tokens.loc[3, "token_id"] += 1
    with pytest.raises(RlprobeError, match="different ids"):
        noise.measure(texts_with(tokens, rollouts), Resampling())


def test_text_made_elsewhere_has_no_floor_and_no_threshold():
    tokens, rollouts, _ = tables(problems=5, arms=("responses",))
    found = noise.measure(texts_with(tokens, rollouts), Resampling())
    assert found["models"]["base"]["floor"].value is None
    assert found["near_tie"]["threshold"] is None
    assert found["near_tie"]["reason"]
