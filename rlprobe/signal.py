"""What may find the tokens that matter: each signal once, from the gate that it thresholds to the mark in a figure.

A new signal is one entry. Names, columns and words; the standard library only.
"""

from dataclasses import dataclass
from typing import Literal

from rlprobe.records import MEMBERS

Side = Literal["above", "below"]  # of its threshold, where a gate fires


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A number of each position, and the gate that fires on one `side` of a threshold of it (None: by chance).

    `gate` is a function of the threshold in decoding/arms.py. The number is the `column` of a token table, less the
    column `less` where there is one, with {host} and {donor} for the two models; "" is a column that is computed.
    `of_host`: it knows nothing of the donor. `sees_draw`: sampled, its gate sees the token that was drawn.
    """

    title: str  # {donor} is a model in words
    gate: str
    side: Side | None
    column: str = ""
    less: str = ""
    of_host: bool = False
    sees_draw: bool = False
    colour: str
    marker: str  # of matplotlib

    @property
    def sign(self) -> int:
        """By what it is multiplied so that its gate fires where it is high."""
        return {"above": 1, "below": -1}[self.side or "above"]

    def columns(self, host: str) -> tuple[str, ...]:
        """Its column and what is taken off, of a host."""
        names = {"host": host, "donor": MEMBERS[1 - MEMBERS.index(host)]}
        return tuple(column.format(**names) for column in (self.column, self.less) if column)

    def called(self, host: str) -> str:
        """What it is called, of a host."""
        return self.title.format(donor={"base": "RL", "rl": "the base"}[host])


# name: the signal, in the order in which they are compared
SIGNALS: dict[str, Signal] = {
    "delta": Signal(  # of the host's own token
        title="Δ log p",
        gate="delta_below",
        side="below",
        column="logprob_{donor}_of_{host}",
        less="logprob_argmax_{host}",
        sees_draw=True,
        colour="#009E73",
        marker="o",
    ),
    "kl": Signal(title="KL", gate="kl_above", side="above", column="kl_{donor}_{host}", colour="#CC79A7", marker="s"),
    "js": Signal(title="JS", gate="js_above", side="above", column="js", colour="#E69F00", marker="^"),
    "entropy": Signal(
        title="entropy",
        gate="entropy_above",
        side="above",
        column="entropy_{host}",
        of_host=True,
        colour="#56B4E9",
        marker="D",
    ),
    "margin": Signal(
        title="margin",
        gate="margin_below",
        side="below",
        column="margin_{host}",
        of_host=True,
        colour="#8B6914",
        marker="v",
    ),
    "learned": Signal(  # its gate takes weights as well
        title="learned", gate="learned_above", side="above", of_host=True, colour="#882255", marker="P"
    ),
    # no signal: it lets through some of the donor's edits
    "random": Signal(title="{donor}'s edits, thinned", gate="bernoulli", side=None, colour="#8A8A8A", marker="X"),
}
