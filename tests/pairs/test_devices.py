import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch

from rlprobe.commands import Command
from rlprobe.errors import BadInput
from rlprobe.pairs import devices
from rlprobe.pairs.devices import device_of, positions_at_once
from rlprobe.pairs.loading import locate
from rlprobe.settings import DisagreeSettings, PairChoice


def gpus(monkeypatch, n: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n)


def test_auto_is_a_gpu_where_there_is_one(monkeypatch):
    for n, device in ((0, "cpu"), (2, "cuda")):
        gpus(monkeypatch, n)
        assert device_of("auto") == device


def test_what_is_there_keeps_its_name(monkeypatch):
    gpus(monkeypatch, 2)
    for name in ("cpu", "cuda", "cuda:0", "cuda:1"):
        assert device_of(name) == name


@pytest.mark.parametrize(
    ("n", "name", "says"),
    [
        (0, "cuda", "no device cuda: torch finds no cuda here"),
        (0, "cuda:1", "no device cuda:1: torch finds no cuda here"),
        (2, "cuda:7", "no device cuda:7: the last one here is cuda:1"),
        (2, "gpu", "no kind of device 'gpu'"),
        (2, "meta", "no kind of device 'meta'"),
        (2, "cuda:-1", "no kind of device"),
        (2, "cpu:1", "the last one here is cpu:0"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line_that_says_what_to_give(monkeypatch, n, name, says):
    gpus(monkeypatch, n)
    with pytest.raises(BadInput, match=says) as refused:
        device_of(name)
    assert "give " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("which", ["device", "base_device", "rl_device"])
def test_a_pair_is_refused_before_any_file_is_read(monkeypatch, which):
    gpus(monkeypatch, 1)
    with pytest.raises(BadInput, match="no device cuda:1"):
        locate(PairChoice(base="no/such", rl="folder", **{which: "cuda:1"}))


def test_a_members_own_device_may_be_auto_as_well(tiny_folders, monkeypatch):
    gpus(monkeypatch, 0)
    base, rl = map(str, tiny_folders)
    located = locate(PairChoice(base=base, rl=rl, device="auto", rl_device="auto"))
    assert (located.base.device, located.rl.device) == ("cpu", "cpu")


@pytest.mark.parametrize("command", ["disagree", "intervene", "flips", "sample", "signals", "weights"])
def test_every_command_that_loads_models_ends_with_exit_code_2(rlprobe, monkeypatch, command):
    gpus(monkeypatch, 0)
    code, _, err = rlprobe(command, "--base", rlprobe.base, "--rl", rlprobe.rl, "--device", "cuda")
    assert (code, "no device cuda" in err) == (2, True)
    assert "Traceback" not in err


def test_so_does_the_footprint_of_checkpoints(rlprobe, monkeypatch):
    gpus(monkeypatch, 0)
    code, _, err = rlprobe("footprint", f"end={rlprobe.rl}", "--base", rlprobe.base, "--device", "cuda")
    assert (code, "no device cuda" in err) == (2, True)


@pytest.mark.parametrize(
    ("gib", "vocab", "positions"),
    [
        (80, 151_936, 256),  # 80 GiB / 16 / (96 * 151,936 bytes) = 368
        (141, 151_936, 512),
        (24, 151_936, 64),  # 110
        (24, 32_000, 512),  # 524
        (4, 151_936, 64),  # 18: no fewer than this
        (80, 452, 2048),  # and no more
    ],
)
def test_a_gpu_holds_as_many_logits_as_a_sixteenth_of_its_memory_takes(monkeypatch, gib, vocab, positions):
    card = SimpleNamespace(total_memory=gib * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: card)
    assert positions_at_once(torch.device("cuda:0"), vocab, on_cpu=7) == positions


def test_a_cpu_holds_what_its_caches_like():
    assert positions_at_once(torch.device("cpu"), 151_936, on_cpu=7) == 7


def test_a_command_computes_with_the_threads_that_it_is_asked_for_and_leaves_them_as_they_were(monkeypatch):
    before, said = torch.get_num_threads(), []
    fake = ModuleType("rlprobe.commands.fake")
    fake.fake = lambda *_: said.append(torch.get_num_threads())
    monkeypatch.setitem(sys.modules, fake.__name__, fake)
    command = Command("fake", DisagreeSettings)
    for threads in (before + 1, None):
        command.work(DisagreeSettings(pair=PairChoice(threads=threads)), None)
    assert said == [before + 1, before]
    assert torch.get_num_threads() == before


def test_a_cpu_has_no_card():
    assert devices.card("cpu") == {}
