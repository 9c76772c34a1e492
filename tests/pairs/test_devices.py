import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from conftest import save_pair
from making import decoded_rollouts, random_prompts
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from rlprobe.commands import Command
from rlprobe.decoding.arms import Arm, disagree, donor_argmax
from rlprobe.decoding.check import load_checked
from rlprobe.decoding.engine import DecodingSettings, Players, Task, decode
from rlprobe.errors import BadInput, UnsupportedArchitecture
from rlprobe.internals.modules import open_model
from rlprobe.pairs import devices
from rlprobe.pairs.devices import device_of, member_devices_of, parts_of, positions_at_once
from rlprobe.pairs.loading import locate
from rlprobe.pairs.networks import spread
from rlprobe.scoring.teacher_forcing import Reader
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
    command = Command("fake", DisagreeSettings, "fake")
    for threads in (before + 1, None):
        command.work(DisagreeSettings(pair=PairChoice(threads=threads)), None)
    assert said == [before + 1, before]
    assert torch.get_num_threads() == before


def test_a_cpu_has_no_card():
    assert devices.card("cpu") == {}


def test_a_member_may_lie_on_several_devices(monkeypatch):
    gpus(monkeypatch, 2)
    for name, parts in (
        ("cuda:0, cuda:1", ["cuda:0", "cuda:1"]),
        ("cuda:1,cpu", ["cuda:1", "cpu"]),
        ("auto", ["cuda:0", "cuda:1"]),
        ("cpu,disk", ["cpu", "disk"]),
        ("cpu", ["cpu"]),
    ):
        assert parts_of(member_devices_of(name)) == parts


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("cuda:0,cuda:7", "no device cuda:7"),
        ("cpu,cpu", "names a device twice"),
        ("disk,cpu", "begins on the disk"),
        ("cpu,", "no kind of device ''"),
    ],
)
def test_a_list_of_devices_that_cannot_be_is_refused(monkeypatch, name, says):
    gpus(monkeypatch, 2)
    with pytest.raises(BadInput, match=says) as refused:
        member_devices_of(name)
    assert "give " in str(refused.value)


def test_where_a_member_is_spread_its_layers_are_shared_in_order_and_the_head_is_at_hand(tiny_folders):
    base, rl = map(str, tiny_folders)
    found = spread(locate(PairChoice(base=base, rl=rl, device="cpu", rl_device="cpu,disk")).rl)
    assert (found["model.layers.0"], found["model.layers.1"]) == ("cpu", "disk")
    assert {found[part] for part in ("model.embed_tokens", "model.norm", "lm_head")} == {"cpu"}


@pytest.mark.parametrize("kind", ["llama", "mixed", "lfm2"])
def test_a_pair_with_a_member_on_cpu_and_disk_says_the_same(tmp_path, kind):
    """The same ids, and the same numbers to the last bit: on a CPU, where a layer lies does not change what it does."""
    base, rl = map(str, save_pair(tmp_path, kind))
    where = {"whole": {}, "spread": {"base_device": "cpu,disk", "rl_device": "cpu,disk"}}
    pairs = {n: load_checked(locate(PairChoice(base=base, rl=rl, device="cpu", **own))) for n, own in where.items()}
    assert "meta" in {p.device.type for p in pairs["spread"].rl.network.parameters()}  # some weights are not in memory
    rollouts = {name: decoded_rollouts(pair, "rl", 4) for name, pair in pairs.items()}
    assert [r.response_ids for r in rollouts["whole"]] == [r.response_ids for r in rollouts["spread"]]
    tables = [Reader(pair, "plain").table(rollouts["whole"]) for pair in pairs.values()]
    assert tables[0].equals(tables[1])
    players = [Players(pair.base, pair.rl, pair.vocabulary) for pair in pairs.values()]
    tasks = [Task(f"p{i}", prompt) for i, prompt in enumerate(random_prompts(3, 200))]
    settings = DecodingSettings(12, 2, frozenset({0}), 256)
    arms = [decode(each, Arm(disagree(), donor_argmax()), tasks, settings)[0] for each in players]
    assert arms[0] == arms[1]


def test_an_adapter_is_not_spread(tiny_folders, tmp_path, monkeypatch):
    base = str(tiny_folders[0])
    network = AutoModelForCausalLM.from_pretrained(base)
    get_peft_model(network, LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path)
    with pytest.raises(BadInput, match="has an adapter and cannot lie on cpu,disk"):
        locate(PairChoice(base=base, rl=f"base+{tmp_path}", device="cpu", rl_device="cpu,disk"))


def test_what_looks_inside_refuses_a_member_that_is_spread(tiny_folders):
    base, rl = map(str, tiny_folders)
    pair = load_checked(locate(PairChoice(base=base, rl=rl, device="cpu", rl_device="cpu,disk")))
    with pytest.raises(UnsupportedArchitecture, match="is spread over several devices"):
        open_model(pair.rl)
