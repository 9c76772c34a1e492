"""What is claimed of signals that choose where to edit (arXiv 2603.22117; 2603.22446), and where `signals` says it.

An order is claimed at equal shares of replaced tokens; it is asked there, and at equal edits, too. Every difference,
at matched dose and the mean over the targets that both reached, is asked to be above 0. Of the protocols with
thresholds of their own the papers give one accuracy a benchmark of 30 problems, where one problem is 3.3 points:
"recovers" and "loses" are asked within five points of the model in question.
"""

from dataclasses import replace

from experiments.claimed.interventions import CLOSE, against
from experiments.claims import Asked, Key
from rlprobe.analysis.claims import Claim, Kind

DIR, SBC = "2603.22117 (replacement)", "2603.22446 (cross-sampling)"
ORDER = (("delta", "kl"), ("kl", "entropy"), ("entropy", "random"))  # as claimed; each before the next
NAMES = {"delta": "Δ log p", "kl": "KL", "entropy": "entropy", "random": "RL's edits thinned"}
COMPARED = {  # comparison -> how it is called
    "greedy, replaced": "at equal replacement, greedy",
    "sampled, replaced": "at equal replacement, sampled",
    "greedy": "at equal edits, greedy",
    "sampled": "at equal edits, sampled",
}


def before(first: str, other: str, comparison: str) -> Asked:
    """That a signal repairs more than another at equal doses; the published axis is that of replaced tokens."""
    claim = Claim(statement=f"{NAMES[first]} > {NAMES[other]} {COMPARED[comparison]}", source="ours", low=0, unit="%")
    if comparison.endswith("replaced"):
        claim = replace(claim, source=DIR, published="Δ log p > KL > entropy ≫ random")
    return Asked(claim, (comparison, "overall", {"first": first, "other": other}, "difference"))


def preset(name: str, *way: str) -> tuple[Key, ...]:
    """A way inside the summary of a published protocol."""
    return (name, *way)


PROTOCOLS = (
    Asked(
        Claim(
            statement="redrawing where Δ log p < −0.3 comes close to RL (5 points below it at most)",
            source=DIR,
            published="43.3 / 46.2, 51.7 / 52.5, 54.1 / 54.6",
            low=-CLOSE,
            unit="%",
        ),
        preset("dir", *against("delta -0.3", "rl")),
    ),
    Asked(
        Claim(statement="… at few replaced, no-ops counted", source=DIR, published="0.3–5.4 %", high=0.054, unit="%"),
        preset("dir", "arms", "delta -0.3", "gated"),
    ),
    Asked(
        Claim(
            statement="RL's draws where JS > 0.1 come close to RL (5 points below it at most)",
            source=SBC,
            published="8.2 → > 25 (RL 25.5)",
            low=-CLOSE,
            unit="%",
        ),
        preset("sbc", *against("js 0.1", "rl")),
    ),
    Asked(
        Claim(statement="… at few edits", source=SBC, published="3.9 %, 7.8 %", high=0.078, unit="%"),
        preset("sbc", "arms", "js 0.1", "edited"),
    ),
    Asked(
        Claim(
            statement="the base's draws in RL's text where JS > 0.1 lose the gain (5 points above the base at most)",
            source=SBC,
            published="25.5 → < 8.3 (base 8.2)",
            high=CLOSE,
            unit="%",
        ),
        preset("sbc", *against("js 0.1 backward", "base")),
    ),
    Asked(
        Claim(statement="… at few edits", source=SBC, published="5 %, 10 %", high=0.10, unit="%"),
        preset("sbc", "arms", "js 0.1 backward", "edited"),
    ),
    Asked(
        Claim(
            statement="RL's draws everywhere give RL's own responses (the oracle)",
            source="ours",
            low=1,
            high=1,
            unit="%",
            kind=Kind.IDENTITY,
        ),
        preset("sbc", "arms", "oracle", "identical", "rl"),
    ),
)
CLAIMS = (*(before(first, other, comparison) for comparison in COMPARED for first, other in ORDER), *PROTOCOLS)
