"""What the first screen of the page says: two accuracies, what changed, how few tokens, and one sentence.

Every number is an entry of a table of the run, written as the table writes it, and names that table. Summaries of
`disagree` and `flips` come in; computes nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import Cell
from rlprobe.reporting.names import text_of
from rlprobe.reporting.table import walk

Summary = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """A number: the words before it, the entry of the table that it stands in, the words behind it, and whose it is."""

    words: str
    cell: Cell
    table: str
    more: str = ""
    who: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The facts, and one sentence with the entry that backs it (none where nothing was summarised)."""

    facts: tuple[Fact, ...] = ()
    sentence: Fact | None = None


def answer(summary: Summary, flips: Summary) -> Answer:
    """From what `rlprobe disagree` found, and `rlprobe flips` where it has been run; either may be empty."""
    if not summary:
        return Answer()
    facts = [*_accuracies(summary), *_shares(summary)]
    return Answer(tuple(facts), next((fact for fact in (_single(flips), _entropy(summary)) if fact), None))


def _accuracies(summary: Summary) -> Iterator[Fact]:
    """Both accuracies by the answer that counts, and the gain with the problems that changed."""
    found = (summary.get("accuracy") or {}).get(summary["reading"]["answer"]) or {}
    for m in MEMBERS if found else ():
        if arm := found["arms"].get(m):
            yield Fact(f"{'RL' if m == 'rl' else m} answers right", Cell.of(arm["accuracy"], "%"), "accuracy", "", m)
    if test := found.get("mcnemar"):
        changed = f"{test['only_rl']:,} repaired, {test['only_base']:,} broken"
        yield Fact("RL − base", Cell.of(found["gain"], "%"), "accuracy", changed)


def _shares(summary: Summary) -> Iterator[Fact]:
    """At how many tokens of each text base and RL would not have said the same."""
    for arm, found in summary.get("trajectories", {}).items():
        if share := walk(found, "rates.all.micro.disagreements"):
            yield Fact(f"disagreements on {text_of(arm)}", Cell.of(share, "%"), "rates", "of its tokens")


def _single(flips: Summary) -> Fact | None:
    """How many wrong answers one token of RL's makes right."""
    fix = walk(flips, "single.fix")
    if not fix or flips.get("problem") is not None or not fix["problems"]:
        return None
    which = "the base gets wrong" if flips["scope"] == "all" else "RL alone gets right"
    after = (
        f"of the {fix['problems']:,} problems that {which}, one token of RL's, written once, makes its answer right."
    )
    return Fact("In", Cell.of(fix["problems_with"], "%"), "flips", after)


def _entropy(summary: Summary) -> Fact | None:
    """How much less certain the base is where the two disagree."""
    for arm, found in summary.get("trajectories", {}).items():
        ratio = Cell.of(walk(found, "entropy.ratio"), "×")
        if ratio.value is not None:
            before = f"Where RL's choice is reranked on {text_of(arm)}, the base's mean entropy is"
            return Fact(before, ratio, "classes", "that of unchanged places.")
    return None
