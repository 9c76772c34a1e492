"""Tensors on disk: read in slices, whole or in shards; quantised and missing files are refused."""

import pytest
import torch
from conftest import save_pair
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from rlprobe.errors import IncompatiblePair, NotAvailable
from rlprobe.pairs.checkpoint import stored_tensors
from rlprobe.pairs.loading import locate
from rlprobe.settings import PairChoice


def located(base, rl):
    return locate(PairChoice(base=str(base), rl=str(rl), device="cpu"))


def test_a_slice_is_that_part_of_the_tensor(tiny_folders):
    stored = stored_tensors(located(*tiny_folders).base)
    whole = load_file(tiny_folders[0] / "model.safetensors")
    assert stored.keys() == whole.keys()
    for name, tensor in whole.items():
        assert stored[name].shape == tuple(tensor.shape)
        assert torch.equal(stored[name][1:3], tensor[1:3])
    name = "model.layers.0.mlp.down_proj.weight"
    assert torch.equal(stored[name][:, 5:9], whole[name][:, 5:9])


def test_shards_hold_the_same_tensors_as_one_file(tiny_folders, tmp_path):
    base, rl = tiny_folders
    AutoModelForCausalLM.from_pretrained(base).save_pretrained(tmp_path, max_shard_size="20KB")
    for file in base.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    whole, sharded = (stored_tensors(located(folder, rl).base) for folder in (base, tmp_path))
    assert {n: t[:].tolist() for n, t in whole.items()} == {n: t[:].tolist() for n, t in sharded.items()}


def test_a_missing_shard_is_named(tiny_folders, tmp_path):
    base, rl = save_pair(tmp_path)
    pair = located(base, rl)
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    with pytest.raises(NotAvailable, match=r"no model\.safetensors.*save_pretrained"):
        stored_tensors(pair.base)


def test_quantised_weights_are_refused(tmp_path):
    base, rl = save_pair(tmp_path)
    file = base / "model.safetensors"
    save_file({name: tensor.to(torch.int8) for name, tensor in load_file(file).items()}, file)
    with pytest.raises(IncompatiblePair, match="stored as I8"):
        stored_tensors(located(base, rl).base)


def test_a_damaged_file_says_so(tmp_path):
    base, rl = save_pair(tmp_path)
    pair = located(base, rl)
    (base / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(NotAvailable, match="damaged"):
        stored_tensors(pair.base)
