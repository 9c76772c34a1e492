"""How workers are hired, placed, asked and replaced, with a Ray that is made up (fake_ray.py)."""

import sys
from collections import Counter

import pyarrow as pa
import pytest
from counting import Count, made_run, shards_of
from fake_ray import ActorDiedError, ActorUnavailableError, FakeRay, ObjectLostError
from synthetic_run import make_run

from rlprobe.commands import crew as crews
from rlprobe.commands.crew import Crew, Fit, Node, fitting
from rlprobe.commands.progress import Reporter
from rlprobe.commands.stages import grade
from rlprobe.commands.work import Need, Site
from rlprobe.errors import BadInput, NotAvailable, ProblemsLeftOut
from rlprobe.runs import Shard
from rlprobe.settings import ComputeChoice, DisagreeSettings, GraderChoice, WorkerChoice, Workers, made

QUIET, COUNT, SIX = Reporter(quiet=True), Count(), Fit(6, 2.0, 4.0, 4)


class Read(Count):
    """The same of responses, whose length is known."""

    def needs(self, shard):
        return [Need("rollouts", shard.arm)]


def filled(run, crew=None, piece=COUNT, block=2):
    told = []
    shards = [Shard("base", start, start + block) for start in range(0, 12, block)]
    site = Site(run, QUIET, crew)
    try:
        site.fill(piece, shards, "counting", heed=lambda made: told.append(made.also))
    finally:
        if crew:
            crew.close()
    return told


def crew_on(monkeypatch, ray, fit):
    monkeypatch.setattr(crews, "_ray", lambda: ray)
    monkeypatch.setattr(crews, "LOOK", 0)
    monkeypatch.setattr(crews.own, "unpack", lambda packed: None)  # this process knows what it was given
    return Crew(fit, {})


@pytest.fixture
def serial(tmp_path):
    run = made_run(tmp_path / "serial")
    return run, filled(run)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_make_what_this_process_makes(tmp_path, monkeypatch, serial, workers):
    ray, run = FakeRay({"here": {"CPU": 4}}), made_run(tmp_path / "run")
    told = filled(run, crew_on(monkeypatch, ray, Fit(workers, 0.0, 1.0, 1)))
    assert sorted(told) == sorted(serial[1])
    assert shards_of(run) == shards_of(serial[0])
    assert not ray.groups  # every bundle was given back


@pytest.mark.parametrize(("workers", "said"), [(6, 0), (7, 1)])
def test_workers_that_have_nothing_to_do_are_told_once(tmp_path, monkeypatch, workers, said):
    notes, run = [], made_run(tmp_path / "run")
    monkeypatch.setattr(Reporter, "note", lambda _, text: notes.append(text))
    filled(run, crew_on(monkeypatch, FakeRay({"here": {"CPU": 8}}), Fit(workers, 0.0, 1.0, 1)))
    assert sum("fewer shards to make than workers" in note for note in notes) == said


@pytest.mark.parametrize("error", [ActorDiedError, ActorUnavailableError, ObjectLostError])
def test_the_shard_of_a_lost_worker_is_asked_for_again(tmp_path, monkeypatch, serial, error):
    deaths = Counter({("make", Shard("base", 4, 6)): 2, ("make", Shard("base", 0, 2)): 1, ("begin", None): 2})
    ray, run = FakeRay({"here": {"CPU": 2}}, deaths, error), made_run(tmp_path / "run")
    crew = crew_on(monkeypatch, ray, Fit(2, 0.0, 1.0, 1))
    filled(run, crew)
    assert crew.lost == 5
    assert shards_of(run) == shards_of(serial[0])


def test_a_shard_of_which_three_workers_died_is_set_aside_when_all_others_are_there(tmp_path, monkeypatch, serial):
    ray, run = FakeRay({"here": {"CPU": 2}}, Counter({("make", Shard("base", 4, 6)): 3})), made_run(tmp_path / "run")
    with pytest.raises(ProblemsLeftOut, match=r"3 workers died of each .*: base 000004-000006.parquet; .*run,") as told:
        filled(run, crew_on(monkeypatch, ray, Fit(2, 0.0, 1.0, 1)))
    assert told.value.exit_code == 3
    assert ray.order.count(Shard("base", 4, 6)) == 3
    missing = shards_of(serial[0]).keys() - shards_of(run).keys()
    assert {name.partition(".")[0].rpartition("/")[2] for name in missing} >= {"000004-000006"}
    assert run.missing("counted", "base", 2) == [Shard("base", 4, 6)]


def test_what_a_worker_refuses_is_refused_at_once_in_its_words(tmp_path, monkeypatch):
    ray, run = FakeRay({"here": {"CPU": 2}}), made_run(tmp_path / "run")
    with pytest.raises(BadInput, match="this cannot be counted"):
        filled(run, crew_on(monkeypatch, ray, Fit(2, 0.0, 1.0, 1)), Count(refuses=True))
    assert not ray.groups


def test_workers_that_die_before_they_are_ready_are_given_up_after_three(tmp_path, monkeypatch):
    ray, run = FakeRay({"here": {"CPU": 2}}, Counter({("begin", None): 9})), made_run(tmp_path / "run")
    with pytest.raises(NotAvailable, match="3 workers died before they were ready: it died of"):
        filled(run, crew_on(monkeypatch, ray, Fit(2, 0.0, 1.0, 1)))


@pytest.mark.parametrize("gpus", [0.5, 1.0, 2.0])
def test_workers_share_no_gpu_lie_on_one_node_each_and_start_one_after_the_other(tmp_path, monkeypatch, gpus):
    nodes = {"a": {"CPU": 8.0, "GPU": 3.0}, "b": {"CPU": 8.0, "GPU": 2.0}}
    ray, run = FakeRay(nodes), made_run(tmp_path / "run")
    fit = fitting([Node(n, has["CPU"], has["GPU"]) for n, has in nodes.items()], WorkerChoice(ray="x"), None)
    assert fit.count == 5
    fit = fitting([Node(n, 8.0, has["GPU"]) for n, has in nodes.items()], WorkerChoice(None, "x", gpus), 1)
    assert fit.count == sum(int(has["GPU"] // gpus) for has in nodes.values())
    crew = crew_on(monkeypatch, ray, fit)
    filled(run, crew, block=1)
    assert all(ray.most_used[n][what] <= has[what] for n, has in nodes.items() for what in has)
    assert sum(ray.most_used[n]["GPU"] for n in nodes) == fit.count * gpus
    assert ray.most_starting == 1


def test_the_longest_shards_go_first(tmp_path, monkeypatch):
    run = made_run(tmp_path / "run", problems=4)
    lengths = [3, 9, 1, 5]
    for i, n in enumerate(lengths):
        rows = {"arm": ["base"], "problem_id": [f"p{i}"], "draw": [0], "prompt_ids": [[1]], "response_ids": [[1] * n]}
        rows |= {"host_ids": [[1] * n], "gated": [[False] * n], "logprobs": [[0.0] * n], "stop": ["eos"]}
        run.write_shard("rollouts", Shard("base", i, i + 1), pa.table(rows | {"made": ["engine"]}))
    ray = FakeRay({"here": {"CPU": 1}})
    site = Site(run, QUIET, crew_on(monkeypatch, ray, Fit(1, 0.0, 1.0, 1)))
    site.fill(Read(), [Shard("base", i, i + 1) for i in range(4)], "reading")
    assert [shard.start for shard in ray.order] == [1, 3, 0, 2]


def test_verdicts_by_workers_are_those_of_this_process(tmp_path, monkeypatch):
    found = {}
    for name in ("alone", "by workers"):
        run = make_run(tmp_path / name, problems=40)
        crew = (
            crew_on(monkeypatch, FakeRay({"here": {"CPU": 2}}), Fit(2, 0.0, 1.0, 1)) if name == "by workers" else None
        )
        layer = grade(run, GraderChoice(workers=1), QUIET, crew)
        if crew:
            crew.close()
        found[name] = {str(f.relative_to(run.path)): f.read_bytes() for f in run.files(f"{layer}/**/*")}
    assert found["alone"] == found["by workers"]
    assert len(found["alone"]) >= 6


@pytest.mark.parametrize(
    ("nodes", "choice", "threads", "fit"),
    [
        ([Node("a", 8.0)], WorkerChoice(Workers()), None, Fit(8, 0.0, 1.0, 1)),
        ([Node("a", 8.0)], WorkerChoice(Workers(2)), None, Fit(2, 0.0, 4.0, 4)),
        ([Node("a", 2.0)], WorkerChoice(Workers(4)), None, Fit(4, 0.0, 0.5, 1)),
        ([Node("a", 8.0)], WorkerChoice(Workers(2)), 3, Fit(2, 0.0, 3.0, 3)),
        ([Node("a", 16.0, 4.0)], WorkerChoice(Workers()), None, Fit(4, 1.0, 4.0, 4)),
        ([Node("a", 16.0, 4.0)], WorkerChoice(Workers(3), None, 0.5), None, Fit(3, 0.5, 2.0, 2)),
        (
            [Node("a", 16.0, 8.0), Node("b", 64.0, 4.0), Node("c", 4.0)],
            WorkerChoice(None, "x", 2.0),
            None,
            Fit(6, 2.0, 4.0, 4),
        ),
        ([Node("a", 4.0), Node("b", 2.0)], WorkerChoice(None, "x"), 2, Fit(3, 0.0, 2.0, 2)),
    ],
)
def test_workers_are_counted_by_what_the_nodes_have(nodes, choice, threads, fit):
    assert fitting(nodes, choice, threads) == fit
    assert fit.cpus * fit.count <= sum(node.cpus for node in nodes)


def test_what_does_not_fit_is_refused_in_a_line_that_says_what_does():
    with pytest.raises(BadInput, match="no machine has 8 GPUs for a worker, the most is 4: give --gpus-per-worker"):
        fitting([Node("a", 8.0, 4.0)], WorkerChoice(None, "x", 8.0), None)
    with pytest.raises(BadInput, match="4 workers of 1 GPUs fit, not 5"):
        fitting([Node("a", 8.0, 4.0)], WorkerChoice(Workers(5)), None)


def test_workers_are_auto_or_a_number():
    for given, count in (("auto", None), ("3", 3), (3, 3)):
        assert made(DisagreeSettings, {"workers": given}).crew.workers == Workers(count)
    for wrong in ("0", "-1", "many", "2.5"):
        with pytest.raises(BadInput, match="it is auto, or a whole number"):
            made(DisagreeSettings, {"workers": wrong})
    with pytest.raises(BadInput, match="--gpus-per-worker has no use without --workers or --ray"):
        made(DisagreeSettings, {"gpus_per_worker": 2})
    with pytest.raises(BadInput, match="give no workers with it"):
        DisagreeSettings(compute=ComputeChoice(one_at_a_time=True), crew=WorkerChoice(Workers(2)))


def test_without_ray_workers_are_refused_in_one_line(rlprobe, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = rlprobe.disagree("--workers", "2")
    assert code == 4
    assert err.splitlines() == [
        "rlprobe: workers need Ray: pip install 'rlprobe[ray]'; without it, --shard shares work out"
    ]
    assert not (rlprobe.tmp_path / "run").exists()
