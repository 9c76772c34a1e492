"""The table of claims: the published number, what was asked, ours with its interval, and the verdict. Computes nothing.

Entries are strings and `Cell`s, as formats.py wants them.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace

import pandas as pd

from rlprobe.analysis.claims import FACT, Claim, Finding, Kind
from rlprobe.reporting.formats import Cell, table_of

COLUMNS = ["claim", "source", "published", "asked", "ours", "verdict"]


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
