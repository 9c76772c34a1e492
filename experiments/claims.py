"""The claims of each experiment beside what was measured: how a script ends in its table, and all tables in one file.

A claim, with the inequality asked, stands in `experiments/claimed/`, and says where its number is found in the summary
that the script's command wrote. Each script writes figures/claims_SCRIPT.{csv,md}; this command gathers them.

    python -m experiments.claims
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from experiments import kept
from rlprobe.analysis.claims import Claim, Finding
from rlprobe.analysis.statistics import Interval, missing
from rlprobe.pairs.registry import DEFAULT_PAIR
from rlprobe.reporting.claims import claims_table
from rlprobe.reporting.formats import FORMATS

SCRIPTS = (  # in the order of the three questions
    *("disagreement", "interventions", "backward", "direction", "divergence"),
    *("signals", "extrapolation", "sampling", "footprint"),
)
SUFFIXES = ("csv", "md")
README = Path(__file__).parent.parent / "README.md"

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


def write_claims(script: str, asked: Sequence[Asked], summary: Mapping[str, Any], pair: str) -> None:
    """Write and show the table of a script's claims."""
    table = claims_table([each.on(summary, pair) for each in asked])
    kept.FIGURES.mkdir(exist_ok=True)
    for suffix in SUFFIXES:
        _file(script, suffix).write_text(FORMATS[suffix](table), encoding="utf-8")
    click.echo(_file(script, "md").read_text(encoding="utf-8"))


def _file(script: str, suffix: str) -> Path:
    return kept.FIGURES / f"claims_{script}.{suffix}"


READ_SO = """*asked* is the published range as it stands; where there is none, or only a word, a margin of ours, whose
reason stands in `experiments/claimed/`. The verdict is of the 95 % interval: *holds* when the whole of it lies inside,
*does not hold* when all of it lies outside, else *not resolved*. An *identity* can fail only by a bug; *by
construction*: it is as asked, and the bundled pair was made so that it would be. Differences of accuracies are in
points, written %; sources are arXiv numbers. The margins of "disagreement" and "interventions" were written when the
bundled pair's numbers were known, the others before; in "direction" the claims on moved tokens came after those on all.
"""


def gathered() -> str:
    """Every table of claims that has been written, a section a script, and the command that writes those which lack."""
    return "\n".join([f"# Claims, published and measured here\n\n{READ_SO}", *_sections("##")])


def _sections(level: str) -> list[str]:
    files = {script: _file(script, "md") for script in SCRIPTS}
    lacking = "not measured: run `python -m experiments.{}`\n"
    return [
        f"{level} {script}\n\n{file.read_text(encoding='utf-8') if file.exists() else lacking.format(script)}"
        for script, file in files.items()
    ]


@click.command(help=__doc__)
@click.option("--readme", is_flag=True, help="Write the tables into README.md, too.")
def main(readme: bool) -> None:
    """Write figures/claims.md."""
    text = gathered()
    (kept.FIGURES / "claims.md").write_text(text, encoding="utf-8")
    if readme:
        kept.rewrite(README, "claims", "\n".join([READ_SO, *_sections("###")]))
    click.echo(text)


if __name__ == "__main__":
    main()
