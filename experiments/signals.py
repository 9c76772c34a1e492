"""Claim (arXiv 2603.22117): at equal edits the signed Δ log p of the host's own token finds the tokens that matter
better than KL, and KL better than entropy; random places are far behind.

Thresholds are set on one half of the problems so that every signal edits the same shares of what the oracle edits, the
other half is answered with them: greedy, and sampled at temperature 1. Draws the figures "equal-edits" and
"equal-edits-sampled", and writes the tables of results, differences and calibrations; the published protocols of
arXiv 2603.22117 and 2603.22446 follow as presets.

    python -m experiments.signals
"""

import click

from experiments.claimed.signals import CLAIMS, ORDER
from experiments.claims import write_claims
from experiments.order import compared
from experiments.request import Request, asked
from rlprobe.decoding.arms import Sampling
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.signal_arms import SignalChoice
from rlprobe.pipeline.signals import SignalSettings, signals

COMPARISONS = {
    "greedy": SignalChoice(draws=2),  # of the random gate: seeds
    "sampled": SignalChoice(sampling=Sampling(1.0), draws=2),
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
        choice = COMPARISONS[name]
        settings = request.settings(SignalSettings, choice=choice)
        titles = ("preset",) if choice.preset else ("equal-edits", "signal-differences", "signal-calibration")
        kept = tuple(title + choice.suffix for title in titles)
        written = signals(settings, Reporter())
        shelf = request.shelf(written.run)
        shelf.keep(written.run, kept, kept)
        shelf.show(kept[0])
        order = {} if choice.preset else {"overall": compared(written, settings, ORDER)}
        found[name] = written.summary | order
    if len(found) == len(COMPARISONS):
        write_claims("signals", CLAIMS, found, shelf)


if __name__ == "__main__":
    main()
