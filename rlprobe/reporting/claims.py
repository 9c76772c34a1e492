"""The tables of claims: what was asked, the number with its interval, and the verdict. Computes nothing.

Published claims stand beside the published number; a user's own, beside when they were written. Entries are strings
and `Cell`s, as formats.py wants them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd
from rich.console import RenderableType
from rich.text import Text

from rlprobe.analysis.claims import FACT, Claim, Finding, Kind, Verdict
from rlprobe.analysis.own_claims import OwnClaim
from rlprobe.reporting.formats import Cell, table_of
from rlprobe.reporting.terminal import open_table, texts_of

COLUMNS = ["claim", "source", "published", "asked", "ours", "verdict"]
OWN_COLUMNS = ["written", "claim", "quantity", "asked", "found", "verdict", "registered", "responses then"]
BEFORE, AFTER = "before the data", "after the data"
_AFTERWARDS = {Verdict.HOLDS: "agrees", Verdict.FAILS: "disagrees"}  # what fits numbers that were known is no test


def claims_table(findings: Sequence[Finding]) -> pd.DataFrame:
    """One row a claim."""
    return table_of([_row(finding) for finding in findings], COLUMNS)


def asked(claim: Claim) -> str:
    """The inequality in words: a range, one bound, or the one value that an identity allows."""
    low, high = (None if end is None else _short(end, claim.unit) for end in (claim.low, claim.high))
    if claim.kind is Kind.IDENTITY and low == high:
        return f"exactly {low}"
    if low is not None and high is not None:
        return f"between {low} and {high}"
    return f"above {low}" if high is None else f"below {high}"


def _short(end: float, unit: str) -> str:
    """A bound with the digits that it was written with."""
    digits = f"{100 * end if unit == '%' else end:.6g}"
    return digits + str(Cell(0.0, unit=unit)).removeprefix("0")


def _row(finding: Finding) -> dict[str, object]:
    claim, ours, reason = finding.claim, finding.ours, finding.reason
    ours = replace(ours, low=None, high=None) if ours.method == FACT else ours
    return {
        "claim": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "asked": asked(claim),
        "ours": Cell.of(asdict(ours), claim.unit),
        "verdict": finding.verdict.value + (f": {reason}" if reason else ""),
    }


@dataclass(frozen=True, slots=True)
class Judged:
    """One of a user's own claims, what was found, and when it was registered; `responses` is how many there were."""

    own: OwnClaim
    finding: Finding
    responses: int
    registered: str
    withdrawn: bool

    @property
    def written(self) -> str:
        """Before or after the data; what the newest file leaves out was withdrawn."""
        return (AFTER if self.responses else BEFORE) + (", withdrawn since" if self.withdrawn else "")

    @property
    def verdict(self) -> str:
        """In words, with the reason where there is no verdict on the inequality."""
        verdict, reason = self.finding.verdict, self.finding.reason
        word = _AFTERWARDS.get(verdict, verdict.value) if self.responses else verdict.value
        return word + (f": {reason}" if reason else "")


def own_claims_table(claims: Sequence[Judged]) -> pd.DataFrame:
    """One row a claim, those that were written before the data first."""
    rows = [
        {
            "written": each.written,
            "claim": each.own.name,
            "quantity": each.own.quantity,
            "asked": own_asked(each.own),
            "found": Cell(each.finding.ours.value, each.finding.ours.low, each.finding.ours.high),
            "verdict": each.verdict,
            "registered": each.registered,
            "responses then": each.responses,
        }
        for each in sorted(claims, key=lambda each: each.responses > 0)
    ]
    return table_of(rows, OWN_COLUMNS)


def own_asked(claim: OwnClaim) -> str:
    """The inequality as it was written, and its margin."""
    if claim.low is not None and claim.high is not None:
        words = f"between {claim.low:g} and {claim.high:g}"
    else:
        words = f"below {claim.high:g}" if claim.low is None else f"above {claim.low:g}"
    return words + (f", by at least {claim.margin:g}" if claim.margin else "")


def show_own_claims(claims: Sequence[Judged]) -> Iterator[RenderableType]:
    """The same at the terminal: a block for those written before the data, one for those written after."""
    for heading, after in ((f"Your claims, written {BEFORE}", False), (f"{AFTER.capitalize()}", True)):
        here = [each for each in claims if (each.responses > 0) is after]
        if here:
            table = open_table("claim", "asked", "found", "verdict", texts=0)
            for column in table.columns:
                column.justify = "left"
            for each in here:
                found = Cell(each.finding.ours.value, each.finding.ours.low, each.finding.ours.high)
                name = each.own.name + (" (withdrawn since)" if each.withdrawn else "")
                table.add_row(*texts_of([name, own_asked(each.own), str(found), each.verdict]))
            yield from (Text(), Text(heading, "bold"), table)
