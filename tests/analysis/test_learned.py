"""The learned signal: its optimum by another method, known weights found again, and both roads to its features."""

import numpy as np
import pandas as pd
import pytest
import torch
from making import decoded_rollouts
from scipy.special import expit

from rlprobe.analysis.learned import PENALTY, columns_of, learn
from rlprobe.decoding.arms import Facts, View, learned_above, own_features
from rlprobe.decoding.noise import Noise
from rlprobe.errors import BadInput
from rlprobe.measures.learned import FEATURES, Learned
from rlprobe.scoring.teacher_forcing import Reader


def made_tokens(n=4000, seed=0, weights=(0.8, -0.6)):
    """A text on which disagreement depends on entropy and position, with known weights."""
    rng = np.random.default_rng(seed)
    entropy, position = rng.exponential(0.5, n), rng.integers(0, 200, n)
    best = np.sort(-rng.exponential(2, (n, 5)))[:, ::-1]
    odds = -2 + weights[0] * entropy / entropy.std() + weights[1] * np.log1p(position) / np.log1p(position).std()
    differs = rng.random(n) < expit(odds)
    return pd.DataFrame(
        {
            "entropy_base": entropy,
            "margin_base": best[:, 0] - best[:, 1],
            "top_logprobs_base": list(best),
            "position": position,
            "argmax_base": 0,
            "argmax_rl": differs.astype(int),
        }
    )


def test_weights_are_those_of_the_smallest_penalised_loss():
    tokens = made_tokens()
    found, y = learn(tokens, "base"), tokens["argmax_rl"].to_numpy() == 1
    x = (np.stack(columns_of(tokens, "base"), 1) - found.means) / np.array(found.scales)
    w, x1 = np.zeros(9), np.column_stack([np.ones(len(y)), x])
    for _ in range(30):  # plain Newton steps
        p = expit(x1 @ w)
        gradient = x1.T @ (p - y) + np.r_[0, np.full(8, PENALTY)] * w
        w -= np.linalg.solve((x1 * (p * (1 - p))[:, None]).T @ x1 + np.diag([0.0, *[PENALTY] * 8]), gradient)
    np.testing.assert_allclose([found.intercept, *found.weights], w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-4)


def test_weights_that_are_known_are_found_again():
    found = dict(zip(FEATURES, learn(made_tokens(40_000), "base").weights, strict=True))
    assert found["entropy"] == pytest.approx(0.8, abs=0.1)
    assert found["log_position"] == pytest.approx(-0.6, abs=0.1)
    assert all(abs(w) < 0.1 for name, w in found.items() if name not in ("entropy", "log_position"))


def test_log_odds_are_a_sum_over_features():
    tokens = made_tokens(50)
    learned = learn(tokens, "base")
    columns = columns_of(tokens, "base")
    for row, odds in enumerate(learned.log_odds(columns)):
        terms = zip(columns, learned.means, learned.scales, learned.weights, strict=True)
        assert odds == pytest.approx(learned.intercept + sum(w * (c[row] - m) / s for c, m, s, w in terms))


def test_other_weights_have_another_digest_and_json_keeps_them():
    learned = learn(made_tokens(), "base")
    assert learn(made_tokens(), "base").digest == learned.digest != learn(made_tokens(seed=1), "base").digest
    saved = {name: getattr(learned, name) for name in ("means", "scales", "weights", "intercept")}
    again = Learned.of({name: [*v] if isinstance(v, tuple) else v for name, v in saved.items()})
    assert (again, again.digest) == (learned, learned.digest)


@pytest.mark.parametrize("everywhere", [0, 1])
def test_a_text_with_nothing_to_tell_apart_is_refused(everywhere):
    with pytest.raises(BadInput, match="nothing to learn"):
        learn(made_tokens(30).assign(argmax_rl=everywhere), "base")


@pytest.mark.parametrize("host", ["base", "rl"])
def test_a_table_and_a_decoding_read_the_same_features(tiny_pair, host):
    """The features are made of the token table, and of logits that a plain forward pass gives."""
    rollouts = decoded_rollouts(tiny_pair, host, 4)
    tokens = Reader(tiny_pair, "plain").table(rollouts).to_pandas()
    donor, views = {"base": "rl", "rl": "base"}[host], []
    for rollout in rollouts:
        ids, n = torch.tensor([*rollout.prompt_ids, *rollout.response_ids]), len(rollout.response_ids)
        with torch.no_grad():
            logits = {
                m: tiny_pair.member(m).network(ids[None]).logits[0, -n - 1 : -1, : len(tiny_pair.vocabulary.ids)]
                for m in (host, donor)
            }
        noise = Noise(torch.zeros(n, dtype=torch.long), torch.arange(n))
        views.append(View(logits[host], logits[donor], noise, [Facts()] * n))
    of_table = columns_of(tokens, host)
    of_views = [torch.cat(column).numpy() for column in zip(*map(own_features, views), strict=True)]
    assert len(of_table) == len(of_views) == len(FEATURES)
    for name, mine, theirs in zip(FEATURES, of_table, of_views, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4, err_msg=name)
    learned = learn(tokens, host)
    odds = learned.log_odds(of_table)
    gate = learned_above(float(np.median(odds)) + 1e-5, learned)
    fired = torch.cat([gate.combine([leaf.test(view) for leaf in gate.leaves]) for view in views]).numpy()
    np.testing.assert_array_equal(fired, odds >= np.median(odds) + 1e-5)
