"""Where two pass@k curves cross, and how sure that is: RL ahead at small k, its base at large k, or the other way.

What is given is the difference of the curves at k = 1, 2, ... with its interval at each. The interval of the crossing
is what those leave open (Fieller's way, as for a ratio): the stretch of k around it at which the difference may be 0.
It ends nowhere where the draws do not decide it. Knows nothing of problems or draws.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from rlprobe.analysis.statistics import Interval

K = Float[np.ndarray, " k"]


def crossing(differences: Sequence[Interval]) -> dict[str, Any]:
    """What is known of the k at which the curves of RL and base cross; `differences` are RL minus base at k = 1, 2, ...

    `ahead` is who leads from the smallest k on, `k` where the other first takes over (between two k, on the straight
    line of their differences), `low` and `high` its interval; None: it is open towards 1, or beyond `up_to`. `changes`
    counts how often the lead changes. Where it never does, k is None and `reason` says so, and `open_from` is the k
    from which on the intervals would allow a crossing; None: at no k up to `up_to`.
    """
    up_to = len(differences)
    found: dict[str, Any] = dict.fromkeys(("ahead", "k", "low", "high", "open_from"))
    found |= {"changes": 0, "up_to": up_to, "reason": None}
    gaps = np.array([each.value for each in differences], dtype=float)
    led = np.flatnonzero(gaps)
    if not len(led):
        return found | {"reason": f"the curves are the same up to k = {up_to}" if up_to else "nothing to compare"}
    sign = float(np.sign(gaps[led[0]]))
    lows, highs = (np.array([getattr(d, end) for d in differences], dtype=float) for end in ("low", "high"))
    ours = (sign * gaps, *((lows, highs) if sign > 0 else (-highs, -lows)))  # the leader's lead
    found |= {"ahead": "rl" if sign > 0 else "base", "changes": int((np.diff(np.sign(gaps[led])) != 0).sum())}
    if not found["changes"]:
        return found | {"open_from": _open_from(ours), "reason": f"no crossing up to k = {up_to}"}
    return found | _crossed(*ours)


def _crossed(lead: K, low: K, high: K) -> dict[str, float | None]:
    """Where the lead is first lost, and how far around it that may be."""
    lost = int(np.flatnonzero(lead < 0)[0])
    held = int(np.flatnonzero(lead[:lost] > 0)[-1])
    sure = np.flatnonzero(low[: held + 1] > 0)  # here the leader is ahead for certain
    gone = np.flatnonzero(high[lost:] < 0) + lost  # and here behind
    return {
        "k": _zero(held, lost, lead),
        "low": _zero(int(sure[-1]), int(sure[-1]) + 1, low) if len(sure) else None,
        "high": _zero(int(gone[0]) - 1, int(gone[0]), high) if len(gone) else None,
    }


def _open_from(ours: tuple[K, K, K]) -> float | None:
    """The k from which on, up to the last, the leader is not ahead for certain."""
    _, low, _ = ours
    sure = np.flatnonzero(low > 0)
    if not len(sure):
        return 1.0
    return None if sure[-1] == len(low) - 1 else _zero(int(sure[-1]), int(sure[-1]) + 1, low)


def _zero(before: int, after: int, curve: K) -> float:
    """The k (counted from 1) between two places at which the straight line through a curve is 0."""
    a, b = curve[before], curve[after]
    return 1 + before + (after - before) * float(a / (a - b))
