"""A run directory that can be looked at: its tables, figures and tokens. Computes nothing that a command computes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from rlprobe import runs, storage
from rlprobe.analysis.classes import classify
from rlprobe.commands.report import Source, summary_of
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import BadInput
from rlprobe.pairs.pieces import pieces
from rlprobe.pairs.sources import load_tokenizer
from rlprobe.records import MEMBERS
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
        words = pieces(load_tokenizer(str(self.run.tokenizer_folder)), passage.shown_ids)
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


def _of(table: pd.DataFrame, problem_id: str) -> pd.DataFrame:
    return table[table["problem_id"] == problem_id]


def _table(file: Path) -> pd.DataFrame:
    return storage.read_json(file, from_json).map(written)
