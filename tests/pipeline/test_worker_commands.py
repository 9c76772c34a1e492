"""Every command that has workers leaves with two real ones what it leaves alone, also when ten of them are killed.

One Ray serves this file. Skipped without Ray.
"""

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest

from rlprobe.commands.crew import Crew, connection
from rlprobe.commands.work import Site
from rlprobe.errors import ProblemsLeftOut
from rlprobe.settings import WorkerChoice, Workers

pytest.importorskip("ray", reason="Ray is not installed (pip install 'rlprobe[ray]')")

pytestmark = pytest.mark.slow
KILLS, MOMENT = 10, 0.5  # seconds from a worker seen at work to a kill, at most
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}
BY_TWO = ("--workers", 2)


def files(run):
    """Everything that a run holds, by name, but what was asked for (calls/) and what happened meanwhile (its log)."""
    there = {f.relative_to(run): f for f in run.rglob("*") if f.is_file() and f.name != "log.jsonl"}
    return {str(name): f.read_bytes() for name, f in there.items() if "calls" not in name.parts}


def assert_same(one, other):
    """Two folders hold the same files."""
    these, those = files(one), files(other)
    assert these.keys() == those.keys()
    assert [name for name, content in these.items() if those[name] != content] == []


@pytest.fixture(scope="module")
def ray_is_here():
    with connection(WorkerChoice(Workers(2))):
        yield


@pytest.fixture
def asked(rlprobe):
    """`asked(name, ...)`: a command on the tiny pair and twelve problems, in small shards; it has to end well.

    `asked.line(name, ...)` is what it is called with.
    """

    def line(name, *arguments):
        pair = ("--base", rlprobe.base, *(() if name == "footprint" else ("--rl", rlprobe.rl)), "--threads", 1)
        small = ("--style", "question_answer", "--max-new-tokens", 16, "--dataset", rlprobe.problems(12))
        return [str(each) for each in (name, *arguments, *(() if name == "grade" else (*pair, *small)))]

    def ask(*arguments):
        code, _, err = rlprobe(*line(*arguments))
        assert code == 0, err

    ask.line = line
    return ask


@pytest.fixture
def begun(asked, ray_is_here, shelf, tmp_path):
    """A run of `disagree` in two folders, one for this process alone and one for workers."""
    kept = shelf / "for workers"
    if not kept.exists():
        asked("disagree", "--shard-size", 3, "--out", kept)
    for name in ("alone", "by two"):
        shutil.copytree(kept, tmp_path / name)


class Seen:
    """The workers that were asked for shards while both were ready before, and this process made none itself."""

    def __init__(self, patch):
        self.workers, ask, make = set(), Crew._ask, Crew.make

        def both_ready(crew, site, piece, shards, watch):
            crew.begin(site.prepared, site.reporter, crew.fit.count)
            return make(crew, site, piece, shards, watch)

        def noted(crew, desk):
            self.workers.add(crew._idle[-1])
            ask(crew, desk)

        def alone(_, piece, shards, watch):
            assert not shards, "this process made a shard itself"
            return iter(())

        for owner, name, other in ((Crew, "make", both_ready), (Crew, "_ask", noted), (Site, "_alone", alone)):
            patch.setattr(owner, name, other)


def made_by_both(asked, monkeypatch, tmp_path, name, *arguments, run="--out"):
    """A command in this process alone and by two workers: both leave the same, and more than was there."""
    there = files(tmp_path / "alone")
    asked(name, *arguments, *filter(None, (run,)), tmp_path / "alone")
    with monkeypatch.context() as patch:
        seen = Seen(patch)
        asked(name, *arguments, *filter(None, (run,)), tmp_path / "by two", *BY_TWO)
    assert_same(tmp_path / "alone", tmp_path / "by two")
    made = files(tmp_path / "alone").keys() - there.keys()
    assert any(name.endswith(".parquet") for name in made)
    return len(seen.workers)


def test_flips_by_workers_are_those_of_one_process(asked, begun, monkeypatch, tmp_path):
    choice = ("--all", "--most-trials", 8, "--shard-size", 3)
    assert made_by_both(asked, monkeypatch, tmp_path, "flips", *choice) == 2


def test_other_verdicts_by_workers_are_those_of_one_process(asked, begun, monkeypatch, tmp_path):
    assert made_by_both(asked, monkeypatch, tmp_path, "grade", "--extract", "hashes", run=None) == 2


def test_a_footprint_by_workers_is_that_of_one_process(asked, ray_is_here, rlprobe, monkeypatch, tmp_path):
    checkpoints = (f"first={rlprobe.rl}", f"last={rlprobe.rl}")
    assert made_by_both(asked, monkeypatch, tmp_path, "footprint", *checkpoints, "--shard-size", 3) == 4  # two for each


class Killer(threading.Thread):
    """Kills the workers of a run that are making a shard, each a random moment after one was seen at it."""

    def __init__(self, process, kills, rng):
        super().__init__()
        self.killed = []
        self._process, self._kills, self._rng = psutil.Process(process.pid), kills, rng

    def run(self):
        with suppress(psutil.NoSuchProcess):  # the run has ended
            while len(self.killed) < self._kills:
                if self._at_work():
                    time.sleep(self._rng.uniform(0, MOMENT))
                    for victim in self._at_work()[:1]:
                        victim.kill()
                        victim.wait()
                        self.killed.append(victim.pid)
                time.sleep(0.05)

    def _at_work(self):
        """The workers that make a shard now, in random order."""
        found = [each for each in self._process.children(recursive=True) if is_making(each)]
        return self._rng.sample(found, len(found))


def is_making(process):
    """Whether a process is a worker that makes a shard: Ray calls it after what it does."""
    try:
        return process.cmdline()[:1] == ["ray::Worker.make"]
    except psutil.Error:
        return False


def test_signals_of_which_ten_workers_were_killed_at_random_moments_are_those_of_one_process(asked, rlprobe):
    """Not in this process, whose type checker is on the gates and cannot travel to workers.

    A shard that was hit three times is set aside (exit code 3): the same command is given again.
    """
    choice = ("--signal", "entropy", "--target", 30, "--target", 60, "--most-decodes", 3)
    arguments, rng = ("signals", *choice, "--shard-size", 1), random.Random(0)
    alone, by_two, killed, codes = rlprobe.tmp_path / "alone", rlprobe.tmp_path / "by two", [], []
    asked(*arguments, "--out", alone)
    while not codes or codes[-1] == ProblemsLeftOut.exit_code:
        command = [sys.executable, "-m", "rlprobe", *asked.line(*arguments, "--out", by_two, *BY_TWO)]
        with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            killer = Killer(process, KILLS - len(killed), rng)
            killer.start()
            _, err = process.communicate()
            killer.join()
        killed += killer.killed
        codes.append(process.returncode)
    print(f"{len(killed)} workers were killed at work; the run ended with {codes}")
    assert codes[-1] == 0, err.decode()
    assert len(set(killed)) == KILLS, "the run was too short to be killed in"
    assert_same(alone, by_two)
