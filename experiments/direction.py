"""Claims: Δ log p has two tails, one for what the base wrote and one for what RL wrote, where entropy and divergence
cannot tell the writers apart (arXiv 2603.22117); few positions hold the divergence (2603.22446); both models waver at
the same places (2506.01939); and what RL promotes from low probability are sparks rather than noise (2510.03222).

Reads the token table of `experiments.disagreement`, which is finished first where it is not. Draws the figures
"direction" and "signals" and writes every table of `rlprobe direction`.

    python -m experiments.direction
"""

import rlprobe as rp
from experiments.claims import Asked, Key, write_claims
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim, Kind
from rlprobe.reporting.direction import TABLES

# ---- what is claimed -------------------------------------------------------------------------------------------------
# The first paper shows histograms and gives no numbers: a tail is asked to hold one token in a thousand beyond 1 nat,
# its opposite less; two signals that "nearly coincide" are asked for an AUROC within 0.05 of a coin's, one that tells
# the writers apart for one above that. On greedy texts every token was its writer's own choice, so that the two tails
# are in part how they were written. Most tokens are the same in both texts, which no signal can tell apart: the claims
# on moved tokens were added when those on all tokens were known, and before their own numbers were. Where the models
# disagree, a greedy text holds its writer's choice, so that the sign is right by construction, and most moved tokens
# are such: that the sign tells the writer is asked of the moved tokens where both agree, since a referee had found it.

PAPER = "2603.22117 (histograms)"
THOUSANDTH, COIN, NEAR = 0.001, 0.5, 0.05
EVERYWHERE, MOVED = "all tokens", "those moved by 0.3 nats, past the common prefix"


def tail(text: str, beyond: str) -> tuple[Key, ...]:
    """The way to the share of a text's tokens whose Δ log p lies beyond so many nats."""
    return ("distributions", {"text": text, "delta_of": "token", "split": "all"}, "tails", beyond)


def writer(signal: str, among: str = "all") -> tuple[Key, ...]:
    """The way to a signal's AUROC for "RL wrote this token"."""
    return ("separation", among, signal)


def near_coin(name: str, signal: str, among: str, where: str) -> Asked:
    """That a signal does not tell who wrote a token."""
    statement = f"{name} does not tell the base's tokens from RL's (AUROC, {where})"
    claim = Claim(statement=statement, source=PAPER, published="nearly coincide", low=COIN - NEAR, high=COIN + NEAR)
    return Asked(claim, writer(signal, among))


def tells(among: str, where: str) -> Asked:
    """That Δ log p tells who wrote a token."""
    statement = f"Δ log p does (AUROC, {where})"
    claim = Claim(statement=statement, source=PAPER, published="two tails", low=COIN + NEAR)
    return Asked(claim, writer("delta", among))


CLAIMS = (
    Asked(
        Claim(
            statement="Δ log p has a negative tail on the base's text (≤ −1 nat)",
            source=PAPER,
            published="a tail",
            low=THOUSANDTH,
            unit="%",
        ),
        tail("base", "-1"),
    ),
    Asked(
        Claim(statement="… and no positive one (≥ 1 nat)", source=PAPER, published="none", high=THOUSANDTH, unit="%"),
        tail("base", "+1"),
    ),
    Asked(
        Claim(
            statement="Δ log p has a positive tail on RL's text (≥ 1 nat)",
            source=PAPER,
            published="a tail",
            low=THOUSANDTH,
            unit="%",
        ),
        tail("rl", "+1"),
    ),
    Asked(
        Claim(statement="… and no negative one (≤ −1 nat)", source=PAPER, published="none", high=THOUSANDTH, unit="%"),
        tail("rl", "-1"),
    ),
    near_coin("entropy of the base", "entropy_base", "all", EVERYWHERE),
    near_coin("KL", "kl_rl_base", "all", EVERYWHERE),
    tells("all", EVERYWHERE),
    near_coin("entropy of the base", "entropy_base", "apart_moved", MOVED),
    near_coin("KL", "kl_rl_base", "apart_moved", MOVED),
    tells("apart_moved_unchanged", f"{MOVED}, where both agree"),
    Asked(
        Claim(
            statement="both models waver at the same places: overlap of the top 20 % of entropy",
            source="2506.01939",
            published="≥ 87 %",
            low=0.87,
            unit="%",
        ),
        ("texts", "base", "entropy_overlap"),
    ),
    Asked(
        Claim(
            statement="what RL promotes from below a tenth is mostly sparks (≥ 0.02 of the base's best)",
            source="2510.03222",
            low=0.5,  # mostly
            unit="%",
            kind=Kind.BY_CONSTRUCTION,  # all ways of solving are in the base's corpus
        ),
        ("texts", "base", "promoted", {"below": 0.1}, "spark_share"),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------


@script(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.direction(rp.disagree(**request.options))
    shelf = request.shelf(found.run)
    shelf.keep(found.run, ("direction", "signals"), tuple(TABLES))
    shelf.show("tails")
    write_claims("direction", CLAIMS, found.summary, shelf)


if __name__ == "__main__":
    main()
