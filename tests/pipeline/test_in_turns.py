"""One model at a time: the same bytes as with both, one trunk in memory, and nothing left on the disk."""

import gc
import weakref

import pytest
from conftest import save_pair
from making import contents

from rlprobe import runs
from rlprobe.pairs import networks
from rlprobe.scoring import spill


@pytest.fixture
def networks_alive(monkeypatch):
    """How many networks there were at most, each time that one was loaded."""
    alive, most = [], []
    whole = networks.load_network

    def load(*arguments):
        gc.collect()
        most.append(1 + sum(one() is not None for one in alive))
        network = whole(*arguments)
        alive.append(weakref.ref(network))
        return network

    monkeypatch.setattr("rlprobe.pairs.loading.load_network", load)
    return most


@pytest.mark.parametrize("trajectory", ["both", "rl"])
def test_the_bytes_are_those_of_both_at_once_and_one_network_is_there_at_a_time(rlprobe, networks_alive, trajectory):
    assert rlprobe.disagree("--trajectory", trajectory, out="whole")[0] == 0
    networks_alive.clear()
    gc.collect()
    assert rlprobe.disagree("--trajectory", trajectory, "--one-at-a-time", out="turns")[0] == 0
    assert contents(rlprobe.tmp_path / "turns") == contents(rlprobe.tmp_path / "whole")
    assert not [*(rlprobe.tmp_path / "turns").rglob("*spill*")]
    assert max(networks_alive) - networks_alive[0] <= 0  # those that other tests hold are there throughout


@pytest.mark.parametrize("kind", ["lfm2"])
def test_so_they_are_of_a_pair_that_cannot_be_rewound(rlprobe, tmp_path_factory, kind):
    rlprobe.base, rlprobe.rl = save_pair(tmp_path_factory.mktemp(kind), kind)
    assert rlprobe.disagree(out="whole")[0] == rlprobe.disagree("--one-at-a-time", out="turns")[0] == 0
    assert contents(rlprobe.tmp_path / "turns") == contents(rlprobe.tmp_path / "whole")


def test_responses_made_elsewhere_and_samples_too(rlprobe):
    file = rlprobe.tmp_path / "mine.jsonl"
    file.write_text("".join(f'{{"problem_id": "q{i}", "response": "Ann has {i} eggs."}}\n' for i in range(6)))
    for out, more in (("whole", ()), ("turns", ("--one-at-a-time",))):
        code, _, err = rlprobe.disagree("--responses", file, *more, out=out)
        assert code == 0, err
    assert contents(rlprobe.tmp_path / "turns") == contents(rlprobe.tmp_path / "whole")
    common = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 8)
    common = (*common, "--dataset", rlprobe.problems(), "--n", 2)
    for out, more in (("s-whole", ()), ("s-turns", ("--one-at-a-time",))):
        assert rlprobe("sample", *common, *more, "--out", rlprobe.tmp_path / out)[0] == 0
    assert contents(rlprobe.tmp_path / "s-turns", "sample.json") == contents(
        rlprobe.tmp_path / "s-whole", "sample.json"
    )


@pytest.mark.parametrize("elsewhere", [False, True])
def test_what_a_kill_leaves_of_a_spill_is_removed_by_the_next_run(rlprobe, monkeypatch, elsewhere):
    where = rlprobe.tmp_path / "fast disk"
    options = ("--one-at-a-time", *(("--spill", where) if elsewhere else ()))
    with monkeypatch.context() as killed:
        killed.setattr(spill.Spill, "get", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        killed.setattr("rlprobe.scoring.spill.remove_spill", lambda _: None)  # a kill tidies nothing up
        assert rlprobe.disagree(*options)[0] == 130
    left = [*rlprobe.tmp_path.rglob("*.safetensors")]
    assert left
    assert all(file.is_relative_to(where if elsewhere else rlprobe.tmp_path / "run") for file in left)
    assert rlprobe.disagree()[0] == 0  # not one at a time: it need not know of the folder
    assert not [*rlprobe.tmp_path.rglob("*.safetensors")]
    assert not [*rlprobe.tmp_path.rglob("spill*")]
    assert rlprobe.disagree(out="whole")[0] == 0
    assert contents(rlprobe.tmp_path / "run") == contents(rlprobe.tmp_path / "whole")


def test_a_run_that_names_another_folder_as_its_spill_deletes_nothing(rlprobe):
    assert rlprobe.disagree()[0] == 0
    precious = rlprobe.tmp_path / "precious"
    precious.mkdir()
    (precious / "model.safetensors").write_bytes(b"weights")
    runs.read(rlprobe.tmp_path / "run").write_json("spill.json", {"folder": str(precious)})
    code, _, err = rlprobe.disagree()
    assert code == 1
    assert "which is no spill of this run" in err
    assert (precious / "model.safetensors").exists()


def test_the_size_of_the_spill_is_in_the_plan(rlprobe):
    code, out, _ = rlprobe.disagree("--one-at-a-time", "--dry-run")
    assert code == 0
    gigabytes = 2 * 6 * 30 * 32 * 4 / 1e9  # texts x problems x tokens x width x bytes
    assert f"at most {gigabytes:.3g} GB of hidden states are spilled to {rlprobe.tmp_path / 'run'}" in out


@pytest.mark.parametrize("command", ["intervene", "flips", "consequences", "signals"])
def test_commands_that_need_both_models_at_every_token_refuse_it_in_one_line(rlprobe, command):
    code, _, err = rlprobe(command, "--base", rlprobe.base, "--rl", rlprobe.rl, "--one-at-a-time")
    assert code == 2
    assert "this command needs both models at every token" in err
    assert len(err.strip().splitlines()) == 1


def test_spill_has_no_use_alone(rlprobe):
    code, _, err = rlprobe.disagree("--spill", rlprobe.tmp_path)
    assert code == 2
    assert "--spill has no use without --one-at-a-time" in err
