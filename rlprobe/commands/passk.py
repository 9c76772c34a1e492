"""`rlprobe passk`: pass@k, where its curves cross, and what either model solves at all, of samples that are there.

They come from a run of `rlprobe sample`, or from a table of counts that somebody else made or published; no model is
needed. What a run's own counts are is written as such a table, so that several runs can be put together in one.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rlprobe import runs
from rlprobe.analysis.disagreement import count_left_out, plain
from rlprobe.analysis.passk import Draws, alone, compared
from rlprobe.analysis.regimes import regimes
from rlprobe.analysis.sampling import draws_of
from rlprobe.commands.progress import Reporter
from rlprobe.commands.reading import read_shown
from rlprobe.commands.sample import shown_by, told_of
from rlprobe.commands.verdicts import layer_of, named_grader
from rlprobe.commands.written import Report, Written
from rlprobe.errors import BadInput
from rlprobe.problems.counts import FAMILY, load_counts, load_families
from rlprobe.problems.datasets import printable
from rlprobe.records import MEMBERS
from rlprobe.reporting.formats import FORMATS
from rlprobe.reporting.passk import FIGURES, TABLES, show
from rlprobe.runs import Run
from rlprobe.settings import PasskSettings

REPORT = Report(TABLES, FIGURES, show)
SUMMARY = "passk.json"
BETWEEN = "between"
ALL = "all"  # the family of problems that nobody sorted


@dataclass(frozen=True)
class Counted:
    """The draws of each model on the same problems, in order, with their families; and who the models are."""

    draws: dict[str, Draws]  # of each of MEMBERS, and of BETWEEN where there is one
    problems: pd.Index
    families: pd.Series
    names: dict[str, str | None]
    left_out: dict[str, str]  # problem_id -> why it is in no comparison

    @property
    def table(self) -> pd.DataFrame:
        """As `load_counts` reads it."""
        parts = [
            pd.DataFrame(
                {"problem_id": self.problems, "model": name, "n": d.drawn, "c": d.right, FAMILY: self.families}
            )
            for member, d in self.draws.items()
            if (name := self.names.get(member))
        ]
        return pd.concat(parts, ignore_index=True).query("n > 0")


def passk(settings: PasskSettings, _: Reporter) -> Written:
    """Analyse the samples of a run, which takes the results in, or a table of counts, whose results go to `out`."""
    source = settings.source
    if source.is_dir():
        return _of_run(source, settings)
    if not source.is_file():
        raise BadInput(f"{source} is neither a run directory nor a table of counts")
    counted = _of_table(load_counts(source), settings)
    found = _found(counted, settings)
    out = settings.out or Path("runs") / f"passk-{printable(source.stem)}"
    about = {**{m: name for m in MEMBERS if (name := counted.names[m])}, "dataset": printable(source.name)}
    identity = {"counts": hashlib.sha256(source.read_bytes()).hexdigest()}
    with runs.writing(out, identity, about, settings.overwrite) as run:
        problems = {"asked": len(counted.problems), "left_out": counted.left_out, "ungraded": []}
        return _write(run, counted, {"about": about, "grader": None, "problems": problems, **found})


def _of_run(path: Path, settings: PasskSettings) -> Written:
    run, answer = runs.read(path), settings.reading.answer
    if settings.base or settings.rl or settings.between or settings.out or settings.overwrite:
        raise BadInput("base, rl, between, out and overwrite are of a table of counts: a run has its own models")
    if not run.file("sample.json").exists():
        raise BadInput(f"{path} has no sampled answers: run `rlprobe sample --out {path}` first")
    choice, asked = told_of(run, run)
    layer = layer_of(run)
    if layer is None:
        raise BadInput(f"{path} has no verdicts: run `rlprobe grade {path}` first")
    _, verdicts = read_shown(asked, shown_by(choice), layer)
    problems = pd.Index(sorted(set(verdicts["problem_id"])))
    draws = {m: draws_of(verdicts[verdicts["arm"] == m], f"status_{answer}", problems) for m in MEMBERS}
    names = {m: run.about[m] if draws[m].known.any() else None for m in MEMBERS}
    counted = Counted(draws, problems, _families(problems, None, settings), names, {})
    found = {"about": run.about, "grader": named_grader(run, layer), "problems": asked.problems(verdicts, answer)}
    found |= _found(counted, settings)
    with run.locked():
        return _write(run, counted, found)


def _of_table(table: pd.DataFrame, settings: PasskSettings) -> Counted:
    names = _models(table, settings)
    problems = pd.Index(dict.fromkeys(table["problem_id"]))
    by_model = {m: table[table["model"] == name].set_index("problem_id") for m, name in names.items()}
    draws = {
        m: Draws(*(rows[column].reindex(problems, fill_value=0).to_numpy(np.int64) for column in ("n", "c")))
        for m, rows in by_model.items()
    }
    left_out = {i: f"no counts of {name}" for m, name in names.items() if name for i in problems[~draws[m].known]}
    return Counted(draws, problems, _families(problems, table, settings), names, left_out)


def _models(table: pd.DataFrame, settings: PasskSettings) -> dict[str, str | None]:
    """Which model of a table is which. Raises BadInput where that is not said, or a name is not there."""
    there = list(dict.fromkeys(table["model"]))
    asked: dict[str, str | None] = {"base": settings.base, "rl": settings.rl, BETWEEN: settings.between}
    given = [name for name in asked.values() if name]
    if lacking := [name for name in given if name not in there]:
        raise BadInput(f"the table has no model {lacking[0]!r}: it has {', '.join(there)}")
    if len({*given}) < len(given):
        raise BadInput("base, rl and between name one model twice")
    if not given:
        asked |= {"base": there[0]} if len(there) == 1 and "rl" not in there else {m: m for m in MEMBERS if m in there}
        if len(there) > 2 or not {*there} <= {*asked.values()}:
            raise BadInput(f"which model is the base? The table has {', '.join(there)}; say it with --base and --rl")
    elif settings.between and not (asked["base"] and asked["rl"]):
        raise BadInput("--between stands between two models: give --base and --rl with it")
    return {m: name for m, name in asked.items() if name or m in MEMBERS}


def _families(problems: pd.Index, table: pd.DataFrame | None, settings: PasskSettings) -> pd.Series:
    """The family of each problem: of the file that was given, else of the table, else one for all."""
    if settings.families:
        of = load_families(settings.families)
        if lacking := [i for i in problems if i not in of]:
            raise BadInput(f"{settings.families} has no family for {lacking[0]!r} and {len(lacking) - 1} others")
        return pd.Series([of[i] for i in problems], index=problems, dtype=object)
    if table is not None and FAMILY in table:
        return table.drop_duplicates("problem_id").set_index("problem_id")[FAMILY].reindex(problems)
    return pd.Series(ALL, index=problems, dtype=object)


def _found(counted: Counted, settings: PasskSettings) -> dict[str, Any]:
    """Everything that is computed."""
    resampling, draws = settings.reading.resampling, counted.draws
    fewest = min((each.fewest for each in draws.values() if each.fewest), default=0)
    if settings.ks and max(settings.ks) > fewest:
        raise BadInput(f"k is {max(settings.ks)}, and some problem has {fewest} draws: k is at most the fewest draws")
    pair = {m: draws[m] for m in MEMBERS}
    found = {
        "reading": settings.reading,
        "models": counted.names,
        "margin": settings.margin,
        "members": {m: alone(each, resampling, settings.ks) for m, each in pair.items()},
        **compared(pair, counted.problems, resampling, settings.ks),
        "regimes": _regimes(counted, settings),
        "left_out": count_left_out(counted.left_out),
    }
    return plain(found)


def _regimes(counted: Counted, settings: PasskSettings) -> list[dict[str, Any]]:
    """The regime of each family, on the problems that every model drew for; none where one model is alone."""
    draws = counted.draws
    known = np.logical_and.reduce([each.known for each in draws.values()])
    if not known.any():
        return []
    most = min(each.among(known).fewest for each in draws.values())
    curves = {m: each.among(known).curve(most) for m, each in draws.items()}
    gain = curves["rl"] - curves["base"]
    gains = {"first": gain[:, 0], "most": gain[:, -1]}
    if BETWEEN in curves:
        gains["late"] = (curves["rl"] - curves[BETWEEN])[:, -1]
    found = regimes(gains, counted.families[known], settings.margin, settings.reading.resampling)
    return [{**each, "k": most} for each in found]


def _write(run: Run, counted: Counted, summary: Mapping[str, Any]) -> Written:
    written = REPORT.write(run, SUMMARY, dict(summary))
    if run.is_writable:
        written.files.append(run.write_text("tables/passk_counts.csv", FORMATS["csv"](counted.table)))
    return written
