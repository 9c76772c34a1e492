"""The commands from Python: the same settings by the same names, and results to go on with.

    import rlprobe as rp

    found = rp.disagree(pair="bundled", limit=20)      # what `rlprobe disagree --pair bundled --limit 20` does
    found.tokens                                       # one row per response position, a DataFrame
    found.tables["classes"]                            # a table as it is read; found.numbers for full precision
    found.view("word-0003", "rl")                      # a response, every token marked

A keyword is called like the option of the command (`max_new_tokens`, `class_k`, ...). Progress is said on standard
error, as on the command line; errors are those of rlprobe/errors.py. Whatever a command keeps in its run directory,
the same command finds again, from Python or not.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from rlprobe import runs
from rlprobe.analysis.classes import Reading, classify
from rlprobe.errors import BadInput
from rlprobe.pairs.loading import load_tokenizer
from rlprobe.pairs.pieces import pieces
from rlprobe.pipeline.keywords import settings_of
from rlprobe.pipeline.progress import Reporter
from rlprobe.pipeline.written import Written
from rlprobe.records import MEMBERS
from rlprobe.reporting.page.token_view import TokenView
from rlprobe.runs import Run


@dataclass(frozen=True)
class Results:
    """A run directory, and what the last command said of it.

    `summary` is what the command wrote as JSON; `tables` and `figures` are found by the names they have in the run.
    """

    run: Run
    summary: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.run.path

    @cached_property
    def tokens(self) -> pd.DataFrame:
        """The token table, one row per response position (records.TOKEN_SCHEMA), and the `class` of each position.

        Log-probabilities, entropies and divergences are in nats, ranks count from 1.
        """
        table = self.run.table("tokens").to_pandas()
        return table.assign(**{"class": classify(table, self._class_k)})

    @cached_property
    def rollouts(self) -> pd.DataFrame:
        """The responses, one row per arm, problem and draw (records.ROLLOUT_SCHEMA)."""
        return self.run.table("rollouts").to_pandas()

    @cached_property
    def problems(self) -> pd.DataFrame:
        """The problems, in order: problem_id, question, answer, source."""
        return pd.DataFrame(self.run.problems())

    @property
    def tables(self) -> "Shelf":
        """The tables of the run as they are read: numbers as text, with their units and intervals."""
        return Shelf(self.path / "tables", ".md", _table)

    @property
    def numbers(self) -> "Shelf":
        """The same tables to compute with: full precision, an interval in columns of its own."""
        return Shelf(self.path / "tables", ".csv", pd.read_csv)

    @property
    def figures(self) -> "Shelf":
        """The figures of the run, as images that a notebook shows."""
        return Shelf(self.path / "figures", ".png", _image)

    def view(self, problem_id: str, trajectory: str = "rl", by: str = "class") -> TokenView:
        """One greedy response with every token marked. Raises BadInput where the run has no token table of it."""
        rows = self.tokens[(self.tokens["arm"] == trajectory) & (self.tokens["problem_id"] == problem_id)]
        if rows.empty:
            raise BadInput(f"{self.path} has no token table of {trajectory}'s response to {problem_id!r}")
        shown = rows.sort_values("position").drop(columns="class")
        tops = [top for member in MEMBERS for top in shown[f"top_ids_{member}"]]
        ids = {int(i) for some in (shown["token_id"], *tops) for i in some}
        title = f"{problem_id}, {trajectory}"
        return TokenView(shown, pieces(load_tokenizer(str(self.run.tokenizer_folder)), ids), title, self._class_k, by)

    @property
    def _class_k(self) -> int:
        return self.summary.get("reading", {}).get("class_k", Reading().class_k)

    def __repr__(self) -> str:
        return "\n".join(f"{name}: {value}" for name, value in self._facts().items())

    def _repr_html_(self) -> str:
        return pd.Series(self._facts()).to_frame("run").to_html(header=False)

    def _facts(self) -> dict[str, str]:
        about = self.run.about
        said = {name: str(value) for name, value in about.items() if name in ("pair", "dataset", "prompt_style")}
        arms = self.run.arms("rollouts")
        return {
            "run": str(self.path),
            **said,
            "problems": str(len(self.run.problems())),
            "arms": ", ".join(arms[:6]) + (f" and {len(arms) - 6} more" if len(arms) > 6 else ""),
            "tables": ", ".join(self.tables),
            "figures": ", ".join(self.figures),
        }


@dataclass(frozen=True)
class Shelf(Mapping[str, Any]):
    """Files of one kind in a folder by their names, opened when asked for."""

    folder: Path
    suffix: str
    opened: Callable[[Path], Any]

    def __getitem__(self, name: str) -> Any:
        file = self.folder / f"{name}{self.suffix}"
        if not file.exists():
            raise KeyError(f"{name!r}; there are {', '.join(self)}")
        return self.opened(file)

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in sorted(self.folder.glob(f"*{self.suffix}")))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"{self.folder.name}: {', '.join(self)}"


def read(run: str | Path) -> Results:
    """A run directory that is there, with what `rlprobe disagree` said of it."""
    opened = runs.read(Path(run))
    summary = opened.path / "summary.json"
    return Results(opened, json.loads(summary.read_text(encoding="utf-8")) if summary.exists() else {})


def disagree(**options: Any) -> Results:
    """Where do a base model and its RL model disagree? (arXiv 2605.06241, §3.1)"""
    from rlprobe.pipeline.disagree import DisagreeSettings, disagree

    return _results(disagree(settings_of(DisagreeSettings, options), Reporter()))


def intervene(**options: Any) -> Results:
    """Do those tokens cause the gain? `modes=("oracle", "entropy:0.6")`, or `gates` and `writer` (§3.2, 3.3)."""
    from rlprobe.pipeline.intervene import InterveneSettings, intervene

    return _results(intervene(settings_of(InterveneSettings, options), Reporter()))


def flips(**options: Any) -> Results:
    """Which single tokens fix an answer, and how few are needed?"""
    from rlprobe.pipeline.flips import FlipSettings, flips

    return _results(flips(settings_of(FlipSettings, options), Reporter()))


def sample(**options: Any) -> Results:
    """Several sampled responses to each problem, and pass@k (arXiv 2504.13837)."""
    from rlprobe.pipeline.sample import SampleSettings, sample

    return _results(sample(settings_of(SampleSettings, options), Reporter()))


def signals(**options: Any) -> Results:
    """Which signal finds the tokens that matter, at equal numbers of real edits? (arXiv 2603.22117, 2603.22446)"""
    from rlprobe.pipeline.signals import SignalSettings, signals

    return _results(signals(settings_of(SignalSettings, options), Reporter()))


def direction(run: "Results | str | Path", **options: Any) -> Results:
    """Which tokens does RL make likelier, which rarer? Reads a run; needs no models (arXiv 2603.22117)."""
    from rlprobe.pipeline.direction import DirectionSettings, direction

    return _results(direction(_path(run), settings_of(DirectionSettings, options)))


def lens(run: "Results | str | Path", **options: Any) -> Results:
    """In which layer is the choice made? The logit lens of both models at the disagreements of a run."""
    from rlprobe.pipeline.inside import InsideSettings
    from rlprobe.pipeline.lens import lens

    return _results(lens(settings_of(InsideSettings, {"run": _path(run), **options}), Reporter()))


def patch(run: "Results | str | Path", **options: Any) -> Results:
    """Which layer, site and head carry the choice? One model's activations in the other, at a run's disagreements."""
    from rlprobe.pipeline.patch import PatchSettings, patch

    return _results(patch(settings_of(PatchSettings, {"run": _path(run), **options}), Reporter()))


def steer(run: "Results | str | Path", **options: Any) -> Results:
    """Is the correction one direction? The mean difference at a run's disagreements, added to the base."""
    from rlprobe.pipeline.steer import SteerSettings, steer

    return _results(steer(settings_of(SteerSettings, {"run": _path(run), **options}), Reporter()))


def weights(**options: Any) -> Results:
    """What did RL change, and how much of it is needed? Spectra of the update, and its best rank-r parts."""
    from rlprobe.pipeline.weights import WeightSettings, weights

    return _results(weights(settings_of(WeightSettings, options), Reporter()))


def report(run: "Results | str | Path", **options: Any) -> Path:
    """Write the token page of a run; its path."""
    from rlprobe.pipeline.report import ReportSettings, report

    return report(_path(run), settings_of(ReportSettings, options), Reporter())[0]


def pairs() -> pd.DataFrame:
    """The registered pairs."""
    from rlprobe.pairs.registry import PAIR_COLUMNS, PAIRS

    return pd.DataFrame([entry.shown(name) for name, entry in PAIRS.items()], columns=list(PAIR_COLUMNS))


def _results(written: Written) -> Results:
    return Results(written.run, written.summary)


def _path(run: "Results | str | Path") -> Path:
    return run.path if isinstance(run, Results) else Path(run)


def _table(file: Path) -> pd.DataFrame:
    """A Markdown table of ours (reporting/formats.py)."""
    header, _, *rows = [line.strip("| ").split(" | ") for line in file.read_text(encoding="utf-8").splitlines()]
    return pd.DataFrame(rows, columns=header).replace(r"\\(.)", r"\1", regex=True)


def _image(file: Path) -> Any:
    from IPython.display import Image

    return Image(filename=str(file))
