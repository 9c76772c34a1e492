"""Which signal finds the tokens that matter: gates compared at equal doses.

A dose is either the tokens that were really edited, as a share of those that the oracle edits ("edits"), or the tokens
at which the gate fired, as a share of all tokens ("replaced": no-ops are counted, as arXiv 2603.22117 does). A point is
a signal whose threshold was set, on other problems, for a wanted dose (or fixed by a protocol). Tables in, one plain
dictionary out: what each point did (as `rlprobe intervene` tells it), and in pairs over problems the difference between
the first signal and each other at each wanted dose, and between every two on average over these. What was wanted is
never taken for what was realised: both stand beside each other, and differences are at matched dose (matched_dose.py).
Knows no torch and no disk.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from rlprobe.analysis import thresholds
from rlprobe.analysis.calibration import Calibrated, Curve, Tried
from rlprobe.analysis.disagreement import plain
from rlprobe.analysis.interventions import counted, summarise
from rlprobe.analysis.matched_dose import TEST, Knots, Matched, match
from rlprobe.analysis.responses import responses_of
from rlprobe.analysis.statistics import Clusters, Interval, holm, missing, rate, ratio_of_means, streamed_auroc
from rlprobe.arm_labels import ArmLabel
from rlprobe.records import MEMBERS
from rlprobe.settings import Reading, Resampling
from rlprobe.signal import SIGNALS

CHANGED = {"edits": "edited", "replaced": "gated"}  # what a dose counts: tokens really edited, or the gate's firings


@dataclass(frozen=True, slots=True)
class Edited:
    """How many tokens some responses have, and how many of them the gate fired on and were edited."""

    tokens: int
    gated: int
    edited: int

    def share(self, equal: str = "edits") -> float:
        """The share of the arm's own tokens that a dose (`CHANGED`) counts."""
        return getattr(self, CHANGED[equal]) / max(1, self.tokens)

    @classmethod
    def of(cls, rollouts: pd.DataFrame) -> "Edited":
        """Of rollouts, or of what responses.py tells of them."""
        rows = responses_of(rollouts) if "response_ids" in rollouts else rollouts
        return cls(*(int(rows[name].sum()) for name in ("tokens", "gated", "edited")))


@dataclass(frozen=True, slots=True)
class Search:
    """A signal's calibration: searches by the dose that was wanted, and all that was tried."""

    signal: str
    found: Mapping[float, Calibrated]
    tried: Sequence[Tried]
    edited: Mapping[float, Edited]  # by threshold, for each that was tried


@dataclass(frozen=True, slots=True)
class Point:
    """A signal at one threshold: the arms (one a seed) that decoded it, under one title.

    `target` is the dose that the threshold was set for; None where a protocol fixes it.
    """

    signal: str
    threshold: float
    target: float | None
    arms: tuple[ArmLabel, ...]

    @property
    def title(self) -> str:
        """What the tables of arms call it."""
        return self.arms[0].title


def curve(tokens: pd.DataFrame, signal: str, host: str, sampled: bool, equal: str = "edits") -> Curve:
    """The signal's curve on the host's own text, a token table of that one arm: what a dose counts, by threshold."""
    edits = expected_edits(tokens, host, sampled) if equal == "edits" else np.ones(len(tokens))
    side = SIGNALS[signal].side
    if side is None:
        return Curve.of_chances(float(edits.mean()))
    return Curve.of(values(tokens, signal, host), edits, side)


def values(tokens: pd.DataFrame, signal: str, host: str) -> Float[np.ndarray, " tokens"]:
    """A signal at every position of the host's own text, as its gate sees it; `learned` is a column of that name."""
    if SIGNALS[signal].sees_draw:  # of the token present, which a sampled host may not find best
        return _gain(tokens, host)
    if not SIGNALS[signal].column:
        return tokens[signal].to_numpy(np.float64)
    return thresholds.signal(tokens.assign(arm=host), signal, host).to_numpy(np.float64)


def detection(
    tables: Callable[[], Iterable[pd.DataFrame]], signals: Sequence[str], host: str, resampling: Resampling
) -> dict[str, Interval]:
    """By signal, the AUROC for "the two models disagree here" on the host's own text; chance has none.

    `tables` starts its rows anew, some at a time, as for `curve`, with the column problem_id. A signal that fires below
    its threshold counts with its sign turned.
    """
    problems = np.array(sorted({name for rows in tables() for name in rows["problem_id"].unique()}), dtype=object)

    def scored(signal: str) -> Iterator[tuple[np.ndarray, np.ndarray, Clusters]]:
        for rows in tables():
            codes = pd.Categorical(rows["problem_id"], categories=problems).codes.astype(np.int64)
            disagrees = (rows["argmax_base"] != rows["argmax_rl"]).to_numpy()
            yield SIGNALS[signal].sign * values(rows, signal, host), disagrees, Clusters(codes, len(problems))

    return {
        signal: streamed_auroc(partial(scored, signal), len(problems), resampling)
        for signal in signals
        if SIGNALS[signal].side is not None
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
    oracles: Sequence[ArmLabel]
    points: Sequence[Point]
    equal: str = "edits"


def compare(found: Evaluated, reading: Reading, left_out: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The arms as `interventions.summarise` tells them, the points, and the differences at each target and over them.

    The first signal of the points is compared with each other.
    """
    arms = [*found.oracles, *(arm for point in found.points for arm in point.arms)]
    told = summarise(found.rollouts, found.grades, arms, reading, left_out)
    counts = _Counts.of(found, reading.answer)
    points = [_point(point, counts, reading) for point in found.points]
    each, overall = _differences(found, counts, reading)
    return plain({**told, "points": points, "differences": each, "overall": overall})


def calibration(searches: Sequence[Search], oracle: Edited, equal: str = "edits") -> dict[str, Any]:
    """What the searches found, and every threshold that was decoded with."""
    targets = [_target(s, dose, found) for s in searches for dose, found in s.found.items()]
    tried = [
        {"signal": s.signal, "threshold": t.threshold, "reached": t.rate, **asdict(s.edited[t.threshold])}
        for s in searches
        for t in sorted(s.tried, key=lambda t: t.step)
    ]
    return plain({"oracle": asdict(oracle) | {"rate": oracle.share(equal)}, "targets": targets, "tried": tried})


def _target(search: Search, dose: float, found: Calibrated) -> dict[str, Any]:
    """`wanted`, `reached` and `nearest` are shares of tokens, of what the dose counts."""
    nearest, reached = found.nearest, found.nearest if found.threshold is not None else None
    there = search.edited[reached.threshold] if reached else None
    return {
        "signal": search.signal,
        "target": dose,
        "wanted": found.wanted,
        "threshold": found.threshold,
        "reached": reached and reached.rate,
        "nearest": nearest and nearest.rate,
        "edited": there and there.share("edits"),
        "gated": there and there.share("replaced"),
        "decodes": found.decodes,
        "reason": found.reason,
    }


# ---- doses and differences -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Counts:
    """Of each arm and problem: tokens, changed ones, and the share of right answers (nan without a verdict)."""

    table: pd.DataFrame  # indexed by (arm, problem_id)
    oracles: Mapping[str, str]  # by host
    equal: str

    @classmethod
    def of(cls, found: Evaluated, answer: str) -> "_Counts":
        rows = counted(found.rollouts, found.grades)[0].groupby(["arm", "problem_id"])
        columns = {"changed": CHANGED[found.equal], "tokens": "tokens"}
        columns |= {"right": f"correct_{answer}", "graded": f"graded_{answer}"}
        table = pd.DataFrame({name: rows[column].sum() for name, column in columns.items()})
        return cls(table, {oracle.host: oracle.name for oracle in found.oracles}, found.equal)

    def pooled(self, names: Sequence[str]) -> pd.DataFrame:
        """Of some arms together, by problem."""
        here = self.table[self.table.index.get_level_values("arm").isin(set(names))]
        sums = here.groupby(level="problem_id").sum()
        return sums.assign(right=sums["right"] / sums["graded"])

    def whole(self, host: str) -> pd.DataFrame:
        """What dose 1 is, by problem: what the oracle edits, or every token."""
        if self.equal == "edits":
            return self.pooled([self.oracles[host]])
        own = self.pooled([host])
        return own.assign(changed=own["tokens"])


def _point(point: Point, counts: _Counts, reading: Reading) -> dict[str, Any]:
    """A point with its realised dose, on all its problems."""
    mine, told = counts.pooled([arm.name for arm in point.arms]), asdict(point) | {"title": point.title}
    changed, tokens = (mine[name].to_numpy() for name in ("changed", "tokens"))
    if counts.equal == "replaced":
        return told | {"dose": rate(changed, tokens, reading.resampling)}
    whole = counts.whole(point.arms[0].host).reindex(mine.index)
    of_whole = whole["changed"].to_numpy(), whole["tokens"].to_numpy()
    return told | {"dose": ratio_of_means((changed, tokens), of_whole, reading.resampling)}


def _differences(found: Evaluated, counts: _Counts, reading: Reading) -> tuple[list[dict], list[dict]]:
    """At each target the first signal minus each other; for every two, the mean over the targets that both reached."""
    at = {(p.signal, p.target): p for p in found.points if p.target is not None}
    signals = list(dict.fromkeys(signal for signal, _ in at))
    each, overall = [], []
    for first, other in itertools.combinations(signals, 2):
        shared = sorted(t for signal, t in at if signal == first and (other, t) in at)
        mine, theirs = ([p for (name, _), p in at.items() if name == signal] for signal in (first, other))
        matched = _matched((mine, theirs), shared, counts, reading) if shared else None
        compared = {"first": first, "other": other}
        if first == signals[0] and matched:
            each += [compared | {"target": t, **_told(matched, [n], reading)} for n, t in enumerate(shared)]
        overall.append(compared | {"targets": shared, **_told(matched, range(len(shared)), reading)})
    return _adjusted(each), _adjusted(overall)


def _matched(
    both: tuple[Sequence[Point], Sequence[Point]], wanted: Sequence[float], counts: _Counts, reading: Reading
) -> Matched:
    """Two signals at their thresholds, on the problems on which every one of them and the host have a verdict."""
    host = both[0][0].arms[0].host
    alone, whole = counts.pooled([host]).assign(changed=0.0), counts.whole(host)
    tables = [[alone, *(counts.pooled([a.name for a in p.arms]) for p in points)] for points in both]
    known = pd.concat([whole["tokens"], *(t["right"] for some in tables for t in some)], axis=1).dropna().index
    mine, theirs = (
        Knots(*(np.array([t.loc[known, name] for t in some], dtype=float) for name in ("changed", "tokens", "right")))
        for some in tables
    )
    dose_1 = whole.loc[known, "changed"].to_numpy(float), whole.loc[known, "tokens"].to_numpy(float)
    return match(mine, theirs, dose_1, wanted, reading.resampling)


def _told(matched: Matched | None, which: Sequence[int], reading: Reading) -> dict[str, Any]:
    """The mean difference over some of the targets, and the doses at which they were compared."""
    if matched is None:
        nothing = {"problems": 0, "at": [], "p_value": None, "test": None}
        return nothing | {"difference": missing("no target was reached by both")}
    difference, p_value = matched.over(which, reading.resampling)
    return {
        "problems": matched.n_problems,
        "at": [float(matched.at[0, n]) for n in which] if matched.n_problems else [],
        "difference": difference,
        "p_value": p_value,
        "p_floor": None if p_value is None else reading.resampling.smallest_p,
        "test": None if p_value is None else TEST,
    }


def _adjusted(compared: list[dict]) -> list[dict]:
    """With the p-values also corrected for how many there are here."""
    known = [c for c in compared if c["p_value"] is not None]
    adjusted = holm([c["p_value"] for c in known])
    by_number = dict(zip(map(id, known), adjusted, strict=True))
    return [{**c, "p_adjusted": by_number.get(id(c)), "tests": len(known)} for c in compared]
