"""Kills, flipped bits and truncations, over every command that writes: found or harmless, or the bytes are told.

    python tests/pipeline/surviving.py --kills 100 --flips 30

Each kill starts from a fresh copy of what the command works on, ends the process with SIGKILL at a random moment (half
of them by the clock, half at a random one of its calls to the file system), and lets the same command finish; then
every file must have the bytes of a run that nobody killed. Each flipped bit, and each truncation of each file, meets
`disagree` and `direction`: they must say so, or end in the same bytes. The bundled pair, offline; half an hour.
"""

import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
from killable import Ended, fork_once, load

ROOT = Path(__file__).parents[2]
PROBLEMS = ("--limit", "6", "--max-new-tokens", "24", "--shard-size", "3", "--batch-size", "2")
NOT_RESULTS = ("log.jsonl", ".lock")  # what happened, and who holds the run


@dataclass(frozen=True)
class Case:
    """A command, what it starts from (the name of another case; "" nothing), and its arguments; `{}` is the folder."""

    command: str
    start: str
    arguments: tuple[str, ...]

    def line(self, folder: Path) -> list[str]:
        """The command line in a folder."""
        return [self.command, *(argument.format(folder) for argument in self.arguments)]


CASES = {
    "disagree": Case("disagree", "", (*PROBLEMS, "--out", "{}/run")),
    "disagree --overwrite": Case("disagree", "disagree", (*PROBLEMS, "--overwrite", "--out", "{}/run")),
    "intervene": Case("intervene", "disagree", (*PROBLEMS, "--mode", "oracle", "--out", "{}/run")),
    "flips": Case("flips", "disagree", (*PROBLEMS, "--all", "--most-trials", "4", "--out", "{}/run")),
    "sample": Case("sample", "", (*PROBLEMS, "--n", "2", "--out", "{}/run")),
    "sample --power": Case(
        "sample", "", (*PROBLEMS, "--power", "4", "--power-moves", "2", "--n", "1", "--out", "{}/run")
    ),
    "passk": Case("passk", "sample", ("{}/run",)),
    "signals": Case("signals", "", (*PROBLEMS, "--signal", "entropy", "--target", "50", "--out", "{}/run")),
    "footprint": Case(
        "footprint",
        "",
        (f"mid={ROOT}/experiments/organism/checkpoints/step-016", "last=rl", *PROBLEMS, "--out", "{}/run"),
    ),
    "direction": Case("direction", "disagree", ("{}/run",)),
    "lens": Case("lens", "disagree", ("{}/run", "--points", "4")),
    "patch": Case("patch", "disagree", ("{}/run", "--points", "2", "--layers", "0", "--before", "1", "--no-whole")),
    "steer": Case("steer", "disagree", ("{}/run", "--points", "6", "--coefficient", "1", "--directions", "1")),
    "weights": Case("weights", "", ("--out", "{}/run")),
    "grade": Case("grade", "disagree", ("{}/run", "--answer", "first")),
    "part 1": Case("disagree", "", (*PROBLEMS, "--shard", "1/2", "--out", "{}/part1")),
    "part 2": Case("disagree", "part 1", (*PROBLEMS, "--shard", "2/2", "--out", "{}/part2")),
    "merge": Case("merge", "part 2", ("{}/run", "{}/part1", "{}/part2")),
    "report": Case("report", "disagree", ("{}/run",)),
    "view": Case("view", "disagree", ("{}/run",)),
}


@dataclass
class Bench:
    """Where finished runs are kept, and what each command took to make them."""

    folder: Path
    seconds: dict[str, float]
    calls: dict[str, int]
    codes: dict[str, str]

    def start(self, name: str, into: Path) -> Path:
        """A fresh copy of what a case starts from."""
        shutil.rmtree(into, ignore_errors=True)
        if start := CASES[name].start:
            shutil.copytree(self.folder / start, into, symlinks=True)
        else:
            into.mkdir(parents=True)
        return into

    def finish(self, name: str) -> None:
        """Run a case from beginning to end, and keep it."""
        where = self.start(name, self.folder / name)
        began = time.monotonic()
        ended = fork_once(CASES[name].line(where))
        self.seconds[name], self.calls[name] = time.monotonic() - began, ended.calls
        self.codes[name] = ended.how


def results(folder: Path) -> dict[str, bytes]:
    """Every file that holds results, by name; what was moved aside and what a kill left is none."""
    files = (file for file in folder.rglob("*") if file.is_file() and file.name not in NOT_RESULTS)
    names = ((file.relative_to(folder).as_posix(), file) for file in files)
    return {name: file.read_bytes() for name, file in names if ".part" not in file.name and ".broken" not in name}


def differing(folder: Path, expected: dict[str, bytes]) -> list[str]:
    """The names under which two folders do not hold the same."""
    here = results(folder)
    return sorted(name for name in here.keys() | expected.keys() if here.get(name) != expected.get(name))


def killed_once(bench: Bench, name: str, rng: random.Random, by_clock: bool) -> tuple[Ended, str, list[str]]:
    """(how the killed run ended, how the same command then ended, the files that differ)."""
    where = bench.start(name, bench.folder / "killed")
    line = CASES[name].line(where)
    if by_clock:
        ended = fork_once(line, delay=rng.uniform(0.01, 1.0) * bench.seconds[name])
    else:
        ended = fork_once(line, at_call=rng.randint(1, bench.calls[name]))
    resumed = fork_once(line)
    return ended, resumed.how, differing(where, _at(results(bench.folder / name), bench.folder / name, where))


def _at(found: dict[str, bytes], there: Path, here: Path) -> dict[str, bytes]:
    """The same results, where the folder's own name stands in them as the other's."""
    return {name: content.replace(str(there).encode(), str(here).encode()) for name, content in found.items()}


def harmed(run: Path, flips: int, cuts: int, rng: random.Random) -> Iterator[tuple[str, Path, bytes]]:
    """(what was done, the file, its new content): bits flipped anywhere, each file cut short `cuts` times."""
    files = [
        f for f in sorted(run.rglob("*")) if f.is_file() and f.name not in NOT_RESULTS and "figures" not in f.parts
    ]
    files = [f for f in files if f.stat().st_size and "tables" not in f.parts]
    sizes = [f.stat().st_size for f in files]
    for file in rng.choices(files, [min(size, 20_000) for size in sizes], k=flips):
        content = bytearray(file.read_bytes())
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        yield "flip", file, bytes(content)
    for file, size in zip(files, sizes, strict=True):
        for kept in list(dict.fromkeys((size - 1, 0, size // 2, size // 7)))[:cuts]:
            yield "cut", file, file.read_bytes()[:kept]


def outcome(bench: Bench, file: Path, content: bytes) -> str:
    """What `disagree` and `direction` make of one harmed file of a finished run: found, harmless or WRONG."""
    origin, where = bench.folder / "direction", bench.folder / "harmed"
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(origin, where)
    (where / file.relative_to(origin)).write_bytes(content)
    expected = _at(results(origin), origin, where)
    reader = fork_once(CASES["direction"].line(where))
    told = reader.how == "0" and (where / "run/direction.json").read_bytes() == expected["run/direction.json"]
    if reader.how not in ("0", "1", "2") or (reader.how == "0" and not told):
        return f"WRONG: direction ended {reader.how}"
    writer = fork_once(CASES["disagree"].line(where))
    if writer.how != "0":
        return "found and refused" if writer.how in ("1", "2") else f"WRONG: disagree ended {writer.how}"
    if not told:
        fork_once(CASES["direction"].line(where))
    if wrong := differing(where, expected):
        return f"WRONG: {wrong[:3]}"
    return "found and made again" if any(where.rglob("*.broken")) else "harmless: the same bytes"


def kill_all(bench: Bench, kills: int, rng: random.Random) -> int:
    """The table of kills; returns how many ended wrong."""
    names = [name for name in CASES if not name.startswith("part ")]
    told = {name: Counter[str]() for name in names}
    for number in range(kills):
        name = names[number % len(names)]
        ended, resumed, wrong = killed_once(bench, name, rng, by_clock=number // len(names) % 2 == 0)
        told[name][ended.how if ended.how == "killed" else "ended before"] += 1
        told[name]["wrong"] += bool(wrong) or resumed != bench.codes[name]
        if wrong or resumed != bench.codes[name]:
            click.echo(f"{name}: {ended}, then {resumed}: {wrong}")
    for name in names:
        counts = told[name]
        click.echo(
            f"{name:<22} killed {counts['killed']:>3}   ended before {counts['ended before']:>3}   "
            f"other bytes or exit code {counts['wrong']:>3}"
        )
    click.echo(f"in all: {sum(c['killed'] for c in told.values())} killed")
    return sum(counts["wrong"] for counts in told.values())


def harm_all(bench: Bench, flips: int, cuts: int, rng: random.Random) -> int:
    """The table of flipped bits and truncations; returns how many passed unnoticed and changed something."""
    told = Counter[tuple[str, str]]()
    for what, file, content in harmed(bench.folder / "direction", flips, cuts, rng):
        found = outcome(bench, file, content)
        told[what, found.partition(":")[0]] += 1
        if found.startswith("WRONG"):
            click.echo(f"{what} of {file.relative_to(bench.folder / 'direction')}: {found}")
    for (what, found), number in sorted(told.items()):
        click.echo(f"{what:<5} {found:<22} {number:>4}")
    return sum(number for (_, found), number in told.items() if found == "WRONG")


@click.command(help=__doc__)
@click.option("--kills", default=100, show_default=True, type=click.IntRange(min=0))
@click.option("--flips", default=30, show_default=True, type=click.IntRange(min=0))
@click.option("--cuts", default=3, show_default=True, type=click.IntRange(min=0, max=4), help="Of each file.")
@click.option("--seed", default=0, show_default=True, type=int)
@click.option("--only", multiple=True, help="Only these commands (and what they start from).")
def main(kills: int, flips: int, cuts: int, seed: int, only: tuple[str, ...]) -> None:
    """End with 1 if anything ended in other bytes without a word."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    load()
    for name in [name for name in CASES if only and name not in (*only, "disagree", "direction", "part 1", "part 2")]:
        del CASES[name]
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), {}, {}, {})
        for name in CASES:
            bench.finish(name)
            click.echo(f"{name:<22} {bench.seconds[name]:6.1f} s   ends with {bench.codes[name]}", err=True)
        wrong = kill_all(bench, kills, rng) + harm_all(bench, flips, cuts, rng)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
