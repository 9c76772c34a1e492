"""Numbers that arms take from a run's token table: percentiles of a signal, and the ranks seen at disagreements.

Signals speak of donor against host, as gates do. Knows no models and no arms.
"""

import numpy as np
import pandas as pd

from rlprobe.errors import BadInput
from rlprobe.records import MEMBERS
from rlprobe.signal import SIGNALS

_OF_SIGNALS = {column for host in MEMBERS for each in SIGNALS.values() for column in each.columns(host)}
COLUMNS = ("arm", "argmax_base", "argmax_rl", "rank_base_of_rl", "rank_rl_of_base", *sorted(_OF_SIGNALS))


def signal(tokens: pd.DataFrame, name: str, host: str) -> pd.Series:
    """A signal that has a column, at every position of the host's own text, in nats."""
    known = [each for each, of in SIGNALS.items() if of.column]
    if name not in known:
        raise BadInput(f"no signal is called {name!r}; known: {', '.join(known)}")
    rows, (column, *less) = tokens[tokens["arm"] == host], SIGNALS[name].columns(host)
    return rows[column] - rows[less[0]] if less else rows[column]


def percentile(values: pd.Series, q: float) -> float:
    """A number midway between two observed values that q percent of them lie below; none lies on it.

    Raises BadInput where there is no such place: outside (0, 100), or above the largest value.
    """
    if not 0 < q < 100:
        raise BadInput(f"percentile {q:g} is not between 0 and 100")
    ordered = np.sort(values.to_numpy(dtype=float))
    if not len(ordered):
        raise BadInput("a percentile needs token tables with at least one position")
    below = ordered[max(0, int(np.ceil(q / 100 * len(ordered))) - 1)]
    above = ordered[ordered > below]
    if not len(above):
        raise BadInput(f"percentile {q:g} is the largest value seen ({below:g}); ask for a lower one")
    return float((below + above[0]) / 2)


def rank_counts(tokens: pd.DataFrame, host: str, most: int = 20) -> tuple[int, ...]:
    """How often the donor's choice had rank 2, 3, ... `most` in the host, at disagreements on the host's own text.

    None is dropped: a rank above `most` counts as `most`, so that the counts sum to the disagreements.
    """
    donor = MEMBERS[1 - MEMBERS.index(host)]
    rows = tokens[(tokens["arm"] == host) & (tokens["argmax_base"] != tokens["argmax_rl"])]
    ranks = rows[f"rank_{host}_of_{donor}"].clip(upper=most)
    return tuple(int((ranks == rank).sum()) for rank in range(2, most + 1))
