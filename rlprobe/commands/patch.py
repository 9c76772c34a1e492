"""`rlprobe patch RUN`: which of one model's activations, put into the other, carry its choice?

At each place these sets of patches (internals/patching.py):

    the grid      every site of every layer, and every head, at the decision point
    before        the residual stream of every layer, some tokens before the decision point
    all before    the residual stream of every layer at every earlier token, and at those of the prompt
    the control   all of these, with the donor's activations at another problem's place; the sites of the grid with the
                  host's own, too

Where both models agree only the grid's sites are tried: what would a patch break there?

The factorial has places of its own, the first disagreement of each response, up to which both models' texts are one:
the residual stream of either model, at every index, under the later layers of either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from rlprobe.analysis.patching import CROSSED, EFFECTS, factorial, summarise
from rlprobe.commands.inside import chosen_points, first_points, open_run
from rlprobe.commands.progress import Meter, Reporter
from rlprobe.commands.verdicts import grader_of
from rlprobe.commands.written import Report, Written
from rlprobe.internals.lens import columns_of
from rlprobe.internals.modules import Inside
from rlprobe.internals.patching import SITES, Cell, Donation, donate, patched_residuals, span
from rlprobe.internals.points import Point
from rlprobe.measures.ranking import greedy
from rlprobe.pairs.compatibility import CommonVocabulary
from rlprobe.reporting.patch import FIGURES, TABLES, show
from rlprobe.settings import PatchChoice, PatchSettings, Reading

WHOLE = ("earlier", "prompt")
DECISION = "0"


def patch(settings: PatchSettings, reporter: Reporter) -> Written:
    """Patch at every place, and summarise what it does."""
    opened, choice = open_run(settings.run, settings.pair), settings.patches
    chosen, points = chosen_points(opened.run, settings.choice, settings.reading)
    first, firsts = first_points(opened.run, settings.choice, settings.reading) if choice.factorial else (None, [])
    host, donor = (opened.inside[member] for member in (choice.host, "rl" if choice.host == "base" else "base"))
    host.check_layers(choice.layers or ())
    bench = _Bench(host, donor, opened.pair.vocabulary, choice)
    with reporter.task(f"patching {choice.host}", len(points), "places") as meter:
        effects = pd.DataFrame(bench.everywhere(chosen, points, settings.reading, meter), columns=list(EFFECTS))
    with reporter.task("residuals x later layers", len(firsts), "places") as meter:
        crossed = pd.DataFrame(bench.crossed(firsts, meter), columns=list(CROSSED))
    summary = {
        "about": opened.run.about,
        "grader": grader_of(opened.run),
        "choice": asdict(settings.choice),
        "patches": asdict(choice),
        "layers": host.depth,
        "heads": host.heads,
        **summarise(chosen, effects, settings.reading),
        "factorial": None if first is None else factorial(first, crossed, settings.reading),
    }
    with opened.run.locked():
        return _report(choice.host).write(opened.run, f"{_titled('patch', choice.host)}.json", summary)


def _report(host: str) -> Report:
    """Backward patches have file names of their own."""
    return Report(
        {_titled(title, host): table for title, table in TABLES.items()},
        {_titled(title, host): drawing for title, drawing in FIGURES.items()},
        show,
    )


def _titled(title: str, host: str) -> str:
    return title if host == "base" else f"{title}_backward"


@dataclass(frozen=True)
class _Bench:
    """Who is patched with whose activations, and how."""

    host: Inside
    donor: Inside
    vocabulary: CommonVocabulary
    choice: PatchChoice

    def everywhere(
        self, chosen: pd.DataFrame, points: Sequence[Point], reading: Reading, meter: Meter
    ) -> Iterator[dict[str, Any]]:
        """One row (analysis.patching.EFFECTS) for each place and patch."""
        others = _others(chosen, reading.resampling.generator())
        for i, (point, group) in enumerate(zip(points, chosen["group"], strict=True)):
            other = points[others[i]] if others[i] >= 0 else None
            found = self.at_disagreement(point, other) if group == "disagreement" else self.at_agreement(point)
            yield from ({"point": i, **effect} for effect in found)
            meter.advance()

    def at_disagreement(self, point: Point, other: Point | None) -> Iterator[dict[str, Any]]:
        """Every set of patches; `other` is another problem's place, None where there is none."""
        before = [str(-n) for n in self.choice.before]
        wheres = [*before, *(WHOLE if self.choice.whole else ())]
        yield from self._effects(point, self._grid(point, heads=self.choice.heads))
        yield from self._effects(point, self._residuals(point, before))
        if self.choice.whole:
            yield from self._effects(point, self._residuals(point, WHOLE))
        if other is not None:
            yield from self._foreign("other", point, other, self._grid(point, heads=self.choice.heads))
            yield from self._foreign("other_host", point, other, self._grid(point, heads=False))
            for where in wheres:
                yield from self._foreign("other", point, other, self._residuals(point, [where]))

    def crossed(self, points: Sequence[Point], meter: Meter) -> Iterator[dict[str, Any]]:
        """One row (analysis.patching.CROSSED) for each place and layer: either's residuals under either's layers."""
        rl, base = (self.donor, self.host) if self.choice.host == "base" else (self.host, self.donor)
        for i, point in enumerate(points):
            cells = [Cell("residual", layer, 0, len(point.ids)) for layer in self._layers]
            gaps = []
            for under, of in ((base, rl), (rl, base)):
                residuals = patched_residuals(under, point, cells, donate(of, point, 0))
                gaps.append(self._said(under, residuals, point)[0])
            (gap_base, *rl_under_base), (gap_rl, *base_under_rl) = gaps
            for layer, *mixed in zip(self._layers, rl_under_base, base_under_rl, strict=True):
                yield dict(zip(CROSSED, (i, layer, gap_base, *mixed, gap_rl), strict=True))
            meter.advance()

    def at_agreement(self, point: Point) -> Iterator[dict[str, Any]]:
        """The sites of the grid alone."""
        yield from self._effects(point, self._grid(point, heads=False))

    def _grid(self, point: Point, heads: bool) -> list[tuple[str, Cell]]:
        start, stop = len(point.ids) - 1, len(point.ids)
        cells = [Cell(site, layer, start, stop) for site in SITES if site != "head" for layer in self._layers]
        if heads:
            cells += [Cell("head", layer, start, stop, h) for layer in self._layers for h in range(self.host.heads)]
        return [(DECISION, cell) for cell in cells]

    def _residuals(self, point: Point, wheres: Sequence[str]) -> list[tuple[str, Cell]]:
        """The residual stream of every layer at each of these parts of the text that there is."""
        spans = {where: span(where, point) for where in wheres}
        return [(w, Cell("residual", layer, *s)) for w, s in spans.items() if s is not None for layer in self._layers]

    @property
    def _layers(self) -> Sequence[int]:
        return range(self.host.depth) if self.choice.layers is None else self.choice.layers

    def _foreign(
        self, source: str, point: Point, other: Point, placed: Sequence[tuple[str, Cell]]
    ) -> Iterator[dict[str, Any]]:
        """Patches of one part of the text, with what a model computes in that part of another problem's."""
        there = span(placed[0][0], other) if placed else None
        if there is not None:
            owner, cell = self.host if source == "other_host" else self.donor, placed[0][1]
            foreign = donate(owner, other, there[0]).moved(there, (cell.start, cell.stop))
            yield from self._effects(point, placed, source, foreign)

    def _effects(
        self, point: Point, placed: Sequence[tuple[str, Cell]], source: str = "same", foreign: Donation | None = None
    ) -> Iterator[dict[str, Any]]:
        """What each patch does to the gap and to what is said."""
        if not placed:
            return
        cells = [cell for _, cell in placed]
        own = donate(self.donor, point, min(cell.start for cell in cells))
        residuals = patched_residuals(self.host, point, cells, foreign or own)
        (gap_donor, *_), (said_donor, *_) = self._said(self.donor, own.last_residual, point)
        (gap_host, *gaps), (said_host, *said) = self._said(self.host, residuals, point)
        for (where, cell), gap, token in zip(placed, gaps, said, strict=True):
            key = (source, cell.site, cell.layer, -1 if cell.head is None else cell.head, where)
            yield dict(zip(EFFECTS[1:], (*key, gap_host, gap, gap_donor, said_host, token, said_donor), strict=True))

    def _said(self, reader: Inside, residuals: Any, point: Point) -> tuple[list[float], list[int]]:
        """Per row, by a model's norm and head: the gap between RL's choice and the base's, and the token in front."""
        logits = reader.logits(residuals)
        base, rl = columns_of([point], self.vocabulary)[0].tolist()
        return (logits[:, rl] - logits[:, base]).tolist(), self.vocabulary.ids[greedy(logits).ids.cpu()].tolist()


def _others(chosen: pd.DataFrame, generator: np.random.Generator) -> list[int]:
    """For each row a random row of its group from another problem; -1 where there is none."""
    found: list[int] = []
    for problem, group in zip(chosen["problem_id"], chosen["group"], strict=True):
        pool = np.flatnonzero((chosen["group"] == group) & (chosen["problem_id"] != problem))
        found.append(int(generator.choice(pool)) if len(pool) else -1)
    return found
