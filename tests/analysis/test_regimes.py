"""Regimes of families: what the rule says of made gains, and what the interval leaves open."""

import numpy as np
import pandas as pd
import pytest

from rlprobe.analysis.regimes import regimes
from rlprobe.settings import Resampling

RESAMPLING = Resampling(resamples=400)


def told(most, late=None, problems=400, spread=0.05, margin=0.02):
    rng = np.random.default_rng(0)
    noise = rng.uniform(-spread, spread, problems)
    gains = {"first": np.full(problems, 0.3), "most": most + noise - noise.mean()}
    if late is not None:
        gains["late"] = late + noise - noise.mean()
    (row,) = regimes(gains, pd.Series(["all"] * problems), margin, RESAMPLING)
    return row["regime"], row["possible"]


@pytest.mark.parametrize(
    ("most", "late", "regime"),
    [
        (-0.1, None, "diminish"),
        (0.0, None, "plateau"),
        (0.1, None, "sustained"),
        (0.1, 0.1, "sustained"),
        (0.1, 0.0, "plateau"),
        (0.1, -0.1, "plateau"),
        (-0.1, 0.1, "diminish"),
    ],
)
def test_a_clear_gain_has_one_regime(most, late, regime):
    assert told(most, late) == (regime, [regime])


def test_an_unclear_gain_has_all_that_its_interval_allows():
    assert told(0.03, spread=0.4) == ("sustained", ["plateau", "sustained"])
    assert told(-0.03, spread=0.4)[1] == ["diminish", "plateau"]
    assert told(0.1, 0.03, spread=0.4)[1] == ["plateau", "sustained"]
    assert told(0.0, problems=4, spread=0.5)[1] == ["diminish", "plateau", "sustained"]


def test_few_problems_that_all_agree_are_no_certainty():
    gains = {"first": np.zeros(3), "most": np.zeros(3)}
    (row,) = regimes(gains, pd.Series(["few"] * 3), 0.02, RESAMPLING)
    assert (row["regime"], row["possible"]) == ("plateau", ["diminish", "plateau", "sustained"])
    (alone,) = regimes({name: gain[:1] for name, gain in gains.items()}, pd.Series(["one"]), 0.02, RESAMPLING)
    assert alone["possible"] == ["diminish", "plateau", "sustained"]


def test_each_family_has_its_own_problems():
    gains = {"first": np.array([1.0, 0, 0, 1]), "most": np.array([0.5, -0.5, -0.25, 0.75])}
    found = regimes(gains, pd.Series(["b", "a", "a", "b"]), 0.02, RESAMPLING)
    assert [(row["family"], row["problems"], row["most"].value) for row in found] == [
        ("b", 2, pytest.approx(0.625)),
        ("a", 2, pytest.approx(-0.375)),
    ]
