"""Claim (arXiv 2603.22117): at equal shares of replaced tokens the signed Δ log p of the host's own token finds the
tokens that matter better than KL, and KL better than entropy; a gate that fires by chance is far behind.

Thresholds are set on one half of the problems, the other half is answered with them, greedy and sampled at temperature
1: so that every signal edits the same shares of what the oracle edits ("equal-edits", "equal-edits-sampled"), and so
that it replaces the same shares of all tokens, no-ops counted, which is the published axis ("equal-replaced",
"equal-replaced-sampled"). Each has a figure, and tables of results, differences and calibrations; the published
protocols of arXiv 2603.22117 and 2603.22446 follow as presets. The gate that fires by chance lets through some of RL's
edits: it is called RL's edits, thinned.

    python -m experiments.signals
"""

import click

from experiments.claimed.signals import CLAIMS, NAMES
from experiments.claims import write_claims
from experiments.request import Request, asked
from rlprobe.commands.progress import Reporter
from rlprobe.commands.signal_arms import SignalArms
from rlprobe.commands.signals import REPORTS, signals
from rlprobe.decoding.arms import Sampling
from rlprobe.settings import SignalChoice, SignalSettings

COMPARISONS = {
    "greedy": SignalChoice(draws=2),  # of the random gate: seeds
    "sampled": SignalChoice(sampling=Sampling(1.0), draws=2),
    "greedy, replaced": SignalChoice(tuple(NAMES), "replaced", draws=2),  # the published axis and signals
    "sampled, replaced": SignalChoice(tuple(NAMES), "replaced", sampling=Sampling(1.0), draws=2),
    "dir": SignalChoice(preset="dir", draws=2),
    "sbc": SignalChoice(preset="sbc", draws=2),
}


@click.command(help=__doc__)
@asked
@click.option("--only", multiple=True, type=click.Choice(list(COMPARISONS)), help="Not all of them.")
def main(request: Request, only: tuple[str, ...]) -> None:
    """Run, and keep what a reader wants to see."""
    found = {}
    for name in only or COMPARISONS:
        settings = request.settings(SignalSettings, choice=COMPARISONS[name])
        choice = SignalArms.of(settings.choice)
        kept = tuple(title + choice.suffix for title in REPORTS[choice.kind][0])
        written = signals(settings, Reporter())
        shelf = request.shelf(written.run)
        shelf.keep(written.run, kept, kept)
        shelf.show(kept[0])
        found[name] = written.summary
    if len(found) == len(COMPARISONS):
        write_claims("signals", CLAIMS, found, shelf)


if __name__ == "__main__":
    main()
