"""Claim (arXiv 2603.22446): along RL's text the two models' distributions are nearly the same at most positions.

Reads the token table of `experiments.disagreement`, which is finished first where it is not: the share of positions
with a Jensen-Shannon divergence near zero, and what the base gives RL's token where it is not.

    python -m experiments.divergence
"""

from typing import Any

import numpy as np
import pandas as pd

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim
from rlprobe.analysis.statistics import Clusters, Interval, rate
from rlprobe.settings import Resampling

# ---- what is claimed -------------------------------------------------------------------------------------------------
# "Near zero" has no number in the paper: below 0.01 nats here, a seventieth of the most that JS can be. "About 5 %" is
# asked as at most twice that.

PAPER = "2603.22446"

CLAIMS = (
    Asked(
        Claim(
            statement="positions with JS near zero (below 0.01 nats), on RL's text",
            source=PAPER,
            published="> 83 % (DAPO)",
            low=0.83,
            unit="%",
        ),
        ("near_zero",),
    ),
    Asked(
        Claim(
            statement="… the same, as few moved as there",
            source=PAPER,
            published="> 98 % (SimpleRL)",
            low=0.98,
            unit="%",
        ),
        ("near_zero",),
    ),
    Asked(
        Claim(
            statement="where JS > 0.1 nats, RL's token has less than 0.01 in the base",
            source=PAPER,
            published="about 5 % (DAPO)",
            high=0.10,
            unit="%",
        ),
        ("unlikely_in_base",),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------

COLUMNS = ("arm", "problem_id", "js", "logprob_base_of_rl")
NEAR_ZERO, APART = 0.01, 0.1  # nats of JS
UNLIKELY = 0.01  # a probability


@script(help=__doc__)
@asked
def main(request: Request) -> None:
    """Read the table, and show what is claimed of it."""
    run = rp.disagree(**request.options).run
    tokens = run.table("tokens", COLUMNS, ["rl"]).to_pandas()
    write_claims("divergence", CLAIMS, shares(tokens, Resampling()), request.shelf(run))


def shares(tokens: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """Of the positions of one text, those near zero; of those apart, those whose RL token the base holds unlikely."""
    codes, problems = pd.factorize(tokens["problem_id"], sort=True)
    clusters = Clusters(codes.astype(np.int64), len(problems))
    js = tokens["js"].to_numpy(np.float64)
    apart, unlikely = js > APART, tokens["logprob_base_of_rl"].to_numpy(np.float64) < np.log(UNLIKELY)

    def share(events: np.ndarray, among: np.ndarray) -> Interval:
        return rate(clusters.sums(events & among), clusters.sums(among), resampling)

    everywhere = np.ones(len(js), bool)
    return {"near_zero": share(js < NEAR_ZERO, everywhere), "unlikely_in_base": share(unlikely, apart)}


if __name__ == "__main__":
    main()
