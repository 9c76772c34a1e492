"""Runs by real Ray workers: the bytes of a serial one, also when a node or the driver dies. Skipped without Ray.

Other commands, and workers that are killed: test_worker_commands.py. Everything that can be told without processes is
told with a made-up Ray (test_crew.py).
"""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from counting import Count, made_run, shards_of
from making import contents

from rlprobe.commands.crew import Crew, connection, fitting
from rlprobe.commands.progress import Reporter
from rlprobe.commands.work import Bench, Made, Site
from rlprobe.runs import Shard
from rlprobe.settings import WorkerChoice, Workers

ray = pytest.importorskip("ray", reason="Ray is not installed (pip install 'rlprobe[ray]')")

pytestmark = pytest.mark.slow
QUIET, HERE = Reporter(quiet=True), WorkerChoice(Workers(2))
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}


@dataclass(frozen=True)
class Slow(Count):
    """A piece of work that takes a moment and leaves the number of its process behind."""

    seconds: float = 0.3
    pids: str = ""

    def make(self, bench: Bench, shard: Shard) -> Made:
        (Path(self.pids) / str(os.getpid())).touch()
        time.sleep(self.seconds)
        return super().make(bench, shard)


def shards(block=1):
    return [Shard("base", start, start + block) for start in range(0, 12, block)]


@pytest.fixture
def serial(tmp_path):
    run = made_run(tmp_path / "serial")
    Site(run, QUIET).fill(Count(), shards(), "counting")
    return shards_of(run)


def test_the_loss_of_a_node_loses_nothing_and_gpus_are_not_shared(tmp_path, serial):
    """Two machines with GPUs that are only counted; one of them is gone while its worker is at work."""
    from ray.cluster_utils import Cluster

    pids, run = tmp_path / "pids", made_run(tmp_path / "run")
    pids.mkdir()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
    nodes = [cluster.add_node(num_cpus=2, num_gpus=1) for _ in range(2)]
    choice, lose = WorkerChoice(None, cluster.address), [nodes[1]]
    try:
        with connection(choice) as there:
            fit = fitting(there, choice, 1)
            assert (fit.count, fit.gpus) == (2, 1)
            crew = Crew(fit, {})

            def heed(made):
                if lose and len(list(pids.iterdir())) == 2:  # both have begun
                    assert ray.available_resources().get("GPU", 0) == 0
                    cluster.remove_node(lose.pop(), allow_graceful=False)

            try:
                Site(run, QUIET, crew).fill(Slow(pids=str(pids), seconds=1), shards(), "counting", heed=heed)
            finally:
                crew.close()
    finally:
        cluster.shutdown()
    assert not lose
    assert shards_of(run) == serial


@pytest.fixture
def asked(tiny_folders, tmp_path):
    """An intervention on a tiny pair, in small shards; everything but where to and by whom."""
    problems = tmp_path / "problems.jsonl"
    rows = [{"id": i, "question": f"Ann has {i} eggs. She buys {i} more.", "answer": str(2 * i)} for i in range(12)]
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pair = ("--base", tiny_folders[0], "--rl", tiny_folders[1], "--style", "question_answer", "--dataset", problems)
    small = ("--max-new-tokens", 24, "--shard-size", 2, "--batch-size", 2, "--threads", 1, "--max-failed", 99)
    return ("intervene", *pair, *small, "--mode", "oracle", "--mode", "random", "--seeds", 1)


def begun(*arguments) -> subprocess.Popen:
    command, pipe = [sys.executable, "-m", "rlprobe", *map(str, arguments)], subprocess.PIPE
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=pipe, stderr=pipe, text=True)


def finished(*arguments):
    process = begun(*arguments)
    _, err = process.communicate()
    assert process.returncode == 0, err


def test_a_run_by_workers_has_the_bytes_of_a_serial_one_also_after_the_driver_was_killed(asked, tmp_path):
    finished(*asked, "--out", tmp_path / "serial")
    expected = contents(tmp_path / "serial", "interventions.json")
    for workers in (1, 2, 4):
        out = tmp_path / f"by {workers}"
        if workers == 2:
            with begun(*asked, "--workers", 2, "--out", out) as process:
                while len(list(out.glob("rollouts/*/*.parquet"))) < 8 and process.poll() is None:
                    time.sleep(0.05)
                process.kill()
            assert process.returncode == -signal.SIGKILL
        finished(*asked, "--workers", workers, "--out", out)
        assert contents(out, "interventions.json") == expected


def test_what_there_is_is_listed_with_what_fits_and_ray_says_nothing_of_its_own(tiny_folders):
    process = begun("workers", "--base", tiny_folders[0], "--rl", tiny_folders[1], "--workers", 2)
    out, err = process.communicate()
    assert process.returncode == 0, err
    header, machine, fits, weights = out.splitlines()[:4]
    assert header.split() == ["machine", "processors", "GPUs", "cards", "memory"]
    assert len(machine.split()) == 6
    assert fits.startswith("2 workers fit, each with ")
    assert weights.startswith("the weights of ")
    assert err == ""
