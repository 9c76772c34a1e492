"""Claim: what a run is read with does not depend on how many tokens it has: 20 million in at most 1.5 GB.

Runs of made-up numbers are written through the project's own storage: responses of 1,000 tokens of base and RL, read by
both, with an arm between them. Each command reads each of them in a process of its own, whose peak resident memory and
processor seconds are measured. Writes figures/memory.{csv,md,png}.

    python -m experiments.benchmarks.memory --rows 1 --rows 5 --rows 20
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.axes import Axes

from experiments.kept import FIGURES
from experiments.script import script
from rlprobe import runs
from rlprobe.arm_labels import ArmLabel
from rlprobe.commands import COMMANDS
from rlprobe.commands.verdicts import grader_for
from rlprobe.pairs.registry import BUNDLED
from rlprobe.records import GRADE_SCHEMA, MEMBERS, ROLLOUT_SCHEMA, TOKEN_SCHEMA, TOP, Made, Problem, Stop
from rlprobe.reporting.drawing import Drawing, encode, render
from rlprobe.runs import Run, Shard
from rlprobe.settings import GraderChoice

LENGTH, SHARD, VOCABULARY = 1000, 32, 452  # tokens a response, problems a shard, ids of the bundled pair
SWAPPED = 0.03  # of the positions: where the two disagree
ARM = ArmLabel(name="entropy_above(1.2) x donor_argmax x base", mode="entropy", label="entropy 1.2", dose=1.2)
MOST_GB = 1.5
COMPARED = ("delta", "kl", "entropy")
MEASURED = {  # what is measured: a command line behind rlprobe
    "summaries (grade)": ("grade",),
    "direction": ("direction",),
    "report": ("report",),
    "signals (grade)": ("grade",),  # last: the run that the others read becomes the half that it evaluates on
}


def make(path: Path, rows: int) -> Run:
    """A finished run of so many rows of token tables, the same for the same number."""
    problems = [Problem(f"made-{i:06d}", f"What is {i} + 1?", str(i + 1), "made") for i in range(rows // (2 * LENGTH))]
    run = runs.create_or_resume(path, _identity(), _about(len(problems)))
    run.extend(problems, {})
    run.keep_tokenizer(lambda folder: [shutil.copy(file, folder) for file in BUNDLED.glob("base/tokenizer*")])
    grader = grader_for(run.identity, GraderChoice())
    run.write_json(f"grades/{grader.key}/settings.json", grader.canonical())
    for start in range(0, len(problems), SHARD):
        ids = [problem.problem_id for problem in problems[start : start + SHARD]]
        for number, arm in enumerate((*MEMBERS, ARM.name)):
            rng = np.random.default_rng([start, number])
            shard = Shard(arm, start, start + len(ids))
            tokens = _tokens(arm, ids, rng)
            if arm in MEMBERS:
                run.write_shard("tokens", shard, tokens)
            run.write_shard("rollouts", shard, _rollouts(arm, ids, tokens, rng))
            run.write_shard(f"grades/{grader.key}", shard, _grades(arm, ids, rng))
    told = {"ends": {m: m for m in MEMBERS}, "specs": [asdict(ARM)], "draws": 1}
    run.write_json(COMMANDS["intervene"].summary, told)  # what `grade` tells anew
    return run


def with_signals(path: Path, half: Run) -> Run:
    """A run whose `signals` evaluated on all problems of another, which moves into it: what `grade` tells anew."""
    run = runs.create_or_resume(path, _identity(), half.about)
    moved = run.file(f"{runs.INSIDE}/evaluation")
    moved.parent.mkdir(parents=True)
    half.path.rename(moved)
    run.extend(runs.read(moved).problems(), {})
    points = [{"signal": name, "threshold": 1.2, "target": 0.05, "arms": [asdict(ARM)]} for name in COMPARED]
    told: dict[str, Any] = {"kind": "equal-edits", "suffix": "", "equal": "edits", "preset": None, "sampling": None}
    told |= {"hosts": ["base"], "signals": COMPARED, "points": points, "oracles": [asdict(ARM)], "learned": None}
    told |= {"ends": {m: m for m in MEMBERS}, "draws": 1, "first": None, "calibration": {"targets": []}}
    ids = [problem.problem_id for problem in run.problems()]
    run.write_json("signals.json", told | {"split": {"rule": "made", "calibration": [], "evaluation": ids}})
    return run


def _identity() -> dict[str, Any]:
    files: dict[str, Any] = {"files": {}, "revision": None}
    pair = {**dict.fromkeys(MEMBERS, files), "stop_ids": [0], "dtype": "float32"}
    decoding = {"max_new_tokens": LENGTH, "batch_size": 8, "shard": SHARD, "statistics": "plain"}
    asked = {"problems": {"sha256": "made", "golds": "made"}, "prompt": {"style": "question_answer"}}
    return {"pair": pair, **asked, "decoding": decoding, "packages": {}}


def _about(problems: int) -> dict[str, Any]:
    vocabulary = {"common": VOCABULARY, "only_base": 0, "only_rl": 0, "padded_rows": [0, 0]}
    named = {"pair": "made", "base": "base", "rl": "rl", "dataset": "made", "prompt_style": "question_answer"}
    return {**named, "source": f"{problems} made-up problems", "prompt_example": "", "vocabulary": vocabulary}


def _tokens(arm: str, ids: Sequence[str], rng: np.random.Generator) -> pa.Table:
    n = len(ids) * LENGTH
    small = lambda scale: rng.exponential(scale, n).astype(np.float32)  # noqa: E731
    top = {m: rng.integers(1, VOCABULARY, (n, TOP), dtype=np.int32) for m in MEMBERS}
    top["rl"][:, 0] = np.where(rng.random(n) < SWAPPED, top["rl"][:, 0], top["base"][:, 0])
    best = {m: -small(0.3) for m in MEMBERS}
    token = top["rl" if arm == "rl" else "base"][:, 0].copy()
    token[LENGTH - 1 :: LENGTH] = 0
    rank = np.where(top["base"][:, 0] == top["rl"][:, 0], 1, rng.integers(2, 9, n))
    columns: dict[str, Any] = {field.name: small(0.01) for field in TOKEN_SCHEMA if pa.types.is_float32(field.type)}
    columns |= {
        "arm": pa.array([arm]).take(pa.array(np.zeros(n, np.int64))),
        "problem_id": pa.array(ids).take(pa.array(np.repeat(np.arange(len(ids)), LENGTH))),
        "draw": np.zeros(n, np.int32),
        "position": np.tile(np.arange(LENGTH, dtype=np.int32), len(ids)),
        "token_id": token,
        "token": pa.array([f"t{i}" for i in range(VOCABULARY)]).take(pa.array(token)),
        "terminator": token == 0,
        **dict.fromkeys(("rank_base_of_rl", "rank_rl_of_base"), rank.astype(np.int32)),
        "logprob_base_of_rl": best["base"] - small(1.0) * (rank > 1),
        "logprob_rl_of_base": best["rl"] - small(1.0) * (rank > 1),
        **{name: rng.random(n, np.float32) for name in ("acceptance", "sharpening", "sharpening_r2")},
    }
    for m in MEMBERS:
        columns |= {f"argmax_{m}": top[m][:, 0], f"logprob_argmax_{m}": best[m], f"logprob_{m}": best[m] - small(0.05)}
        columns |= {f"rank_{m}": np.where(token == top[m][:, 0], 1, 2).astype(np.int32)}
        columns |= {f"margin_{m}": small(3.0), f"entropy_{m}": small(0.4)}
        columns |= {f"top_ids_{m}": _fives(top[m]), f"top_logprobs_{m}": _fives(np.repeat(best[m], TOP))}
    return pa.table([columns[name] for name in TOKEN_SCHEMA.names], schema=TOKEN_SCHEMA)


def _fives(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), TOP)


def _lists(values: np.ndarray) -> pa.Array:
    """One list a response."""
    return pa.ListArray.from_arrays(np.arange(0, len(values) + 1, LENGTH, dtype=np.int32), pa.array(values))


def _rollouts(arm: str, ids: Sequence[str], tokens: pa.Table, rng: np.random.Generator) -> pa.Table:
    token = tokens["token_id"].to_numpy()
    gated = rng.random(len(token)) < (0 if arm in MEMBERS else 0.05)
    own = tokens[f"logprob_{arm if arm in MEMBERS else 'base'}"].to_numpy()
    columns = {
        **_keys(arm, ids),
        "prompt_ids": pa.array([[1, 2]] * len(ids), pa.list_(pa.int32())),
        "response_ids": _lists(token),
        "host_ids": _lists(np.where(gated, 1, token).astype(np.int32)),
        "gated": _lists(gated),
        "logprobs": _lists(own + rng.normal(0, 1e-6, len(own)).astype(np.float32)),
        "stop": [Stop.EOS.value] * len(ids),
        "made": [Made.ENGINE.value] * len(ids),
    }
    return pa.table([columns[name] for name in ROLLOUT_SCHEMA.names], schema=ROLLOUT_SCHEMA)


def _grades(arm: str, ids: Sequence[str], rng: np.random.Generator) -> pa.Table:
    right = rng.random(len(ids)) < (0.4 if arm == "base" else 0.6)
    verdicts = {"status": np.where(right, "correct", "wrong").tolist(), "answer": ["7"] * len(ids)}
    verdicts["end"] = [LENGTH - 50] * len(ids)
    columns = {f"{name}_{which}": some for which in ("first", "last") for name, some in verdicts.items()}
    columns |= _keys(arm, ids) | {"fell_back": [False] * len(ids)}
    return pa.table([columns[name] for name in GRADE_SCHEMA.names], schema=GRADE_SCHEMA)


def _keys(arm: str, ids: Sequence[str]) -> dict[str, Any]:
    return {"arm": [arm] * len(ids), "problem_id": list(ids), "draw": np.zeros(len(ids), np.int32)}


def measure(run: Path, rows: int, name: str) -> dict[str, Any]:
    """Peak memory and processor seconds of a command, in a process of its own."""
    child = subprocess.Popen([sys.executable, "-m", "rlprobe", *MEASURED[name], run], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise click.ClickException(f"rlprobe {' '.join(MEASURED[name])} ended with {code}")
    return {
        "command": name,
        "million rows": rows / 1e6,
        "peak GB": round(used.ru_maxrss * 1024 / 1e9, 3),
        "processor seconds": round(used.ru_utime + used.ru_stime),
    }


def draw(data: pd.DataFrame, axes: Sequence[Axes]) -> None:
    """Memory to the left, processor seconds to the right."""
    for ax, column in zip(axes, ("peak GB", "processor seconds"), strict=True):
        for name, line in data.groupby("command", sort=False):
            ax.plot(line["million rows"], line[column], "o-", label=str(name), markersize=4)
        ax.set(xlabel="rows of token tables (millions)", ylabel=column, ylim=(0, None), title=column)
    axes[0].axhline(MOST_GB, color="0.4", linestyle=":", linewidth=0.8)
    axes[0].set_ylim(0, 1.1 * MOST_GB)
    axes[1].legend()


def keep(table: pd.DataFrame, folder: Path) -> None:
    """The table and the figure."""
    folder.mkdir(exist_ok=True)
    drawing = Drawing(lambda: table, draw, panels=2, size=lambda _: (7.0, 2.8), intervals=False)
    figure, _ = render(drawing, corner="runs of made-up numbers  ·  one processor")
    (folder / "memory.png").write_bytes(encode(figure, "png"))
    table.to_csv(folder / "memory.csv", index=False)
    rows = [list(table.columns), *table.astype(object).to_numpy().tolist()]
    lines = ["| " + " | ".join(map(str, entries)) + " |" for entries in rows]
    (folder / "memory.md").write_text("\n".join([lines[0], "| --- | ---: | ---: | ---: |", *lines[1:], ""]))


@script(help=__doc__)
@click.option("--rows", "millions", type=float, multiple=True, default=(1.0, 5.0, 20.0), help="Millions of rows.")
@click.option("--only", multiple=True, type=click.Choice(list(MEASURED)), help="Only these commands.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the runs go.  [default: the system's]")
def main(millions: Sequence[float], only: Sequence[str], folder: Path | None) -> None:
    """Make, measure, keep: what an earlier call measured of other commands and sizes stays in the table."""
    found: list[dict[str, Any]] = []
    for rows in (int(1e6 * million) for million in millions):
        with tempfile.TemporaryDirectory(dir=folder) as made:
            run = make(Path(made) / "run", rows)
            for name in (name for name in MEASURED if not only or name in only):
                run = with_signals(Path(made) / "signals", run) if name.startswith("signals") else run
                found.append(measure(run.path, rows, name))
                click.echo(found[-1])
    file, table = FIGURES / "memory.csv", pd.DataFrame(found)
    if file.exists():
        table = pd.concat([pd.read_csv(file), table]).drop_duplicates(["command", "million rows"], keep="last")
    order = {name: place for place, name in enumerate(MEASURED)}
    keep(table.sort_values(["command", "million rows"], key=lambda c: c.map(order).fillna(c)), FIGURES)
    click.echo(table.to_string(index=False))


if __name__ == "__main__":
    main()
