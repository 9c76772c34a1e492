"""The noise floor and near ties, planted and found."""

import numpy as np
import pytest
from synthetic_tables import tables

from rlprobe.analysis import noise
from rlprobe.analysis.statistics import Resampling
from rlprobe.errors import RlprobeError


def test_the_floor_counts_the_positions_where_a_model_would_not_repeat_itself():
    tokens, rollouts, _ = tables(problems=20)
    own = tokens.index[tokens["arm"] == "rl"][::100]
    tokens.loc[own, "argmax_rl"] = -1
    found = noise.measure(tokens, rollouts, Resampling())["models"]
    assert (found["base"]["differing"], found["rl"]["differing"]) == (0, len(own))
    assert found["rl"]["floor"].value == pytest.approx(len(own) / (tokens["arm"] == "rl").sum())
    assert found["base"]["floor"].high > 0


def test_the_threshold_is_ten_times_the_larger_99th_percentile():
    tokens, rollouts, _ = tables(problems=20)
    found = noise.measure(tokens, rollouts, Resampling())
    by_hand = {}
    for m in ("base", "rl"):
        decoded = np.concatenate(rollouts.loc[rollouts["arm"] == m, "logprobs"].tolist()).astype(float)
        by_hand[m] = np.abs(decoded - tokens.loc[tokens["arm"] == m, f"logprob_{m}"].to_numpy(float))
        assert found["models"][m]["difference"]["max"] == by_hand[m].max()
        assert found["models"][m]["difference"]["mean"] == pytest.approx(by_hand[m].mean())
    expected = 10 * max(np.quantile(d, 0.99) for d in by_hand.values())
    assert found["near_tie"]["threshold"] == pytest.approx(expected)


def test_the_order_of_the_rows_does_not_matter():
    tokens, rollouts, _ = tables(problems=10)
    shuffled = noise.measure(tokens.sample(frac=1, random_state=0), rollouts.iloc[::-1], Resampling())
    assert shuffled == noise.measure(tokens, rollouts, Resampling())


def test_tables_of_different_ids_are_refused():
    tokens, rollouts, _ = tables(problems=5)
    tokens.loc[3, "token_id"] += 1
    with pytest.raises(RlprobeError, match="different ids"):
        noise.measure(tokens, rollouts, Resampling())


def test_text_made_elsewhere_has_no_floor_and_no_threshold():
    tokens, rollouts, _ = tables(problems=5, arms=("responses",))
    found = noise.measure(tokens, rollouts, Resampling())
    assert found["models"]["base"]["floor"].value is None
    assert found["near_tie"]["threshold"] is None
    assert found["near_tie"]["reason"]
