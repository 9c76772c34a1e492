"""A user's own claims: what a claims.toml says, which quantities there are, and what a summary says of them.

    [[claim]]
    name = "RL gains at least five points"
    quantity = "summary.accuracy.last.gain"    # the summary's name, and the way to a number that has an interval
    above = 0                                   # or: below = 0.2; or: between = [0.01, 0.04]
    margin = 0.05                               # by at least so much; 0 for none

Or a function of the user's is the quantity (own.py), and answers numbers by problem. Shares and accuracies are from 0
to 1. A name on the way may hold dots and spaces: interventions.arms.entropy 0.6.answers.last.recovery, of greedy arms;
of sampled ones interventions-T0.8-top_p1.arms.oracle... QUANTITIES holds every way, so that a slip is refused before
anything is decoded. Verdicts are those of analysis/claims.py. Knows no run and no disk.
"""

import difflib
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import isfinite
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.claims import Claim, Finding
from rlprobe.analysis.statistics import Interval, mean, missing, proportion, rate
from rlprobe.errors import BadInput
from rlprobe.settings import Resampling

INEQUALITIES = ("above", "below", "between")
_KEYS = ("name", "quantity", *INEQUALITIES, "margin")
ANY = "*"  # a name that the run gives, such as an arm's

_RATES = "rates.{all,without_terminator,up_to_answer,without_near_ties}.{micro,macro}"
_ARM = (
    "{truncated,length,gated,edited,no_ops,gated_per_response,edited_per_response,donors_token,"
    "identical.base,identical.rl,apart.share}"
)
_ANSWERS = "answers.{last,first}"

# summary: the ways to its intervals; {a,b} is a or b
QUANTITIES: dict[str, tuple[str, ...]] = {
    "summary": (
        "noise.models.{base,rl}.floor",
        "trajectories.*.{truncated,length}",
        f"trajectories.*.{_RATES}.{{unchanged,reranked,shifted,disagreements}}",
        "trajectories.*.ranks.mean",
        "trajectories.*.entropy.{mean.unchanged,mean.reranked,mean.shifted,ratio}",
        "trajectories.*.detector.{auroc,gated,precision,recall}",
        "trajectories.*.sharpening.{all,unchanged,reranked,shifted}.{slope,r2_one,r2_own,r2,acceptance}",
        "trajectories.*.perplexity.{base,rl}.{nats,all,typical}",
        "perplexity_ratio.{base,rl}",
        "accuracy.{last,first}.arms.*.{accuracy,no_answer}",
        "accuracy.{last,first}.gain",
    ),
    "interventions": (
        f"arms.*.{_ARM}",
        f"arms.*.{_ANSWERS}.{{accuracy,no_answer,recovery}}",
        f"arms.*.{_ANSWERS}.against.{{base,rl}}.difference",
        "noise_floor.{base,rl}",
    ),
    "sample": (
        "members.{base,rl}.{truncated,length,surprisal}",
        f"{_ANSWERS}.members.{{base,rl}}.{{accuracy,no_answer}}",
        f"{_ANSWERS}.members.{{base,rl}}.pass_at_k.*",
        f"{_ANSWERS}.gain.*.difference",
        f"{_ANSWERS}.solvable.shares.{{both,base_only,rl_only,neither}}",
    ),
}
QUANTITIES["signals"] = (
    *QUANTITIES["interventions"],
    "{differences,overall}.*.difference",
    "points.*.{dose,gated,edited}",
    "equal_entropy.*.{accuracy,accuracy_rl,difference}",
    "detection.*",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnClaim:
    """One claim as it was written: the quantity lies above `low` and below `high` (None: not asked), by `margin`."""

    name: str
    quantity: str
    low: float | None
    high: float | None
    margin: float

    @property
    def claim(self) -> Claim:
        """What is asked of the number. Raises BadInput where the margin leaves nothing between the ends."""
        low = None if self.low is None else self.low + self.margin
        high = None if self.high is None else self.high - self.margin
        return Claim(statement=self.name, source="own", low=low, high=high)

    def found_in(self, summaries: Mapping[str, Any]) -> Finding:
        """The claim beside the number that the summaries hold; missing, with the reason, where they do not."""
        summary, way = next(parts for known in quantities() if (parts := _parts(self.quantity, known)))
        if summary not in summaries:
            return Finding(self.claim, missing(f"there is no {summary}.json yet"))
        held = _at(summaries[summary], way)
        if not isinstance(held, Mapping) or "value" not in held:
            return Finding(self.claim, missing(f"{summary}.json has no {way}"))
        return Finding(self.claim, Interval(**held))


def parse(text: str) -> tuple[OwnClaim, ...]:
    """The claims of a claims.toml. Raises BadInput for whatever is not one, naming the claim."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"it is no TOML: {error}") from None
    rows = content.pop("claim", [])
    if content:
        raise BadInput(f"it has {min(content)!r}, where only [[claim]] tables can stand")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise BadInput("it has no [[claim]] table, which holds name, quantity, above, below or between, and margin")
    claims = tuple(_claim(row, f"claim {number}") for number, row in enumerate(rows, start=1))
    refuse_twice(claims)
    return claims


def refuse_twice(claims: Sequence[OwnClaim]) -> None:
    """Raise BadInput where two claims have one name."""
    names = [claim.name for claim in claims]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadInput(f"two claims are called {twice!r}: give each a name of its own")


def of_function(name: str, key: str, asked: Mapping[str, Any]) -> OwnClaim:
    """The claim that a function of the user's is, by what was asked of it (above, below or between, and margin).

    Raises BadInput as `parse`.
    """
    return _claim({"name": name, **asked}, name, key)


def _claim(row: Mapping[str, Any], which: str, key: str | None = None) -> OwnClaim:
    name = row.get("name")
    if not isinstance(name, str) or not name.strip():
        raise BadInput(f"{which} has no name: give it one in words")
    if unknown := [key for key in row if key not in _KEYS]:
        raise BadInput(f"{name!r} has {unknown[0]!r}, which no claim has{_meant(unknown[0], _KEYS)}")
    asked = [each for each in INEQUALITIES if each in row]
    if len(asked) != 1:
        raise BadInput(f"{name!r} has {' and '.join(asked) or 'no inequality'}: give one of {', '.join(INEQUALITIES)}")
    low, high = _ends(name, asked[0], row[asked[0]])
    margin = _number(name, "margin", row.get("margin"))
    if margin < 0:
        raise BadInput(f"{name!r} has the margin {margin:g}: it is 0 or more, and 0 for none")
    quantity = key or _quantity(name, row.get("quantity"))
    claim = OwnClaim(name=name, quantity=quantity, low=low, high=high, margin=margin)
    _ = claim.claim  # refuses what nothing can lie between
    return claim


def _ends(name: str, inequality: str, value: Any) -> tuple[float | None, float | None]:
    if inequality != "between":
        end = _number(name, inequality, value)
        return (end, None) if inequality == "above" else (None, end)
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise BadInput(f"{name!r} has between = {value!r}: give two numbers, as between = [0.01, 0.04]")
    low, high = (_number(name, "between", end) for end in value)
    return low, high


def _number(name: str, key: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        said = "no margin" if value is None else f"{key} = {value!r}"
        raise BadInput(f"{name!r} has {said}: {key} takes a finite number" + (", 0 for none" * (key == "margin")))
    return float(value)


def interval_of(said: Any, problems: Collection[str], resampling: Resampling) -> Interval:
    """What a function of the user's says, as a number with its interval: over problems, by the rules of statistics.py.

    A Series by problem_id is a number a problem, whose mean is meant (of True and False, the share that is True); a
    DataFrame of two columns, sums a problem, whose ratio is meant: a rate, where both are whole and the first counts
    some of the second; a mapping with value, low and high, an interval of a summary. Raises BadInput for anything else.
    """
    if isinstance(said, Mapping) and {"value", "low", "high"} <= said.keys():
        known = {name: held for name, held in said.items() if name in Interval.__dataclass_fields__}
        return Interval(**{"n_problems": 0, "n_tokens": None, "method": None, **known})
    said = pd.Series(said) if isinstance(said, Mapping) else said
    if not (isinstance(said, pd.Series) or (isinstance(said, pd.DataFrame) and said.shape[1] == 2)):
        raise BadInput(
            f"it answers a {type(said).__name__}: it answers a number a problem (a Series by problem_id), two "
            "(a DataFrame of two columns), or an interval of a summary"
        )
    table = said.to_frame() if isinstance(said, pd.Series) else said
    columns, kinds = _numbers(table, problems), [kind.kind for kind in table.dtypes]
    if kinds == ["b"]:
        return proportion(int(columns[0].sum()), len(columns[0]), resampling)
    totals, counts = columns if len(columns) == 2 else (*columns, np.ones_like(columns[0]))
    if (counts < 0).any():
        raise BadInput("its second column is below 0: it counts what the first is divided by")
    if len(columns) == 2 and set(kinds) <= set("bui") and ((totals >= 0) & (totals <= counts)).all():
        return rate(totals, counts, resampling)
    found, tried = mean(totals, counts, resampling), counts > 0
    if found.low is not None and np.ptp(totals[tried] / counts[tried]) == 0:
        return replace(found, low=None, high=None, method=None, reason="all problems have one number: nothing varies")
    return found


def _numbers(table: pd.DataFrame, problems: Collection[str]) -> np.ndarray:
    """The columns of a table by problem. Raises BadInput for other problems, for one twice, and for what is none."""
    rows = [str(row) for row in table.index]
    if strange := next((row for row in rows if row not in problems), None):
        raise BadInput(f"it answers for {strange!r}, which is no problem of the run: its numbers are by problem_id")
    if twice := next((row for row, is_again in zip(rows, pd.Index(rows).duplicated(), strict=True) if is_again), None):
        raise BadInput(f"it answers twice for {twice!r}: a number a problem, of draws for instance their mean")
    try:
        numbers = table.to_numpy(dtype=float)
    except (TypeError, ValueError):
        raise BadInput("it answers with what is no number") from None
    if not np.isfinite(numbers).all():
        row = rows[int(np.flatnonzero(~np.isfinite(numbers).all(axis=1))[0])]
        raise BadInput(f"it has no number for {row!r}: leave out the problems that have none")
    if not rows:
        raise BadInput("it answers for no problem")
    return numbers.T


def _quantity(name: str, quantity: Any) -> str:
    """The quantity, if there can be one of that name."""
    if not isinstance(quantity, str):
        raise BadInput(f"{name!r} has no quantity such as summary.accuracy.last.gain")
    known = list(quantities())
    if not any(_parts(quantity, way) for way in known):
        raise BadInput(f"{name!r} asks about {quantity!r}, which no summary has{_meant(quantity, known)}")
    return quantity


def quantities() -> Iterator[str]:
    """Every quantity that can be asked about, the summary's name first; ANY stands for a name that the run gives."""
    for summary, ways in QUANTITIES.items():
        for way in ways:
            parts = [part.split(",") for part in re.split(r"[{}]", way)]
            yield from (f"{summary}.{''.join(chosen)}" for chosen in product(*parts))


def _parts(quantity: str, known: str) -> tuple[str, str] | None:
    """The summary's name and the way in it, of a quantity that is the known one; None of another.

    A run has several summaries of `interventions` and `signals`, by what they end in: interventions-T0.8-top_p1.
    """
    summary, _, way = known.partition(".")
    ending = r"(?:-[\w.-]+?)?" if summary in ("interventions", "signals") else ""
    found = re.fullmatch(rf"({summary}{ending})\.({re.escape(way).replace(re.escape(ANY), '.+')})", quantity)
    return (found[1], found[2]) if found else None


def _meant(given: str, known: Any) -> str:
    near = difflib.get_close_matches(given, known, 3)
    return f"; is {' or '.join(map(repr, near))} meant?" if near else ""


def _at(held: Any, way: str) -> Any:
    """What lies at the end of a way; None where it ends before. A name may hold dots: the longest that fits is it."""
    if isinstance(held, list):
        held = {str(number): entry for number, entry in enumerate(held)}
    if not isinstance(held, Mapping):
        return None
    if way in held:
        return held[way]
    names = sorted((name for name in held if way.startswith(f"{name}.")), key=len, reverse=True)
    found = (_at(held[name], way[len(name) + 1 :]) for name in names)
    return next((each for each in found if each is not None), None)
