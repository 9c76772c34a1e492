"""docs/findings.md: sentences about the bundled pair, every measured number of which is read from a table of figures/.

The sentences stand in findings.md.jinja. There `cell("interventions", "accuracy", arm="oracle")` is what the table
figures/interventions.md shows in that column, in the one row whose "arm" is "oracle"; `value(...)` is the same without
its interval. README.md's four rows are read from there, too.

    python -m experiments.findings
"""

import re
from pathlib import Path

import click
from jinja2 import Environment, StrictUndefined

from experiments import kept
from experiments.kept import rewrite

TEMPLATE = Path(__file__).with_name("findings.md.jinja")
ROOT = Path(__file__).parent.parent
PAGE, README, MARK = ROOT / "docs" / "findings.md", ROOT / "README.md", "four rows"
FOUR = {  # what is done while the base decodes: the arm
    "nothing is replaced": "base",
    "RL's token, wherever the two disagree (an identity: this *is* RL's text)": "oracle",
    "the base's own second thought at such places, never RL's token": "resample",
    "a random one of its 20 best at such places, never RL's token": "random",
}


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a table under figures/, each entry as it is shown."""
    lines = (kept.FIGURES / f"{table}.md").read_text(encoding="utf-8").splitlines()
    head, _, *body = ([_plain(entry) for entry in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines)
    return [dict(zip(head, entries, strict=True)) for entries in body]


def _plain(entry: str) -> str:
    """An entry without Markdown's escapes."""
    return re.sub(r"\\(.)", r"\1", entry.strip())


def cell(table: str, column: str, **where: str) -> str:
    """What a table shows in a column, in the one row that has these entries; `per_response` is "per response".

    Raises LookupError where no row or several have them, or no column is called so.
    """
    wanted = {name.replace("_", " "): entry for name, entry in where.items()}
    found = [row for row in rows(table) if all(row[name] == entry for name, entry in wanted.items())]
    if len(found) != 1:
        raise LookupError(f"{table}.md: {len(found)} rows have {wanted}")
    return found[0][column]


def value(table: str, column: str, **where: str) -> str:
    """The same without its interval, and without what is said of its bounds."""
    return re.split(r" \[|;", cell(table, column, **where))[0]


def told() -> str:
    """The sentences with their numbers."""
    words = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return words.from_string(TEMPLATE.read_text(encoding="utf-8")).render(cell=cell, value=value)


def four_rows() -> str:
    """What replaced tokens cause, in four rows."""
    lines = ["| the base decodes, and | answers right | tokens replaced | of RL's gain |", "|---|---|---|---|"]
    for words, arm in FOUR.items():
        entries = [cell("interventions", name, arm=arm) for name in ("accuracy", "edited", "recovery")]
        lines.append("| " + " | ".join([words, *entries]) + " |")
    return "\n".join([*lines, ""])


@click.command(help=__doc__)
def main() -> None:
    """Write the page, and README.md's part."""
    PAGE.write_text(told(), encoding="utf-8")
    rewrite(README, MARK, four_rows())


if __name__ == "__main__":
    main()
