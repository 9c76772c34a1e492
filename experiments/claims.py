"""The claims of each experiment beside what was measured: how a script ends in its table, and all tables in one file.

A claim, with the inequality asked, stands at the top of its script, and says where its number is found in the summary
that the script's command wrote. Each script keeps claims_SCRIPT.{csv,md}; this command gathers them.

    python -m experiments.claims
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from experiments.kept import KEPT, Shelf
from experiments.own_pairs import OWN
from experiments.request import NAMES, Request
from experiments.script import script
from rlprobe.analysis.claims import Claim, Finding, Verdict
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.reporting.claims import claims_table
from rlprobe.reporting.formats import FORMATS

SCRIPTS = (  # in the order of the three questions
    *("disagreement", "interventions", "backward", "direction", "divergence"),
    *("signals", "extrapolation", "sampling", "footprint", "weights"),
)
SUFFIXES = ("csv", "md")
JUDGED = (Verdict.HOLDS, Verdict.FAILS, Verdict.UNRESOLVED)  # by an interval, and could have been otherwise
OURS = "ours"  # the source of a claim that no paper makes

Key = str | int | Mapping[str, Any]  # of a dictionary; of a list; or what the first fitting row of a list holds


@dataclass(frozen=True)
class Asked:
    """A claim, and the way to its interval in a summary."""

    claim: Claim
    at: tuple[Key, ...]

    def on(self, summary: Mapping[str, Any], pair: str) -> Finding:
        """The claim on the pair of a summary, with the number found there."""
        claim = self.claim if pair == DEFAULT_PAIR else self.claim.on_another_pair()
        return Finding(claim, number(summary, self.at))


def number(summary: Any, at: Sequence[Key]) -> Interval:
    """The interval at the end of a way through a summary; missing, with the reason, where the way ends before it."""
    here = summary
    for key in at:
        here = _inside(here, key)
        if here is None:
            return missing(f"there is no {_words(key)}")
    return here if isinstance(here, Interval) else Interval(**here)


def _inside(here: Any, key: Key) -> Any:
    if isinstance(key, Mapping):
        return next((row for row in here if all(row.get(name) == value for name, value in key.items())), None)
    if isinstance(key, int):
        return here[key] if -len(here) <= key < len(here) else None
    return here.get(key)


def _words(key: Key) -> str:
    return ", ".join(f"{name} {value}" for name, value in key.items()) if isinstance(key, Mapping) else repr(key)


def write_claims(script: str, asked: Sequence[Asked], summary: Mapping[str, Any], shelf: Shelf) -> None:
    """Write and show the table of a script's claims."""
    table = claims_table([each.on(summary, shelf.pair) for each in asked])
    for suffix in SUFFIXES:
        shelf.file(f"claims_{script}.{suffix}").write_text(FORMATS[suffix](table), encoding="utf-8")
    shelf.show(f"claims_{script}")


READ_SO = """*asked* is the published range as it stands; where there is none, or only a word, a margin of ours, whose
reason stands in the script. The verdict is of the 95 % interval: *holds* when the whole of it lies inside,
*does not hold* when all of it lies outside, else *not resolved*. An *identity* can fail only by a bug; *by
construction*: it is as asked, and the bundled pair was made so that it would be. What is counted on all weights has no
interval and is judged as it is. Differences of accuracies are in points, written %; sources are arXiv numbers. The
margins of "disagreement", "interventions" and "weights" were written when the bundled pair's numbers were known, the
others before; in "direction" the claims on moved tokens came after those on all.
"""


def gathered(folders: Sequence[Path]) -> str:
    """Every table of claims that has been written, a section a script, and the command that writes those which lack."""
    found = {file.name: file for folder in folders for file in folder.glob("claims_*.md")}
    files = {script: found.get(f"claims_{script}.md") for script in SCRIPTS}
    lacking = "not measured: run `python -m experiments.{}`\n"
    sections = [
        f"## {script}\n\n{file.read_text(encoding='utf-8') if file else lacking.format(script)}"
        for script, file in files.items()
    ]
    tables = [pd.read_csv(file.with_suffix(".csv")) for file in files.values() if file]
    claims = pd.concat([pd.DataFrame(columns=["source", "verdict"], dtype=str), *tables])
    title = f"# Claims, published and measured here\n\n{READ_SO}"
    return "\n".join([title, _counted(claims), _by_chance(claims["verdict"]), *sections])


def _counted(claims: pd.DataFrame) -> str:
    """How many of the papers' claims met which verdict, and, apart from them, how many of ours."""
    lines = []
    for whose, among in (("of the papers", claims["source"] != OURS), ("of our own", claims["source"] == OURS)):
        counts = claims.loc[among, "verdict"].str.split(":").str[0].value_counts()
        told = ", ".join(f"*{verdict}* {n}" for verdict, n in counts.items())
        lines.append(f"{int(among.sum())} claims {whose}: {told or 'none measured'}.")
    return " ".join(lines) + "\n"


def _by_chance(verdicts: pd.Series) -> str:
    """How many verdicts chance alone would give: no claim is corrected for how many others there are."""
    judged = int(verdicts.str.split(":").str[0].isin(JUDGED).sum())
    given = int(verdicts.isin((Verdict.HOLDS, Verdict.FAILS)).sum())
    return (
        f"{judged} claims were judged by an interval of 95 %, each for itself, and {given} of them *hold* or *do not "
        f"hold*. If every true number stood at its margin, chance alone would give up to {0.05 * judged:.1f} verdicts, "
        f"and up to {0.025 * judged:.1f} that it *holds*.\n"
    )


@script(help=__doc__)
@click.option("--pair", default=DEFAULT_PAIR, show_default=True, type=click.Choice(NAMES), metavar="NAME")
@click.option("--dataset", help="Gather what is kept in the pair's runs on it.  [default: what figures/ shows]")
def main(pair: str, dataset: str | None) -> None:
    """Write claims.md beside the tables that it gathers."""
    if dataset is None and pair not in OWN:
        raise click.UsageError(f"figures/ shows nothing of {pair}: say which of its runs, by --dataset")
    request = Request(pair, dataset) if dataset else None
    folders = [request.path("footprint") / KEPT, request.path() / KEPT] if request else [Shelf.shown(pair).folder]
    Shelf(pair, folders[-1]).file("claims.md").write_text(gathered(folders), encoding="utf-8")
    Shelf(pair, folders[-1]).show("claims")


if __name__ == "__main__":
    main()
