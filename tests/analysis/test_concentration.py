"""How few positions hold the divergence, against sorting, and its interval against resampling the whole table."""

import numpy as np
import pytest
from synthetic_texts import token_table

from rlprobe.analysis.concentration import divergence_share, entropy_overlap
from rlprobe.analysis.texts import texts_of
from rlprobe.settings import Reading, Resampling

RESAMPLING = Resampling(resamples=1000)


@pytest.fixture(scope="module")
def text():
    return texts_of(token_table(problems=60, seed=2), Reading())["rl"]


def share_of_top(kl, share):
    ordered = np.sort(kl)[::-1]
    return ordered[: max(1, round(share * len(kl)))].sum() / kl.sum()


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_the_share_of_the_top_positions_is_that_of_a_sorted_list(text, share):
    kl = text.numbers("kl_rl_base")
    found = divergence_share(text, RESAMPLING)
    assert found["top"][f"{share:g}"].value == pytest.approx(share_of_top(kl, share))
    assert found["mean"].value == pytest.approx(kl.mean())
    assert found["at_disagreements"].value == pytest.approx(kl[text.disagrees].sum() / kl.sum())


def test_its_interval_is_that_of_resamples_that_look_for_their_own_top(text):
    kl, rng = text.numbers("kl_rl_base"), np.random.default_rng(7)
    rows = [kl[text.clusters.codes == i] for i in range(60)]
    anew = [share_of_top(np.concatenate([rows[i] for i in rng.integers(0, 60, 60)]), 0.2) for _ in range(1000)]
    low, high = np.quantile(anew, [0.025, 0.975])
    found = divergence_share(text, RESAMPLING)["top"]["0.2"]
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.012)
    assert found.high - found.low == pytest.approx(high - low, rel=0.2)


def test_the_overlap_counts_positions_that_are_in_both_tops(text):
    tops = [set(np.argsort(-text.numbers(f"entropy_{m}"))[: round(0.2 * len(text))]) for m in ("base", "rl")]
    assert entropy_overlap(text, RESAMPLING).value == pytest.approx(len(tops[0] & tops[1]) / len(tops[0]))
