"""Claim (arXiv 2605.06241, §3.1): RL changes few tokens, nearly all of them by reranking what the base already offered.

Both models answer every problem greedily, both read both answers, every position gets its class. Draws the figure
"disagreement" and writes table 1 ("classes") with its companions, each number with a 95 % interval over problems.

    python -m experiments.disagreement
"""

import rlprobe as rp
from experiments.claims import Asked, write_claims
from experiments.request import Request, asked
from experiments.script import script
from rlprobe.analysis.claims import Claim, Kind

# ---- what is claimed -------------------------------------------------------------------------------------------------
# Of the published ranges over four pairs only the end is asked that it is worse to pass: no more reranked than the
# most, no deeper in the base's ranking, an entropy ratio no smaller. "Zero shifted" is asked as fewer than the most
# that its own table has; both speak of the base's greedy text, and RL's is asked the same.

PAPER = "2605.06241 §3.1"
BASE, RL = ("trajectories", "base"), ("trajectories", "rl")
RATES = ("rates", "all", "micro")

CLAIMS = (
    Asked(
        Claim(
            statement="RL answers more problems than its base",
            source="2605.06241 §5",
            published="+7 to +33 points",
            low=0,  # that RL gained anything is what the other claims stand on
            unit="%",
        ),
        ("accuracy", "last", "gain"),
    ),
    Asked(
        Claim(
            statement="few tokens are reranked, on the base's text",
            source=PAPER,
            published="1.0–4.1 %",
            high=0.041,
            unit="%",
        ),
        (*BASE, *RATES, "reranked"),
    ),
    Asked(
        Claim(statement="few tokens are reranked, on RL's text", source="ours", high=0.041, unit="%"),
        (*RL, *RATES, "reranked"),
    ),
    Asked(
        Claim(
            statement="next to none is shifted (outside the base's top 5), on the base's text",
            source=PAPER,
            published="0 (text), 0.01–0.12 % (note on its table)",
            high=0.0012,
            unit="%",
            kind=Kind.BY_CONSTRUCTION,  # all ways of solving are in the base's corpus
        ),
        (*BASE, *RATES, "shifted"),
    ),
    Asked(
        Claim(
            statement="next to none is shifted, on RL's text",
            source="ours",
            high=0.0012,
            unit="%",
            kind=Kind.BY_CONSTRUCTION,
        ),
        (*RL, *RATES, "shifted"),
    ),
    Asked(
        Claim(
            statement="RL's token stands near the base's: its mean rank there",
            source=PAPER,
            published="2.14–2.39",
            high=2.39,
        ),
        (*BASE, "ranks", "mean"),
    ),
    Asked(
        Claim(
            statement="entropy of the base, reranked : unchanged",
            source=PAPER,
            published="5–12×",
            low=5,
            unit="×",
        ),
        (*BASE, "entropy", "ratio"),
    ),
)

# ---- how it is measured ----------------------------------------------------------------------------------------------


@script(help=__doc__)
@asked
def main(request: Request) -> None:
    """Run, and keep what a reader wants to see."""
    found = rp.disagree(**request.options)
    shelf = request.shelf(found.run)
    shelf.keep(found.run, ("disagreement",), ("classes", "accuracy", "rates", "entropy", "noise"))
    shelf.show("classes")
    write_claims("disagreement", CLAIMS, found.summary, shelf)


if __name__ == "__main__":
    main()
