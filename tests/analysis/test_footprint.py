"""Disagreements followed through training, against sets of positions."""

import numpy as np
import pytest
from synthetic_texts import token_table

from rlprobe.analysis.footprint import follow, mark
from rlprobe.errors import RlprobeError
from rlprobe.settings import Reading

READING = Reading(resamples=200)


@pytest.fixture(scope="module")
def tables():
    """Three checkpoints that have read one text of the base."""
    text = token_table(arms=("base",), seed=8)
    rng = np.random.default_rng(0)
    return [
        text.assign(
            argmax_rl=np.where(
                rng.random(len(text)) < share,
                (text["argmax_base"] + 1 + rng.integers(2, size=len(text))) % 12,
                text["argmax_base"],
            )
        )
        for share in (0.05, 0.2, 0.3)
    ]


def test_new_and_lost_are_differences_of_sets(tables):
    sets = [set(np.flatnonzero(t["argmax_rl"] != t["argmax_base"])) for t in tables]
    choices = [t["argmax_rl"].to_numpy() for t in tables]
    found, n = follow([mark(t, READING) for t in tables], READING.resampling), len(tables[0])
    before: set = set()
    for here, choice, step in zip(sets, choices, found, strict=True):
        assert step["disagreements"].value == pytest.approx(len(here) / n)
        assert step["new"].value == pytest.approx(len(here - before) / n)
        assert step["new_share"].value == pytest.approx(len(here - before) / len(here))
        assert step["of_final"].value == pytest.approx(len(here & sets[-1]) / len(sets[-1]))
        assert step["lasting"].value == pytest.approx(len(here & sets[-1]) / len(here))
        same = sum(choice[i] == choices[-1][i] for i in here & sets[-1])
        assert step["same_of_final"].value == pytest.approx(same / len(sets[-1]))
        if before:
            assert step["lost"].value == pytest.approx(len(before - here) / n)
            assert step["lost_share"].value == pytest.approx(len(before - here) / len(before))
        before = here


def test_before_the_first_checkpoint_nothing_can_be_lost(tables):
    first = follow([mark(t, READING) for t in tables], READING.resampling)[0]
    assert (first["lost"].value, first["lost"].reason) == (None, "nothing to lose yet")
    assert first["lost_share"].value is None
    assert first["new_share"].value == 1


def test_positions_of_different_texts_are_not_compared(tables):
    other = mark(token_table(arms=("base",), seed=9), READING)
    with pytest.raises(RlprobeError, match="different texts"):
        follow([mark(tables[0], READING), other], READING.resampling)


def test_a_checkpoint_without_the_bases_text_is_refused():
    with pytest.raises(RlprobeError, match="no text of the base"):
        mark(token_table(arms=("rl",)), READING)
