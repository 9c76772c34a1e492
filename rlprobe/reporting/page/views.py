"""What tokens can be coloured by, and what their marks mean: said once, for the page and for notebooks.

The page gets this as JSON (`for_page`) and reads its numbers off its own 8-bit tables (tokens.js); a token view reads
them off the rows of a token table. Knows no HTML.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log
from typing import Any

Row = Mapping[str, Any]  # of a token table; None where a number is missing


@dataclass(frozen=True, slots=True)
class View:
    """A number of each position, where its scale ends, and the colours of numbers above and below zero.

    `log`: the colour follows the logarithm of the number, from 1 to `end`.
    """

    label: str
    number: Callable[[Row], float | None]
    end: float
    unit: str
    colour: str
    below: str = ""
    log: bool = False

    def strength(self, number: float) -> float:
        """How strong the colour is, from 0 to 1."""
        return min(1.0, log(number) / log(self.end) if self.log else abs(number) / self.end)


def _delta(row: Row) -> float | None:
    return None if row["logprob_rl"] is None else row["logprob_rl"] - row["logprob_base"]


VIEWS = {
    "entropy_base": View("entropy of base", lambda row: row["entropy_base"], 2.5, "nats", "--base"),
    "entropy_rl": View("entropy of RL", lambda row: row["entropy_rl"], 2.5, "nats", "--rl"),
    "delta": View("Δ log p", _delta, 3, "nats", "--rl", "--base"),
    "kl": View("KL(RL ‖ base)", lambda row: row["kl_rl_base"], 2, "nats", "--reranked"),
    "rank": View("base rank of RL's choice", lambda row: row["rank_base_of_rl"], 20, "", "--shifted", log=True),
}

# class of the mark (tokens.css): what it says; {k} is the largest base rank that is still reranked
MARKS = {
    "reranked": "reranked: RL's choice is in the base's top {k}",
    "shifted": "shifted: it is not",
    "gated": "gated: an arm's gate fired",
    "edited": "edited, after the host's own choice, struck out",
}
SIGNED = "{label}, RL − base, of the token present; bar at the foot: promoted, at the top: suppressed"


def marks(k: int) -> dict[str, str]:
    """The words of each mark."""
    return {name: words.format(k=k) for name, words in MARKS.items()}


def words(view: View) -> str:
    """What a colour stands for."""
    return SIGNED.format(label=view.label) if view.below else view.label


def for_page(k: int) -> dict[str, Any]:
    """The same as JSON, in order and without the functions; the script has its own."""
    kept = ("label", "end", "unit", "colour", "below", "log")
    plain = {name: {key: getattr(view, key) for key in kept} for name, view in VIEWS.items()}
    views = [{"name": name, "words": words(VIEWS[name]), **view} for name, view in plain.items()]
    return {"views": views, "marks": list(marks(k).items())}
