"""Logits against float64, in every dtype."""

import pytest
import torch

from rlprobe.errors import BadInput
from rlprobe.measures.head import BLOCK, Head
from rlprobe.pairs.architecture import LogitFormula

DTYPES = [torch.float32, torch.bfloat16, torch.float16]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("vocab", [7, BLOCK, 2 * BLOCK + 5])
def test_logits_have_float32_accuracy_whatever_the_dtype_of_the_weights(dtype, vocab):
    weight, hidden = random(vocab, 320).to(dtype), random(11, 320, seed=1).to(dtype)
    logits = Head(weight)(hidden)
    exact = hidden.double() @ weight.double().T
    assert logits.dtype == torch.float32
    assert (logits.double() - exact).abs().max() <= 3e-6 * exact.abs().max()


def test_a_plain_bfloat16_product_would_not_pass():
    weight, hidden = random(500, 320).bfloat16(), random(11, 320, seed=1).bfloat16()
    exact = hidden.double() @ weight.double().T
    assert ((hidden @ weight.T).double() - exact).abs().max() > 1e-3 * exact.abs().max()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_bias_is_added(dtype):
    weight, hidden, bias = random(30, 16).to(dtype), random(3, 16).to(dtype), random(30, seed=2).to(dtype)
    assert torch.allclose(Head(weight, bias)(hidden), Head(weight)(hidden) + bias.float())


def test_a_head_cut_to_a_prefix_gives_the_same_logits_and_copies_nothing():
    weight, hidden = random(2 * BLOCK, 64).bfloat16(), random(4, 64).bfloat16()
    cut = Head(weight[:1500])
    assert cut.weight.data_ptr() == weight.data_ptr()
    torch.testing.assert_close(cut(hidden), Head(weight)(hidden)[:, :1500], rtol=0, atol=1e-5)


def test_the_precision_of_other_products_is_left_as_it_was():
    before = torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cuda.matmul.fp32_precision
    for dtype in DTYPES:
        Head(random(30, 16).to(dtype))(random(3, 16).to(dtype))
    assert before == (torch.backends.mkldnn.matmul.fp32_precision, torch.backends.cuda.matmul.fp32_precision)


def test_hidden_states_of_another_dtype_are_refused():
    with pytest.raises(BadInput, match="load both in one dtype"):
        Head(random(30, 16).bfloat16())(random(3, 16))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_follows_the_product_is_done_in_float32(dtype):
    weight, bias, hidden = random(300, 16, seed=1).to(dtype), random(300, seed=2).to(dtype), random(5, 16).to(dtype)
    plain = Head(weight, bias)(hidden).double()
    scaled = Head(weight, bias, LogitFormula(0.25, 3.0))(hidden)
    assert torch.allclose(scaled.double(), 3 * torch.tanh(0.25 * plain / 3), atol=1e-6, rtol=0)
