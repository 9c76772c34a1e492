"""Which signal finds the tokens that matter: gates compared at equal numbers of real edits.

A point is a signal whose threshold was set, on other problems, for a wanted rate of edits (or fixed by a protocol).
Tables in, one plain dictionary out: what each point did (as `rlprobe intervene` tells it), and in pairs over problems
the difference between the first signal and each other at each rate, and between every two on average over rates. What
was wanted is never taken for what was edited: both realised rates stand beside every difference.
Source of the comparison: arXiv 2603.22117, which counts no-ops and gives no intervals. Knows no torch and no disk.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis import thresholds
from rlprobe.analysis.calibration import Calibrated, Curve, Side, Tried
from rlprobe.analysis.classes import Reading
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.interventions import NamedArm, summarise
from rlprobe.analysis.statistics import (
    Clusters,
    Interval,
    Resampling,
    auroc,
    bootstrap_p_value,
    holm,
    mcnemar,
    mean_difference,
    missing,
)
from rlprobe.records import MEMBERS, Status

SIDES: dict[str, Side] = {  # where a signal's gate fires; random has no signal
    "delta": "below",
    "kl": "above",
    "js": "above",
    "entropy": "above",
    "margin": "below",
    "learned": "above",
}
SIGNALS = (*SIDES, "random")


@dataclass(frozen=True, slots=True)
class Edited:
    """How many tokens some responses have, and how many of them the gate fired on and were edited."""

    tokens: int
    gated: int
    edited: int

    @property
    def rate(self) -> float:
        """Edited tokens of the arm's own tokens."""
        return self.edited / max(1, self.tokens)

    @classmethod
    def of(cls, rollouts: pd.DataFrame) -> "Edited":
        """Of rollouts with the columns response_ids, host_ids and gated."""
        ids, host = (np.concatenate([*rollouts[name], []]) for name in ("response_ids", "host_ids"))
        return cls(len(ids), int(sum(np.count_nonzero(g) for g in rollouts["gated"])), int((ids != host).sum()))


@dataclass(frozen=True, slots=True)
class Search:
    """A signal's calibration: searches by the share of the oracle's edits that was wanted, and all that was tried."""

    signal: str
    found: Mapping[float, Calibrated]
    tried: Sequence[Tried]
    edited: Mapping[float, Edited]  # by threshold, for each that was tried


@dataclass(frozen=True, slots=True)
class Point:
    """A signal at one threshold: the arms (one a seed) that decoded it, under one title.

    `target` is the share of the oracle's edits that the threshold was set for; None where a protocol fixes it.
    """

    signal: str
    threshold: float
    target: float | None
    arms: tuple[NamedArm, ...]

    @property
    def title(self) -> str:
        """What the tables of arms call it."""
        return self.arms[0].title


def curve(tokens: pd.DataFrame, signal: str, host: str, sampled: bool) -> Curve:
    """The signal's curve on the host's own text: a token table of that one arm."""
    edits = expected_edits(tokens, host, sampled)
    if signal == "random":
        return Curve.of_chances(float(edits.mean()))
    return Curve.of(values(tokens, signal, host), edits, SIDES[signal])


def values(tokens: pd.DataFrame, signal: str, host: str) -> Float[np.ndarray, " tokens"]:
    """A signal at every position of the host's own text, as its gate sees it; `learned` is a column of that name."""
    if signal == "delta":  # of the token present, which a sampled host may not find best
        return _gain(tokens, host)
    if signal == "learned":
        return tokens["learned"].to_numpy(np.float64)
    return thresholds.signal(tokens.assign(arm=host), signal, host).to_numpy(np.float64)


def detection(tokens: pd.DataFrame, signals: Sequence[str], host: str, resampling: Resampling) -> dict[str, Interval]:
    """By signal, the AUROC for "the two models disagree here" on the host's own text; chance has none.

    Rows as for `curve`, with the column problem_id. A signal that fires below its threshold counts with its sign
    turned.
    """
    disagrees = (tokens["argmax_base"] != tokens["argmax_rl"]).to_numpy()
    codes, problems = pd.factorize(tokens["problem_id"], sort=True)
    clusters = Clusters(codes.astype(np.int64), len(problems))
    signs = {signal: {"above": 1, "below": -1}[SIDES[signal]] for signal in signals if signal in SIDES}
    return {
        signal: auroc(sign * values(tokens, signal, host), disagrees, clusters, resampling)
        for signal, sign in signs.items()
    }


def expected_edits(tokens: pd.DataFrame, host: str, sampled: bool) -> Float[np.ndarray, " tokens"]:
    """How likely the token present would be edited if the gate fired there, at each row.

    Greedy: whether the argmaxes differ. Sampled: 1 - exp(Δ) where Δ log p < 0, the smallest probability that any two
    coupled draws differ; it is delta's own, and with common noise a little more is edited.
    """
    if not sampled:
        return (tokens["argmax_base"] != tokens["argmax_rl"]).to_numpy(np.float64)
    return -np.expm1(np.minimum(_gain(tokens, host), 0))


def _gain(tokens: pd.DataFrame, host: str) -> Float[np.ndarray, " tokens"]:
    """Δ log p, donor - host, of the token present."""
    donor = MEMBERS[1 - MEMBERS.index(host)]
    return (tokens[f"logprob_{donor}"] - tokens[f"logprob_{host}"]).to_numpy(np.float64)


# ---- the summary -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The responses and verdicts of the evaluation problems: the ends (as arms base and rl), oracles and points."""

    rollouts: pd.DataFrame
    grades: pd.DataFrame
    oracles: Sequence[NamedArm]
    points: Sequence[Point]


def compare(found: Evaluated, reading: Reading, left_out: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The arms as `interventions.summarise` tells them, the points, and the differences at each target and over them.

    The first signal of the points is compared with each other.
    """
    arms = [*found.oracles, *(arm for point in found.points for arm in point.arms)]
    told = summarise(found.rollouts, found.grades, arms, reading, left_out)
    each, overall = differences(found, reading)
    points = [asdict(point) | {"title": point.title} for point in found.points]
    return plain({**told, "points": points, "differences": each, "overall": overall})


def calibration(searches: Sequence[Search], oracle: Edited) -> dict[str, Any]:
    """What the searches found, and every threshold that was decoded with."""
    targets = [_target(s, share, found) for s in searches for share, found in s.found.items()]
    tried = [
        {"signal": s.signal, "threshold": t.threshold, "edited": t.rate, "gated": s.edited[t.threshold].gated}
        | {"tokens": s.edited[t.threshold].tokens}
        for s in searches
        for t in sorted(s.tried, key=lambda t: t.step)
    ]
    return plain({"oracle": asdict(oracle) | {"rate": oracle.rate}, "targets": targets, "tried": tried})


def _target(search: Search, share: float, found: Calibrated) -> dict[str, Any]:
    nearest = found.nearest and search.edited[found.nearest.threshold]
    return {
        "signal": search.signal,
        "target": share,
        "wanted": found.wanted,
        "threshold": found.threshold,
        "reached": nearest.rate if nearest and found.threshold is not None else None,
        "nearest": nearest.rate if nearest else None,
        "gated": nearest.gated / max(1, nearest.tokens) if nearest and found.threshold is not None else None,
        "decodes": found.decodes,
        "reason": found.reason,
    }


# ---- differences -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Each problem's share of right answers among the graded responses of a point; `single`: one response each."""

    shares: pd.Series  # by problem_id
    single: bool

    @classmethod
    def of(cls, grades: pd.DataFrame, names: Sequence[str], answer: str) -> "Verdicts":
        """Of the arms of these names."""
        known = grades[grades["arm"].isin(set(names)) & grades[f"status_{answer}"].notna()]
        right = (known[f"status_{answer}"] == Status.CORRECT.value).astype(np.float64)
        by_problem = right.groupby(known["problem_id"])
        return cls(by_problem.mean(), bool((by_problem.size() <= 1).all()))


def differences(found: Evaluated, reading: Reading) -> tuple[list[dict], list[dict]]:
    """At each target the first signal minus each other; for every two, the mean over the targets that both reached."""
    at = {(p.signal, p.target): p for p in found.points if p.target is not None}
    verdicts = {k: Verdicts.of(found.grades, [a.name for a in p.arms], reading.answer) for k, p in at.items()}
    signals = list(dict.fromkeys(signal for signal, _ in at))
    targets = sorted({target for _, target in at})
    each, overall = [], []
    for first, other in itertools.combinations(signals, 2):
        shared = [t for t in targets if (first, t) in at and (other, t) in at]
        pairs = [(verdicts[first, t], verdicts[other, t]) for t in shared]
        compared = {"first": first, "other": other}
        if first == signals[0]:
            single = zip(shared, pairs, strict=True)
            each += [compared | {"target": t, **_compared([pair], reading)} for t, pair in single]
        overall.append(compared | {"targets": shared, **_compared(pairs, reading)})
    return _adjusted(each), _adjusted(overall)


def _compared(pairs: Sequence[tuple[Verdicts, Verdicts]], reading: Reading) -> dict[str, Any]:
    """The mean difference over pairs, on the problems with every verdict, with its interval and p-value.

    One pair of one response a problem: McNemar's exact test; otherwise the paired bootstrap.
    """
    if not pairs:
        return {"problems": 0, "difference": missing("no target was reached by both"), "p_value": None, "test": None}
    columns = pd.concat([v.shares for pair in pairs for v in pair], axis=1).dropna().to_numpy()
    mine, theirs = columns[:, ::2], columns[:, 1::2]
    differences = (mine - theirs).mean(axis=1)
    if not len(differences):
        return {"problems": 0, "difference": missing("no problem has both verdicts"), "p_value": None, "test": None}
    single = len(pairs) == 1 and all(v.single for v in pairs[0])
    exact = mcnemar(theirs[:, 0] == 1, mine[:, 0] == 1).p_value if single else None
    p_value = exact if single else bootstrap_p_value(differences, reading.resampling)
    return {
        "problems": len(differences),
        "difference": mean_difference(differences, reading.resampling),
        "p_value": p_value,
        "p_floor": None if single else reading.resampling.smallest_p,
        "test": None if p_value is None else "McNemar, exact" if single else "paired bootstrap",
    }


def _adjusted(compared: list[dict]) -> list[dict]:
    """With the p-values also corrected for how many there are here."""
    known = [c for c in compared if c["p_value"] is not None]
    adjusted = holm([c["p_value"] for c in known])
    by_number = dict(zip(map(id, known), adjusted, strict=True))
    return [{**c, "p_adjusted": by_number.get(id(c)), "tests": len(known)} for c in compared]
