"""The tables of coverage that are kept, against a part of them computed again and what they are kept to show."""

import pandas as pd
import pytest

from experiments.coverage import RATES, RECOVERIES, WORLDS, covered
from experiments.kept import FIGURES
from rlprobe.analysis.statistics import rate, recovery


def kept(name: str) -> pd.DataFrame:
    return pd.read_csv(FIGURES / f"{name}.csv").set_index(["world", "problems", "interval"])


@pytest.mark.parametrize("world", RATES, ids=lambda world: world.name)
def test_the_kept_coverage_of_a_rate_is_what_the_script_computes(world):
    (found,) = covered(world, 20, {"Korn-Graubard": rate}, WORLDS)
    row = kept("coverage_rates").loc[(world.name, 20, "Korn-Graubard")]
    assert (row["covered"], row["median_width"]) == pytest.approx((found["covered"].value, found["median width"].value))


def test_the_kept_coverage_of_a_recovery_is_what_the_script_computes():
    (found,) = covered(RECOVERIES[1], 20, {"Fieller": recovery}, WORLDS)
    row = kept("coverage_recovery").loc[(RECOVERIES[1].name, 20, "Fieller")]
    assert (row["given"], row["covered"]) == pytest.approx((found["given"].value, found["covered"].value))


def test_the_intervals_in_use_cover_no_less_than_those_that_were_not_chosen():
    for name, used in (("coverage_rates", "Korn-Graubard"), ("coverage_recovery", "Fieller")):
        table = kept(name)["covered"].unstack()
        other = table["percentile bootstrap"]
        assert (table[used] >= other - 0.02).all()  # 600 worlds: two standard errors of the difference of a few
        assert table[used].mean() > other.mean() + 0.03
