"""Every claim of the experiments on every pair: number, interval and verdict, and what is said of pairs in general.

Reads the tables of claims that the scripts have kept for each pair, those of experiments/own_pairs.py unless others are
named. "over the pairs" is the mean over bases of the mean over their seeds, and its interval is for another base
(experiments.across); null pairs, whose reward was a coin, stand beside it and are not in it.

    python -m experiments.across_pairs
"""

import importlib
import math
from pathlib import Path

import click
import pandas as pd

from experiments import kept
from experiments.across import OnPair, over_pairs
from experiments.claims import SCRIPTS, Asked
from experiments.kept import Shelf
from experiments.own_pairs import OWN
from experiments.request import NAMES, known_pair
from experiments.script import script
from rlprobe.analysis.claims import Finding, Verdict
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.reporting.claims import asked
from rlprobe.reporting.formats import FORMATS, Cell, table_of

NAME, OVER = "across_pairs", "over the pairs"


def measured(script: str, pair: str) -> dict[str, Interval]:
    """By the words of a claim, what was measured on a pair; nothing where its script was not run."""
    file = Shelf.shown(pair).folder / f"claims_{script}.csv"
    if not file.exists():
        return {}
    table = pd.read_csv(file).reindex(columns=["claim", "ours", "ours_low", "ours_high"])
    numbers = table.iloc[:, 1:].astype(float).to_numpy().tolist()
    return {str(claim): _interval(*ends) for claim, ends in zip(table["claim"], numbers, strict=True)}


def _interval(value: float, *ends: float) -> Interval:
    low, high = (None if math.isnan(end) else end for end in ends)
    return missing("it could not be measured") if math.isnan(value) else Interval(value, low, high, 0, None, None)


def row(script: str, claim: Asked, found: dict[str, dict[str, Interval]]) -> dict[str, object]:
    """A claim on each of the pairs, and over those that are not null."""
    ours = {pair: of_script.get(claim.claim.statement, missing("not run")) for pair, of_script in found.items()}
    real = [OnPair(known_pair(pair).entry.base, it) for pair, it in ours.items() if not known_pair(pair).null]
    ours[OVER] = over_pairs(real)
    told: dict[str, object] = {"script": script, "claim": claim.claim.statement, "asked": asked(claim.claim)}
    for name, interval in ours.items():
        told[name] = Cell(interval.value, interval.low, interval.high, claim.claim.unit)
        told[f"{name}: verdict"] = _verdict(Finding(claim.claim.on_another_pair(), interval))
    return told


def _verdict(finding: Finding) -> str | None:
    return None if finding.verdict is Verdict.NOT_MEASURED else finding.verdict.value


def table(pairs: tuple[str, ...]) -> pd.DataFrame:
    """One row a claim, two columns a pair."""
    rows = []
    for name in SCRIPTS:
        found = {pair: measured(name, pair) for pair in pairs}
        rows += [row(name, claim, found) for claim in importlib.import_module(f"experiments.{name}").CLAIMS]
    return table_of(rows, list(rows[0]))


@script(help=__doc__)
@click.option("--pair", "pairs", multiple=True, type=click.Choice(NAMES), metavar="NAME", help="[default: our own]")
@click.option("--out", type=click.Path(path_type=Path), help="[default: figures/]")
def main(pairs: tuple[str, ...], out: Path | None) -> None:
    """Write the table."""
    found = table(pairs or tuple(OWN))
    for suffix in ("csv", "md"):
        ((out or kept.FIGURES) / f"{NAME}.{suffix}").write_text(FORMATS[suffix](found), encoding="utf-8")
    click.echo(FORMATS["md"](found))


if __name__ == "__main__":
    main()
