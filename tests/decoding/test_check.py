"""The check at load: it sees what decoding does wrong, refuses in one line, and costs two passes a member."""

import logging
import re
from dataclasses import replace

import pytest
import torch
from checkpoints import located
from conftest import save_pair
from torch import nn

from rlprobe.decoding import check as checking
from rlprobe.decoding.check import check, load_checked
from rlprobe.decoding.lanes import Lanes
from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs.architecture import LogitFormula
from rlprobe.pairs.loading import load
from rlprobe.pairs.model import Way


@pytest.fixture
def pair_and_configs(tmp_path):
    def make(kind="llama", **settings):
        pair = located(*save_pair(tmp_path, kind, **settings))
        return load(pair), {"base": pair.base.config, "rl": pair.rl.config}

    return make


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3", "mistral", "mixed", "lfm2", "mamba"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_can_be_read_passes(tmp_path, kind, dtype):
    pair = load_checked(located(*save_pair(tmp_path, kind), dtype=dtype))
    assert pair.way is (Way.STEPS if kind in ("lfm2", "mamba") else Way.LANES)


def test_one_member_that_cannot_be_rewound_makes_both_go_slowly(pair_and_configs):
    pair, configs = pair_and_configs()
    mixed = replace(pair, rl=replace(pair.rl, way=Way.STEPS))
    assert {member.way for member in check(mixed, configs).members.values()} == {Way.STEPS}


@pytest.mark.parametrize(
    ("wrong", "by"),
    [
        ({"formula": LogitFormula(scale=0.9)}, "a scale"),
        ({"formula": LogitFormula(cap=3.0)}, "a cap"),
        ({"head_bias": torch.linspace(0, 1, 300)}, "a bias"),
    ],
)
def test_logits_that_are_not_what_the_network_says_are_refused(pair_and_configs, wrong, by):
    pair, configs = pair_and_configs()
    with pytest.raises(IncompatiblePair) as error:
        check(replace(pair, rl=replace(pair.rl, **wrong)), configs)
    said = str(error.value)
    assert "\n" not in said
    assert error.value.exit_code == 5
    assert "(llama, fused attention) is not read exactly" in said
    assert "0.001" in said


def gone_from_lanes(pair, configs, caplog) -> str:
    """What is said where lanes are wrong and the slower ways are not."""
    with caplog.at_level(logging.WARNING):
        checked = check(pair, configs)
    assert {member.way for member in checked.members.values()} == {Way.STEPS}
    (record,) = (r.getMessage() for r in caplog.records)
    assert "\n" not in record
    assert record.endswith("both models are read by plain passes and decode in lock-step, as exact and slower")
    return record


def test_a_mask_that_shows_the_future_ends_the_lanes(pair_and_configs, monkeypatch, caplog):
    pair, configs = pair_and_configs()
    seen = lambda self, kind, positions, slot: (slot <= positions[:, :, None] + 1)[:, None]  # noqa: E731
    monkeypatch.setattr(Lanes, "_mask", seen)
    assert "is not read exactly in rows of unequal length" in gone_from_lanes(pair, configs, caplog)


def test_a_window_that_is_a_token_too_long_ends_the_lanes(pair_and_configs, caplog):
    """Reached only by a text that is longer than the window."""
    pair, configs = pair_and_configs("mistral")
    mask = Lanes._mask

    def wide(self, kind, positions, slot):
        return mask(self, kind, positions, slot) | (slot == positions[:, :, None] - 9)[:, None]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lanes, "_mask", wide)
        assert "is not read exactly in rows of unequal length" in gone_from_lanes(pair, configs, caplog)
    assert check(pair, configs).way is Way.LANES


def test_a_rewind_that_forgets_nothing_ends_the_lanes(pair_and_configs, monkeypatch, caplog):
    """Ids that are read a second time have to stand where they stood."""
    pair, configs = pair_and_configs()
    monkeypatch.setattr(torch.Tensor, "__isub__", lambda self, _: self)
    gone_from_lanes(pair, configs, caplog)


def test_an_architecture_whose_code_crashes_under_the_lanes_leaves_them(pair_and_configs, monkeypatch, caplog):
    pair, configs = pair_and_configs()
    monkeypatch.setattr(Lanes, "_masks", lambda *_: torch.ones(1, 2, 3, 4, 5, dtype=torch.bool))
    said = gone_from_lanes(pair, configs, caplog)
    assert re.search(r"cannot be read in rows of unequal length \(\w+Error: .*know this", said)


def test_what_no_way_reads_is_refused_in_one_line(pair_and_configs, monkeypatch):
    pair, configs = pair_and_configs()

    def crash(*_):
        raise ValueError("no such state\nsecond line")

    monkeypatch.setattr(Lanes, "read", crash)
    monkeypatch.setattr(checking, "read_whole", crash)
    with pytest.raises(
        IncompatiblePair, match=r"cannot be read by whole passes \(ValueError: no such state.*know this"
    ) as it:
        check(pair, configs)
    assert "\n" not in str(it.value)


@pytest.mark.parametrize("kind", ["llama", "mistral"])
def test_it_costs_two_passes_a_member_and_at_most_512_ids(pair_and_configs, kind, monkeypatch):
    pair, configs = pair_and_configs(kind)
    read = {"whole": [], "lanes": []}
    for member in pair.members.values():
        network = member.network
        forward = network.forward
        monkeypatch.setattr(
            network, "forward", lambda *a, _f=forward, **k: (read["whole"].append(k["input_ids"].shape), _f(*a, **k))[1]
        )
    lanes_read = Lanes.read
    monkeypatch.setattr(
        Lanes, "read", lambda self, ids, *rest: (read["lanes"].append(ids.shape), lanes_read(self, ids, *rest))[1]
    )
    check(pair, configs)
    assert [shape[0] for shape in read["whole"]] == [1, 1]
    assert len(read["lanes"]) == 4  # two chunks a member
    longest = read["whole"][0][1]
    assert longest <= checking.LONGEST
    assert sum(shape[1] for shape in read["lanes"][:2]) <= longest + 3  # what was rewound is read twice
    if kind == "mistral":
        assert longest > 9


def test_a_window_that_is_not_reached_is_in_the_log(tmp_path, caplog):
    pair = located(*save_pair(tmp_path, "mistral"))
    model = load(pair).base
    pair.base.config.sliding_window = 4096
    with caplog.at_level(logging.INFO):
        assert checking._length(model, pair.base.config) == 64
    assert "does not reach its window of 4096" in caplog.text


def test_a_pair_of_a_model_with_itself_is_told(tiny_folders, caplog):
    with caplog.at_level(logging.WARNING):
        load_checked(located(tiny_folders[0], tiny_folders[0]))
    assert "say exactly the same at all 64 positions of the check: is that the RL model?" in caplog.text


def test_different_models_are_not(tiny_folders, caplog):
    with caplog.at_level(logging.WARNING):
        load_checked(located(*tiny_folders))
    assert "exactly the same" not in caplog.text


def test_weights_that_are_not_numbers_are_refused_before_anything_is_decoded(pair_and_configs):
    pair, configs = pair_and_configs()
    nn.init.constant_(pair.rl.network.model.norm.weight, float("nan"))
    with pytest.raises(NotAvailable, match="are not finite"):
        check(pair, configs)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_in_16_bits_the_bound_is_measured_and_still_sees_what_is_wrong(tmp_path, dtype):
    where = located(*save_pair(tmp_path, "qwen2"), dtype=dtype)
    pair, configs = load(where), {"base": where.base.config, "rl": where.rl.config}
    check(pair, configs)
    with pytest.raises(IncompatiblePair, match="is not read exactly"):
        check(replace(pair, rl=replace(pair.rl, formula=LogitFormula(cap=3.0))), configs)


def test_a_short_context_makes_no_tokenizer_warn_of_the_checks_own_text(tiny_folders, caplog, monkeypatch):
    pair = located(*tiny_folders)
    monkeypatch.setattr(pair.tokenizer, "model_max_length", 8)
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    caplog.set_level(logging.WARNING, logger="transformers")  # an earlier command in this process may have silenced it
    assert len(checking._ids(pair, 5)) == 5
    assert not caplog.records
    pair.tokenizer(checking._TEXT)
    assert "longer than the specified maximum sequence length" in caplog.text  # which it says of any other text
