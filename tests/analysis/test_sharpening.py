"""The sharpening of a text against numpy's own fit of a straight line, problem by problem and class by class."""

import numpy as np
import pandas as pd
import pytest
from synthetic_tables import tables

from rlprobe.analysis.disagreement import summarise
from rlprobe.analysis.statistics import explained_by_one
from rlprobe.measures.tokens import token_statistics
from rlprobe.reporting.disagree import TABLES
from rlprobe.settings import Reading, Resampling

READING = Reading(resamples=200)
VOCABULARY = 40


@pytest.fixture(scope="module")
def drawn():
    """(log p_base, log p_rl, tokens): both models over a small vocabulary, and the token table that they make."""
    import torch

    tokens, rollouts, _ = tables(problems=12, arms=("base",), reranked=0.2, shifted=0.05)
    rng, n = np.random.default_rng(3), len(tokens)
    base = rng.normal(0, rng.gamma(2, 2, (n, 1)), (n, VOCABULARY))
    rl = base * rng.choice([1.0, 1.3, 2.0], (n, 1)) + rng.normal(0, 0.3, (n, VOCABULARY))
    rl[:40] = base[:40]  # nothing to explain
    found = token_statistics(
        *(torch.tensor(x, dtype=torch.float32) for x in (base, rl)), torch.zeros(n).long(), "plain"
    )
    names = ("acceptance", "varentropy_base", "delta_variance", "sharpening", "sharpening_r2")
    tokens = tokens.assign(**{name: getattr(found, name).numpy() for name in names})
    logs = [x - np.log(np.exp(x).sum(1, keepdims=True)) for x in (base, rl)]
    return logs, tokens, summarise(tokens, rollouts, None, READING)["trajectories"]["base"]["sharpening"]


def centred(x, p):
    return x - (p * x).sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["all", "unchanged", "reranked", "shifted"])
def test_one_slope_is_the_least_squares_fit_over_all_positions_at_once(drawn, kind):
    (base, rl), tokens, found = drawn
    differs = tokens["argmax_rl"] != tokens["argmax_base"]
    far = tokens["rank_base_of_rl"] > 5
    kept = {"all": differs | True, "unchanged": ~differs, "reranked": differs & ~far, "shifted": differs & far}[kind]
    kept &= np.arange(len(tokens)) >= 40  # where the models are one, there is nothing to explain
    base, rl = base[kept], rl[kept]
    weight = np.sqrt(np.exp(base)).ravel()
    x, y = (centred(z, np.exp(base)).ravel() * weight for z in (base, rl - base))
    (slope,), (left,), *_ = np.linalg.lstsq(x[:, None], y, rcond=None)
    assert found[kind]["slope"]["value"] == pytest.approx(slope, rel=1e-4)
    assert found[kind]["r2_one"]["value"] == pytest.approx(1 - left / (y @ y), rel=1e-4)


def test_a_slope_for_each_position_explains_what_is_left_of_each_line(drawn):
    (base, rl), _, found = drawn
    explained = there = 0.0
    shares = []
    for x, y in zip(base[40:], (rl - base)[40:], strict=True):
        slope, level = np.polyfit(x, y, 1, w=np.sqrt(np.exp(x)))
        left, all_ = np.exp(x) @ (y - level - slope * x) ** 2, np.exp(x) @ (y - np.exp(x) @ y) ** 2
        explained, there = explained + all_ - left, there + all_
        shares.append(1 - left / all_)
    assert found["all"]["r2_own"]["value"] == pytest.approx(explained / there, rel=1e-4)
    assert found["all"]["r2"]["value"] == pytest.approx(np.mean(shares), rel=1e-4)
    assert found["all"]["r2_own"]["value"] > found["all"]["r2_one"]["value"]
    assert found["all"]["without"] == 40


def test_acceptance_is_the_mean_over_tokens_and_classes_add_up(drawn):
    _, tokens, found = drawn
    assert found["all"]["acceptance"]["value"] == pytest.approx(tokens["acceptance"].mean())
    assert sum(found[kind]["tokens"] for kind in found if kind != "all") == found["all"]["tokens"] == len(tokens)


def test_what_one_slope_explains_is_bracketed_by_its_interval_and_told_of_problems():
    rng = np.random.default_rng(0)
    across, along = rng.gamma(2, 1, (2, 30))
    both = 0.6 * np.sqrt(across * along)
    found = explained_by_one(across, both, along, Resampling(resamples=500))
    assert found.value == pytest.approx(both.sum() ** 2 / across.sum() / along.sum())
    assert found.low < found.value < found.high
    assert found.n_problems == 30
    assert explained_by_one(across[:1], both[:1], along[:1], Resampling()).reason == "one problem cannot be resampled"
    assert explained_by_one(across, both, along * 0, Resampling()).reason == "there is nothing to explain"


def test_the_table_has_a_row_for_each_class_and_says_what_is_without_a_line():
    summary = summarise(*tables(problems=8), READING)
    table = TABLES["sharpening"](summary)
    assert table["class"].tolist() == ["all", "unchanged", "reranked", "shifted"] * 2
    whole = pd.concat([tables(problems=8)[0]])
    assert table["without a line"][0] == whole.query("arm == 'base'")["sharpening_r2"].isna().sum()
