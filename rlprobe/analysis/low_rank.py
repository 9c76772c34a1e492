"""What of RL's choices is left when only part of its change is kept, token by token along a text that both can read.

The text is the base's or RL's own; three models read it: base, RL, and the base with part of RL's change. Tables in,
one dictionary of intervals out, over problems. Knows no torch, no disk and nothing of how the part was taken.
"""

import numpy as np
import pandas as pd

from rlprobe.analysis.statistics import Clusters, Interval, mean, rate
from rlprobe.settings import Resampling

KEY = ["problem_id", "draw", "position"]
COLUMNS = ("arm", *KEY, "argmax_base", "argmax_rl")  # of a token table


def compare_choices(read: pd.DataFrame, tokens: pd.DataFrame, resampling: Resampling) -> dict[str, Interval]:
    """How the choices along one text compare.

    `read` has the columns of records.LOW_RANK_SCHEMA, `tokens` those of `COLUMNS`, over the same positions. Of all
    positions: `disagrees` with the base, `agrees` with RL. Of RL's edits (positions where it disagrees with the
    base): `kept` says what RL says, `other` neither what RL nor what the base says. Of the positions that RL left
    unchanged: `new` ones, where it leaves the base. `kl` is the mean of KL(RL ‖ it), nats.
    """
    rows = read.merge(tokens, on=KEY, how="inner", validate="one_to_one")
    codes, problems = pd.factorize(rows["problem_id"], sort=True)
    clusters = Clusters(codes, len(problems))
    its, base, rl = (rows[name].to_numpy() for name in ("argmax", "argmax_base", "argmax_rl"))
    edits, everywhere = base != rl, np.ones(len(rows), dtype=bool)

    def share(events: np.ndarray, among: np.ndarray) -> Interval:
        return rate(clusters.sums(events & among), clusters.sums(among), resampling)

    return {
        "disagrees": share(its != base, everywhere),
        "agrees": share(its == rl, everywhere),
        "kept": share(its == rl, edits),
        "other": share((its != rl) & (its != base), edits),
        "new": share(its != base, ~edits),
        "kl": mean(clusters.sums(rows["kl_from_rl"].to_numpy(np.float64)), clusters.sums(everywhere), resampling),
    }
