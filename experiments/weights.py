"""Claims: RL's update is sparse and nearly full rank (arXiv 2505.11711), and low-dimensional (arXiv 2605.06241, §4).

The first is read off the files. For the second each matrix keeps the best rank-r part of its change and the model so
made answers, and reads, as the pair's own do. Draws the figures "weights" and "low_rank" and writes their tables.

    python -m experiments.weights
"""

from typing import Any

import click

from experiments.claimed.weights import CLAIMS
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.analysis.claims import fact
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.commands.progress import Reporter
from rlprobe.commands.weights import weights
from rlprobe.settings import RankChoice, WeightSettings

RANKS = ("0", "1", "4", "16", "full")


@click.command(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    settings = request.settings(WeightSettings, ranks=RankChoice(RANKS))
    written = weights(settings, Reporter())
    shelf = request.shelf(written.run)
    shelf.keep(
        written.run,
        ("weights", "low_rank"),
        ("weights_by_kind", "weights_by_tensor", "low_rank_answers", "low_rank_choices"),
    )
    shelf.show("low_rank_answers")
    summary = written.summary | {"counted": counted(written.summary["weights"]["total"])}
    write_claims("weights", CLAIMS, summary, shelf)


def counted(total: dict[str, Any]) -> dict[str, Interval]:
    """What the files say of all weights: the share that RL changed, and the median of ranks over matrices, of full."""
    ranks = {name: total[name] for name in ("rank_90_share", "numerical_rank_share")}
    return {
        "changed": fact(1 - total["unchanged"]),
        **{name: fact(found["value"]) if found else missing("RL changed no matrix") for name, found in ranks.items()},
    }


if __name__ == "__main__":
    main()
