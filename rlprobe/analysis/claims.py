"""What a paper claims, as an inequality that was written before the run, and what a measured number says of it.

Knows no paper, no run and no file: claims and numbers come in, verdicts go out. Knows no torch.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from rlprobe.analysis.statistics import Interval
from rlprobe.errors import BadInput

NO_INTERVAL = "it has no interval"
FACT = "counted, not sampled"


class Kind(StrEnum):
    """What kind of statement a claim is, which decides what agreement with it is worth."""

    MEASURED = "measured"  # the run could have said otherwise
    IDENTITY = "identity"  # nothing else is possible: its failure is a bug
    BY_CONSTRUCTION = "by construction"  # the pair was made so that it would be true


class Verdict(StrEnum):
    """What an interval says of an inequality."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNRESOLVED = "not resolved"
    IDENTITY = "identity"
    BROKEN = "identity broken"
    BY_CONSTRUCTION = "by construction"
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement, who made it and with which number, and what is asked of ours: to lie above `low` and below `high`.

    An end of None asks nothing on that side. `source` is the paper and its section, `published` its number or range as
    people write it, or "not published". `unit` is one of "", "%", "×", "nats"; a percentage is held as a share.
    Raises BadInput for a claim that asks nothing, or the impossible.
    """

    statement: str
    source: str
    published: str = "not published"
    low: float | None = None
    high: float | None = None
    unit: str = ""
    kind: Kind = Kind.MEASURED

    def __post_init__(self) -> None:
        if self.low is None and self.high is None:
            raise BadInput(f"the claim {self.statement!r} asks nothing: give it a lower or an upper end")
        if self.low is not None and self.high is not None:
            point = self.kind is Kind.IDENTITY
            if self.low > self.high or (self.low == self.high and not point):
                raise BadInput(f"the claim {self.statement!r} asks for a number above {self.low} and below {self.high}")

    def on_another_pair(self) -> "Claim":
        """The same on a pair that was not made for it: what one pair has by construction, another may lack."""
        return replace(self, kind=Kind.MEASURED) if self.kind is Kind.BY_CONSTRUCTION else self


@dataclass(frozen=True, slots=True)
class Finding:
    """A claim, and our number for it."""

    claim: Claim
    ours: Interval

    @property
    def verdict(self) -> Verdict:
        """By the rule of `judge`."""
        return judge(self.claim, self.ours)

    @property
    def reason(self) -> str | None:
        """Why there is no verdict on the inequality; None where the numbers themselves say it."""
        if self.ours.value is None:
            return self.ours.reason
        missing = self.ours.low is None or self.ours.high is None
        return (self.ours.reason or NO_INTERVAL) if missing and self.verdict is Verdict.UNRESOLVED else None


def fact(value: float) -> Interval:
    """A number of the pair itself, such as a share of its weights: nothing is sampled, and its interval is a point."""
    return Interval(value, value, value, 0, None, FACT)


def judge(claim: Claim, ours: Interval) -> Verdict:
    """Holds: the whole interval lies inside what is asked. Does not hold: all of it lies outside. Else not resolved.

    The inequality is strict: an interval that reaches 0 is not above 0. An identity is exact, and looks at the value:
    what is not equal to it is broken. What a pair has by construction is called so where it would otherwise hold; that
    it should fail is worth knowing, and is said.
    """
    if ours.value is None:
        return Verdict.NOT_MEASURED
    if claim.kind is Kind.IDENTITY:
        exact = (claim.low is None or ours.value >= claim.low) and (claim.high is None or ours.value <= claim.high)
        return Verdict.IDENTITY if exact else Verdict.BROKEN
    if ours.low is None or ours.high is None:
        return Verdict.UNRESOLVED
    if (claim.low is None or ours.low > claim.low) and (claim.high is None or ours.high < claim.high):
        return Verdict.BY_CONSTRUCTION if claim.kind is Kind.BY_CONSTRUCTION else Verdict.HOLDS
    below = claim.low is not None and ours.high <= claim.low
    above = claim.high is not None and ours.low >= claim.high
    return Verdict.FAILS if below or above else Verdict.UNRESOLVED
