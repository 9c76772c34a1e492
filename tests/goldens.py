"""Every command at a small size on the bundled pair: what it writes and says is kept, or compared byte for byte.

    OMP_NUM_THREADS=1 python tests/goldens.py keep FOLDER
    OMP_NUM_THREADS=1 python tests/goldens.py compare FOLDER [--only intervene]

Not in the suite: bytes are the same on one machine at one thread only. Each case is a fork in a folder of its own; with
--only, what it starts from is the folder that was kept.
"""

import os
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "experiments/organism/checkpoints"
PROBLEMS = ("--limit", "12", "--max-new-tokens", "48", "--shard-size", "6")
NOT_RESULTS = ("log.jsonl", ".lock", "errors.txt")  # what happened, who holds the run, and how long it took
# a time of day, the place of the package, and the digest of what names either
ELSEWHERE = re.compile(rb"\d{4}-\d\d-\d\dT[\d:+]+|[^\"' ]*(?=/rlprobe/pairs/bundled/)|(?<=\"sha256\": \")\w+")

CLAIMS = """
[[claim]]
name = "RL gains at least five points"
quantity = "summary.accuracy.last.gain"
above = 0
margin = 0.05

[[claim]]
name = "few tokens are edited"
quantity = "interventions.arms.entropy 0.3.edited"
between = [0, 0.5]
margin = 0
"""
TEXTS = (
    "Ann has 3 eggs. She buys 4 more. Now she has 7 eggs.",
    "2 + 2 = 4, so the answer is 4.",
    "Tom saw 12 | 13 cats.",
)


@dataclass(frozen=True)
class Case:
    """A command line, run in a copy of the folder that another case (`start`, "" for none) ended with."""

    line: str
    start: str = ""

    @property
    def arguments(self) -> list[str]:
        """As `rlprobe` takes them; PROBLEMS stands for the few that are asked for."""
        parts = (list(PROBLEMS) if word == "PROBLEMS" else [word] for word in self.line.format(steps=STEPS).split())
        return [word for words in parts for word in words]


CASES = {
    "disagree": Case("disagree PROBLEMS --out run"),
    "claims": Case("intervene PROBLEMS --mode entropy:0.3 --claims claims.toml --out run", "disagree"),
    "disagree json": Case("disagree PROBLEMS --json --out run", "disagree"),
    "disagree texts": Case("disagree PROBLEMS --text texts.jsonl --out texts"),
    "direction": Case("direction run", "disagree"),
    "direction json": Case("direction run --tail 0.2 --json", "disagree"),
    "oracle": Case("intervene PROBLEMS --mode oracle --mode random --out run", "disagree"),
    "intervene": Case("intervene PROBLEMS --mode entropy:0.3 --mode matched --mode first:2 --out run", "oracle"),
    "backward": Case("intervene PROBLEMS --mode oracle --mode random --host rl --out run", "disagree"),
    "sampled": Case("intervene PROBLEMS --mode entropy:0.3 --sample --draws 2 --out run", "disagree"),
    "plan": Case("intervene PROBLEMS --mode entropy:0.3 --dry-run --out run", "disagree"),
    "flips": Case("flips PROBLEMS --all --most-trials 8 --out run", "disagree"),
    "consequences": Case("consequences PROBLEMS --out run", "disagree"),
    "sample": Case("sample PROBLEMS --n 3 --out run"),
    "signals": Case("signals PROBLEMS --out run"),
    "signals sampled": Case("signals PROBLEMS --signal entropy --signal kl --sample --draws 2 --out run"),
    "footprint": Case("footprint first={steps}/step-016 last=rl PROBLEMS --out run"),
    "lens": Case("lens run --points 12", "disagree"),
    "patch": Case("patch run --points 3 --layers 0,1 --before 1", "disagree"),
    "steer": Case("steer run --points 12 --coefficient 1 --directions 2", "disagree"),
    "weights": Case("weights --out run"),
    "weights ranks": Case("weights --ranks 1,4 PROBLEMS --out run"),
    "grade": Case("grade run --answer first", "intervene"),
    "grade sample": Case("grade run --answer first", "sample"),
    "part 1": Case("disagree PROBLEMS --shard 1/2 --out part1"),
    "part 2": Case("disagree PROBLEMS --shard 2/2 --out part2", "part 1"),
    "merge": Case("merge run part1 part2", "part 2"),
    "report": Case("report run", "intervene"),
    "pairs": Case("pairs"),
    "datasets": Case("datasets"),
    "arms": Case("arms"),
}


def run_all(names: list[str], folder: Path, kept: Path) -> None:
    """Run the cases, each in FOLDER/its name, with what it said on standard output beside its files.

    What a case starts from is taken from `kept` where it is none of the cases.
    """
    for name in names:
        where = folder / name.replace(" ", "-")
        began = time.monotonic()
        if start := CASES[name].start:
            origin = (folder if start in names else kept) / start.replace(" ", "-")
            shutil.copytree(origin, where, symlinks=True)
            (where / "said.txt").unlink()
        else:
            where.mkdir(parents=True)
            _inputs(where)
        code = _fork(CASES[name].arguments, where)
        click.echo(f"{name:<18} {time.monotonic() - began:6.1f} s   ends with {code}", err=True)


def _inputs(where: Path) -> None:
    """What some of the command lines read."""
    (where / "claims.toml").write_text(CLAIMS)
    (where / "texts.jsonl").write_text("".join(f'{{"text": "{text}"}}\n' for text in TEXTS))


def _fork(arguments: list[str], where: Path) -> int:
    """`rlprobe ARGUMENTS` as a child in a folder; its exit code is the last line of what it said."""
    said = where / "said.txt"
    child = os.fork()
    if child == 0:
        os.chdir(where)
        _become(arguments, said)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with said.open("a") as stream:
        stream.write(f"\nexit code {code}\n")
    return code


def _become(arguments: list[str], said: Path) -> None:
    from rlprobe.cli import main

    sys.argv = ["rlprobe", *arguments]
    with said.open("wb") as out, (said.parent / "errors.txt").open("ab") as errors:
        os.dup2(out.fileno(), 1)
        os.dup2(errors.fileno(), 2)
    try:
        main()
    except SystemExit as end:
        sys.stdout.flush()
        os._exit(int(end.code or 0))
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(99)


def results(folder: Path) -> Iterator[tuple[str, bytes]]:
    """(name, content) of every result, without what depends on when and where it was made."""
    for file in sorted(f for f in folder.rglob("*") if f.is_file() and f.name not in NOT_RESULTS):
        content = file.read_bytes()
        is_text = file.suffix in (".json", ".txt", ".csv", ".md", ".tex")
        yield file.relative_to(folder).as_posix(), ELSEWHERE.sub(b"", content) if is_text else content


def compare(here: Path, kept: Path, names: list[str]) -> int:
    """Say what differs and how many files do not; returns how many do."""
    told = Counter[str]()
    for name in (n.replace(" ", "-") for n in names):
        mine, theirs = dict(results(here / name)), dict(results(kept / name))
        for file in sorted(mine.keys() | theirs.keys()):
            if mine.get(file) == theirs.get(file):
                told[f"{Path(file).suffix or 'other'} the same"] += 1
            else:
                how = "is new" if file not in theirs else "is gone" if file not in mine else "differs"
                told[f"{Path(file).suffix or 'other'} not"] += 1
                click.echo(f"{name}/{file} {how}")
    for what, number in sorted(told.items()):
        click.echo(f"{what:<20} {number:>5}")
    return sum(number for what, number in told.items() if what.endswith("not"))


@click.command(help=__doc__)
@click.argument("what", type=click.Choice(["keep", "compare"]))
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--only", multiple=True, type=click.Choice(list(CASES)), help="Only these cases.")
def main(what: str, folder: Path, only: tuple[str, ...]) -> None:
    """End with 1 if a byte differs."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import rlprobe

    _ = rlprobe.disagree  # everything heavy, before the forks

    names = [name for name in CASES if name in only or not only]
    with tempfile.TemporaryDirectory() as made:
        run_all(names, Path(made), folder)
        if what == "keep":
            shutil.copytree(made, folder, dirs_exist_ok=True, symlinks=True)
        sys.exit(1 if what == "compare" and compare(Path(made), folder, names) else 0)


if __name__ == "__main__":
    main()
