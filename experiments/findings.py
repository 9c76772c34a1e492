"""docs/findings.md: sentences about named pairs, every measured number of which is read from a table of figures/.

The sentences stand in findings.md.jinja. There `cell("interventions", "accuracy", arm="oracle")` is what the table
figures/interventions.md shows in that column, in the one row whose "arm" is "oracle", read from the JSON beside it;
`value(...)` is the same without its interval, `claimed(...)` a claim's number on any pair. README.md's four rows are
read from there, too.

    python -m experiments.findings
"""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from experiments import kept
from experiments.across_pairs import measured
from experiments.kept import rewrite
from experiments.script import script
from rlprobe.reporting.formats import Cell, from_json, written

TEMPLATE = Path(__file__).with_name("findings.md.jinja")
ROOT = Path(__file__).parent.parent
PAGE, README, MARK = ROOT / "docs" / "findings.md", ROOT / "README.md", "four rows"
FOUR = {  # what is done while the base decodes: the arm
    "nothing is replaced": "base",
    "RL's token, wherever the two disagree (an identity: this *is* RL's text)": "oracle",
    "the base's own second thought at such places, never RL's token": "resample",
    "a random one of its 20 best at such places, never RL's token": "random",
}


def entry(table: str, column: str, where: Mapping[str, str]) -> Any:
    """The entry of a table under figures/ in a column, in the one row that shows these entries.

    Raises LookupError where no row or several have them, or no column is called so.
    """
    found = from_json(json.loads((kept.FIGURES / f"{table}.json").read_text(encoding="utf-8")))
    wanted = {name.replace("_", " "): shown for name, shown in where.items()}
    rows = [row for row in found.to_dict("records") if all(written(row[name]) == wanted[name] for name in wanted)]
    if len(rows) != 1:
        raise LookupError(f"{table}.json: {len(rows)} rows have {wanted}")
    return rows[0][column]


def cell(table: str, column: str, **where: str) -> str:
    """What a table shows in a column, in the one row that has these entries; `per_response` is "per response"."""
    return written(entry(table, column, where))


def value(table: str, column: str, **where: str) -> str:
    """The same without its interval, and without what is said of its bounds."""
    found = entry(table, column, where)
    return found.parts[0] if isinstance(found, Cell) else written(found)


def claimed(script: str, claim: str, pair: str) -> str:
    """What was measured of a claim on a pair, as `experiments.across_pairs` shows it; "not run" where it was not."""
    (asked,) = (each.claim for each in import_module(f"experiments.{script}").CLAIMS if each.claim.statement == claim)
    found = measured(script, pair).get(claim)
    return str(Cell(found.value, found.low, found.high, asked.unit)) if found else "not run"


def told() -> str:
    """The sentences with their numbers."""
    words = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    known = {"cell": cell, "value": value, "claimed": claimed}
    return words.from_string(TEMPLATE.read_text(encoding="utf-8")).render(known)


def four_rows() -> str:
    """What replaced tokens cause, in four rows."""
    lines = ["| the base decodes, and | answers right | tokens replaced | of RL's gain |", "|---|---|---|---|"]
    for words, arm in FOUR.items():
        entries = [cell("interventions", name, arm=arm) for name in ("accuracy", "edited", "recovery")]
        lines.append("| " + " | ".join([words, *entries]) + " |")
    return "\n".join([*lines, ""])


@script(help=__doc__)
def main() -> None:
    """Write the page, and README.md's part."""
    PAGE.write_text(told(), encoding="utf-8")
    rewrite(README, MARK, four_rows())


if __name__ == "__main__":
    main()
