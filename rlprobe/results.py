"""A run directory that can be looked at: its tables, figures and tokens. Computes nothing that a command computes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rlprobe import runs, storage
from rlprobe.analysis.classes import classify
from rlprobe.commands.report import Source, labels_of, summary_of
from rlprobe.commands.rollouts import response_text
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.records import MEMBERS
from rlprobe.reporting.figures import drawing_of, new_figure
from rlprobe.reporting.formats import from_json, written
from rlprobe.reporting.page.passage import Passage
from rlprobe.reporting.page.payload import Verdict
from rlprobe.reporting.page.problems import WORDS
from rlprobe.reporting.page.token_view import TokenView
from rlprobe.runs import Run
from rlprobe.settings import Reading, near


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

        Log-probabilities, entropies and divergences are in nats at temperature 1, ranks count from 1, positions from
        0. Classes are those of arXiv 2605.06241, §3.1, with the k of the last reading.
        """
        table = self.run.table("tokens").to_pandas()
        return table.assign(**{"class": classify(table, self._reading.class_k)})

    @cached_property
    def rollouts(self) -> pd.DataFrame:
        """The responses, one row per arm, problem and draw (records.ROLLOUT_SCHEMA)."""
        return self.run.table("rollouts").to_pandas()

    @cached_property
    def problems(self) -> pd.DataFrame:
        """The problems, in order: problem_id, question, answer, source."""
        return pd.DataFrame(self.run.problems())

    @cached_property
    def grades(self) -> pd.DataFrame:
        """The verdicts, one row per arm, problem and draw (records.GRADE_SCHEMA).

        `status_first` and `status_last` are correct, wrong, no_answer, unparsed or timeout (None: the gold cannot be
        read), `answer_first` and `answer_last` what was found, and `end_first` and `end_last` the positions behind it.
        Raises BadInput where nothing is graded.
        """
        layer = layer_of(self.run)
        if layer is None:
            raise BadInput(f"{self.path} is not graded; run `rlprobe disagree` or `rlprobe grade` on it first")
        return self.run.table(layer).to_pandas()

    @property
    def tables(self) -> "Shelf":
        """The tables of the run as they are read: numbers as text, with their units and intervals."""
        return Shelf(self.run, "tables", ".json", _table)

    @property
    def numbers(self) -> "Shelf":
        """The same tables to compute with: full precision, shares from 0 to 1, an interval in columns of its own."""
        return Shelf(self.run, "tables", ".csv", pd.read_csv)

    @property
    def figures(self) -> "Shelf":
        """The figures of the run: each shows itself in a notebook and has a `path`."""
        return Shelf(self.run, "figures", ".png", Figure)

    @property
    def ends(self) -> list[str]:
        """Those of base and RL whose texts both models have read; else whatever texts these are."""
        there = self.run.arms("tokens")
        return [m for m in MEMBERS if m in there] or there

    def question(self, problem_id: str) -> str:
        """A problem in two lines: its name with the gold answer, and its question. Raises BadInput for a wrong name."""
        known = {problem.problem_id: problem for problem in self.run.problems()}
        if problem_id not in known:
            raise BadInput(f"{self.path} holds no problem {problem_id!r}{near(problem_id, known)}")
        if reason := self.run.left_out().get(problem_id):
            raise BadInput(f"the problem {problem_id!r} has no responses in {self.path}: {reason}")
        return f"{problem_id}   gold answer {known[problem_id].answer}\n{known[problem_id].question}"

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizer that the run keeps: ids of the tables and responses are its."""
        return load_tokenizer(str(self.run.tokenizer_folder))

    def responses(self, problem_id: str) -> pd.DataFrame:
        """What every arm said to a problem, a row a response: arm, label, draw, text, answer, verdict, tokens, stop.

        `answer` and `verdict` are by the answer of the reading; None where it was not graded. Raises BadInput for a
        problem that the run has no response to.
        """
        rows = _of(self.rollouts, problem_id)
        if rows.empty:
            raise BadInput(
                f"{self.path} has no response to {problem_id!r}{near(problem_id, self.problems['problem_id'])}"
            )
        stop_ids, labels = set(self.run.identity["pair"]["stop_ids"]), labels_of(self.run)
        told = []
        for row in rows.to_dict("records"):
            arm, draw = str(row["arm"]), int(row["draw"])
            said = next(iter(self._verdicts(problem_id, arm, draw)), None)
            text = response_text(self.tokenizer, [int(i) for i in row["response_ids"]], stop_ids)
            verdict = (said.answer, said.status) if said else (None, None)
            told.append((arm, labels.get(arm, arm), draw, text, *verdict, len(row["response_ids"]), row["stop"]))
        columns = ["arm", "label", "draw", "text", "answer", "verdict", "tokens", "stop"]
        return pd.DataFrame(told, columns=pd.Index(columns))

    def figure(self, name: str, ax: Any = None) -> Any:
        """Draw a figure of the run again, from the table beside it, on axes of one's own; returns the axes.

        `ax` are matplotlib's axes, as many as the figure has panels (one, or several in a list); without them, new ones
        are made. Raises KeyError for a figure that the run has not, BadInput for another number of axes.
        """
        if name not in self.figures:
            raise KeyError(f"{name!r}; there are {', '.join(self.figures)}")
        data, drawing = pd.read_csv(self.run.file(f"figures/{name}.csv")), drawing_of(name)
        axes = list(np.ravel(ax)) if ax is not None else drawing.axes(data, new_figure(drawing.size(data)))
        rows, columns = (1, drawing.panels) if isinstance(drawing.panels, int) else drawing.panels(data)
        if len(axes) != rows * columns:
            raise BadInput(
                f"the figure {name} has {rows * columns} panels, and ax holds {len(axes)} axes: give as many"
            )
        drawing.draw(data, axes)
        return axes[0] if len(axes) == 1 else axes

    def view(self, problem_id: str, arm: str = "rl", by: str = "class", draw: int = 0) -> TokenView:
        """One response with every token marked, as on the page of `rlprobe report`.

        `arm` is "base", "rl", or an arm of an intervention, by its label in the tables ("entropy 0.6"), its mode where
        one arm has it ("oracle"), or its full specification: gates and edits are shown in place, with the host's own
        choice. Of an arm with seeds the first is shown. `by` is "class", "entropy_base", "entropy_rl", "delta", "kl"
        or "rank". Raises BadInput where the run has no such arm or response, or no token table beside it.
        """
        source = Source.of(self.run)
        name = source.arm_called(arm)
        passage = self._passage(problem_id, name, draw, source)
        words = pieces(self.tokenizer, passage.shown_ids)
        title = f"{problem_id}, {source.arms[name].label}" + (f", draw {draw}" if draw else "")
        return TokenView(passage, words, title, self._verdict(problem_id, name, draw), self._reading.class_k, by)

    def _passage(self, problem_id: str, arm: str, draw: int, source: Source) -> Passage:
        tokens = _of(self.tokens, problem_id)
        own = tokens[(tokens["arm"] == arm) & (tokens["draw"] == draw)]
        if len(own):
            ends = [verdict.end for verdict in self._verdicts(problem_id, arm, draw)]
            return Passage.of_table(own, ends[0] if ends else None)
        rollouts = _of(self.rollouts, problem_id)
        rollouts = rollouts[(rollouts["arm"] == arm) & (rollouts["draw"] == draw)]
        texts = [Passage.of_table(rows) for _, rows in tokens[tokens["draw"] == 0].groupby("arm")]
        if rollouts.empty or not texts:
            raise BadInput(f"{self.path} has no response of {source.arms[arm].label} to {problem_id!r}, draw {draw}")
        return Passage.of_arm({str(name): value for name, value in rollouts.iloc[0].items()}, texts)

    def _verdict(self, problem_id: str, arm: str, draw: int) -> str:
        """What the grader said of a response, in words; nothing where it said nothing."""
        said = self._verdicts(problem_id, arm, draw)
        return "; ".join(WORDS[v.status] + (f": {v.answer}" if v.answer is not None else "") for v in said)

    def _verdicts(self, problem_id: str, arm: str, draw: int) -> list[Verdict]:
        """The verdict on a response by the answer of the reading; none where there is none."""
        layer = layer_of(self.run)
        shards = self.run.shards(layer, arm) if layer else []
        rows = [row for shard in shards for row in self.run.read_shard(str(layer), shard).to_pylist()]
        mine = [row for row in rows if (row["problem_id"], row["draw"]) == (problem_id, draw)]
        return [
            Verdict(*(row[f"{what}_{self._reading.answer}"] for what in ("status", "answer", "end"))) for row in mine
        ]

    @cached_property
    def _reading(self) -> Reading:
        return Reading(**self.summary.get("reading", {}))

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
    """Files of one kind in a folder by their names, opened when asked for. Raises KeyError, naming those there are."""

    run: Run
    folder: str
    suffix: str
    opened: Callable[[Path], Any]

    def __getitem__(self, name: str) -> Any:
        file = self.run.file(f"{self.folder}/{name}{self.suffix}")
        if not file.exists():
            raise KeyError(f"{name!r}; there are {', '.join(self)}")
        return self.opened(file)

    def __iter__(self) -> Iterator[str]:
        return (file.stem for file in self.run.files(f"{self.folder}/*{self.suffix}"))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __repr__(self) -> str:
        return f"{self.folder}: {', '.join(self)}"


@dataclass(frozen=True)
class Figure:
    """A figure as it lies in the run; a notebook shows the bitmap, a PDF lies beside it."""

    path: Path

    def _repr_png_(self) -> bytes:
        return self.path.read_bytes()

    def __repr__(self) -> str:
        return f"figure {self.path.stem}"


def read(run: str | Path) -> Results:
    """A run directory that is there, with what `rlprobe disagree` said of it. Raises BadInput where it is none."""
    opened = runs.read(Path(run))
    return Results(opened, summary_of(opened))


# ---- two results side by side ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side: `settings` in which they differ, and the `tables` that both have."""

    one: Results
    other: Results
    names: tuple[str, str]

    @property
    def settings(self) -> pd.DataFrame:
        """What the identities of the two differ in, a row a setting."""
        here, there = (runs.flat(each.run.identity) for each in (self.one, self.other))
        differ = {name: (here.get(name), there.get(name)) for name in [*dict.fromkeys([*here, *there])]}
        return pd.DataFrame({n: pair for n, pair in differ.items() if pair[0] != pair[1]}, index=list(self.names)).T

    @property
    def tables(self) -> "Pairs":
        """The tables that both runs have, in full precision: a row of either in one row, columns by run."""
        return Pairs(self)

    def __repr__(self) -> str:
        return f"{self.names[0]} and {self.names[1]} differ in {len(self.settings)} settings; tables: " + ", ".join(
            self.tables
        )


@dataclass(frozen=True)
class Pairs(Mapping[str, pd.DataFrame]):
    """The tables of two runs by name."""

    of: Comparison

    def __getitem__(self, name: str) -> pd.DataFrame:
        there = [each.numbers[name] for each in (self.of.one, self.of.other)]
        words = [c for c in there[0] if all(c in t and not pd.api.types.is_numeric_dtype(t[c]) for t in there)]
        told = []
        for table in there:
            again = table.groupby(words, dropna=False).cumcount() if words else table.index.to_series()
            told.append(table.set_index([*words, again.rename("")]))
        return pd.concat(told, axis=1, keys=self.of.names).sort_index(axis=1, level=1, sort_remaining=False)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.of.one.numbers if name in set(self.of.other.numbers))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)


def compare(one: "Results | str | Path", other: "Results | str | Path") -> Comparison:
    """Two runs side by side: the settings in which they differ, and their tables, row by row.

    Raises BadInput for what is no run, or for a run and itself.
    """
    both = [each if isinstance(each, Results) else read(each) for each in (one, other)]
    if both[0].path.resolve() == both[1].path.resolve():
        raise BadInput(f"{both[0].path} is compared with itself: give two runs")
    names = [each.path.name for each in both]
    first, second = names if names[0] != names[1] else [str(each.path) for each in both]
    return Comparison(both[0], both[1], (first, second))


def _of(table: pd.DataFrame, problem_id: str) -> pd.DataFrame:
    return table[table["problem_id"] == problem_id]


def _table(file: Path) -> pd.DataFrame:
    return storage.read_json(file, from_json).map(written)
