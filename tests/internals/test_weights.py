"""What RL changed, against numpy on the explicit difference, by hand, and with a change of known rank."""

import json

import numpy as np
import pytest
import torch
from conftest import save_pair
from safetensors.torch import load_file, save_file

from rlprobe.errors import IncompatiblePair, NotAvailable, UnsupportedArchitecture
from rlprobe.internals import weights
from rlprobe.internals.weights import Both, Place, change_of, place_of, tensors_of
from rlprobe.pairs.checkpoint import Stored, stored_tensors
from rlprobe.pairs.loading import locate
from rlprobe.settings import PairChoice

CPU = torch.device("cpu")
DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def located(base, rl):
    return locate(PairChoice(base=str(base), rl=str(rl), device="cpu"))


def both_of(folder, base, rl, kind="q"):
    """Two tensors as one of a pair, on disk."""
    stored = []
    for member, tensor in (("base", base), ("rl", rl)):
        file = folder / f"{member}.safetensors"
        save_file({"w": tensor.contiguous()}, file)
        stored.append(Stored("w", file, tuple(tensor.shape), DTYPES[tensor.dtype]))
    return Both("w", Place(kind, 0), *stored)


def rewrite(folder, change):
    """Change the tensors of a model on disk."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file, metadata={"format": "pt"})


@pytest.mark.parametrize("shape", [(40, 12), (12, 40), (20, 20), (1, 9)])
@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_singular_values_and_norms_are_those_of_the_difference(tmp_path, monkeypatch, shape, block):
    monkeypatch.setattr(weights, "BLOCK", block)
    generator = torch.Generator().manual_seed(1)
    base = torch.randn(shape, generator=generator)
    rl = base + 0.01 * torch.randn(shape, generator=generator)
    found = change_of(both_of(tmp_path, base, rl), CPU)
    difference = rl.double().numpy() - base.double().numpy()
    expected = np.linalg.svd(difference, compute_uv=False)
    assert np.allclose(found.singular_values, expected, rtol=1e-6, atol=1e-8 * expected[0])
    assert found.base_squares == pytest.approx(np.linalg.norm(base.double().numpy()) ** 2)
    assert found.change_squares == pytest.approx(np.linalg.norm(difference) ** 2)
    assert found.numbers == base.numel()


def test_a_change_of_rank_three_has_three_singular_values(tmp_path):
    generator = torch.Generator().manual_seed(2)
    left, right = (torch.randint(-3, 4, (n, 3), generator=generator).float() for n in (30, 18))
    base = torch.randint(-9, 10, (30, 18), generator=generator).float()  # whole numbers: the sum is exact
    found = change_of(both_of(tmp_path, base, base + left @ right.T), CPU)
    assert found.singular_values is not None
    assert found.singular_values[2] > 1
    assert max(found.singular_values[3:]) < 1e-6 * found.singular_values[0]


def test_weights_that_bfloat16_cannot_tell_apart_are_unchanged(tmp_path):
    base = torch.tensor([1.0, 1.0, 1.0, 256.0, 0.0])
    rl = torch.tensor([1.0, 1.001, 1.01, 257.0, -0.0])  # bfloat16 has steps of 1/128 above 1, and of 2 above 256
    found = change_of(both_of(tmp_path, base, rl, "norm"), CPU)
    assert (found.unchanged, found.unchanged_exact, found.singular_values) == (4, 2, None)


@pytest.mark.parametrize(("base", "rl", "exact"), [("bfloat16", "bfloat16", None), ("float32", "bfloat16", None)])
def test_equality_as_stored_is_told_only_where_it_says_more(tmp_path, base, rl, exact):
    ones = torch.ones(4, 4)
    found = change_of(both_of(tmp_path, ones.to(getattr(torch, base)), ones.to(getattr(torch, rl))), CPU)
    assert (found.unchanged, found.unchanged_exact) == (16, exact)
    assert found.singular_values == [0.0] * 4


def test_no_slice_is_larger_than_a_block(tiny_folders, monkeypatch):
    sizes, read = [], Stored.__getitem__

    def counted(stored, index):
        part = read(stored, index)
        sizes.append(part.numel())
        return part

    monkeypatch.setattr(weights, "BLOCK", 200)
    monkeypatch.setattr(Stored, "__getitem__", counted)
    for both in tensors_of(located(*tiny_folders)):
        change_of(both, CPU)
    assert max(sizes) <= 200
    assert len(sizes) > 100


def test_weights_that_are_not_finite_are_refused(tmp_path):
    broken = torch.ones(3, 3)
    broken[1, 1] = torch.nan
    with pytest.raises(NotAvailable, match="not finite"):
        change_of(both_of(tmp_path, torch.ones(3, 3), broken), CPU)


@pytest.mark.parametrize(
    ("name", "kind", "layer"),
    [
        ("model.embed_tokens.weight", "embed", None),
        ("model.layers.17.self_attn.k_proj.weight", "k", 17),
        ("model.layers.3.self_attn.k_proj.bias", "bias", 3),
        ("model.layers.0.post_attention_layernorm.weight", "norm", 0),
        ("model.layers.2.self_attn.q_norm.weight", "norm", 2),
        ("model.norm.weight", "norm", None),
        ("lm_head.weight", "head", None),
    ],
)
def test_names_say_kind_and_layer(name, kind, layer):
    assert place_of(name) == Place(kind, layer)


@pytest.mark.parametrize("name", ["transformer.h.0.attn.c_attn.weight", "weight", "model.layers.0.mlp.gate.weight"])
def test_an_unknown_architecture_is_refused_by_the_tensor_that_nobody_knows(name):
    with pytest.raises(UnsupportedArchitecture, match=name):
        place_of(name)


def test_every_parameter_is_there_once_in_the_order_of_the_network(tiny_folders, tiny_pair):
    tensors = tensors_of(located(*tiny_folders))
    named = dict(tiny_pair.base.network.named_parameters())
    assert {both.name: both.shape for both in tensors} == {name: tuple(p.shape) for name, p in named.items()}
    layers = [both.place.layer for both in tensors if both.place.layer is not None]
    assert layers == sorted(layers)
    assert tensors[0].place.kind == "embed"


@pytest.mark.parametrize("stored_twice", [False, True])
def test_a_tied_head_is_counted_once(tmp_path, stored_twice):
    folders = save_pair(tmp_path, tie_word_embeddings=True)
    if stored_twice:
        for folder in folders:
            rewrite(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    kinds = [both.place.kind for both in tensors_of(located(*folders))]
    assert kinds.count("embed") == 1
    assert "head" not in kinds


def test_a_head_that_only_one_model_ties_is_compared_with_the_embedding(tmp_path):
    base, rl = save_pair(tmp_path)
    rewrite(base, lambda tensors: tensors.pop("lm_head.weight"))
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    pair = located(base, rl)
    head = next(both for both in tensors_of(pair) if both.place.kind == "head")
    assert head.base == stored_tensors(pair.base)["model.embed_tokens.weight"]


def test_a_vocabulary_that_one_model_padded_is_compared_where_both_have_rows(tmp_path):
    base, rl = save_pair(tmp_path)

    def padded(tensors):
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            tensors[name] = torch.cat([tensors[name], torch.zeros(5, tensors[name].shape[1])])

    before = [change_of(both, CPU) for both in tensors_of(located(base, rl))]
    rewrite(rl, padded)
    tensors = tensors_of(located(base, rl))
    assert [both.left_out for both in tensors if both.place.kind in ("embed", "head")] == [5, 5]
    assert [change_of(both, CPU) for both in tensors] == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.update({"model.norm.weight": torch.ones(7)}), r"shape \(32,\) in base and \(7,\) in rl"),
        (lambda t: t.pop("model.norm.weight"), r"only base has the tensor model\.norm\.weight \(1 such\)"),
        (lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(32)}), "only rl has the tensor"),
    ],
)
def test_models_of_unequal_tensors_are_refused(tmp_path, change, says):
    base, rl = save_pair(tmp_path)
    rewrite(rl, change)
    with pytest.raises(IncompatiblePair, match=says):
        tensors_of(located(base, rl))


def test_tensors_of_three_dimensions_are_refused(tmp_path):
    folders = save_pair(tmp_path)
    for folder in folders:
        rewrite(folder, lambda t: t.update({"model.layers.0.mlp.up_proj.weight": torch.ones(2, 48, 32)}))
    with pytest.raises(UnsupportedArchitecture, match="experts"):
        tensors_of(located(*folders))
