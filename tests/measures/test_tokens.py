"""The numbers of the token table against ten lines of numpy; compiled against plain; slices against wholes."""

import math
import re
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._inductor.utils import run_and_get_code

from rlprobe.errors import BadInput, NotAvailable, RlprobeError
from rlprobe.measures import passes
from rlprobe.measures.head import Head
from rlprobe.measures.passes import WORTH_COMPILING, choose_path
from rlprobe.measures.tokens import SLICE, TokenStatistics, dual_statistics, token_statistics
from rlprobe.records import TOKEN_SCHEMA

CPU = torch.device("cpu")
LINE = ("varentropy_base", "delta_variance", "sharpening", "sharpening_r2")  # whose errors are relative
needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("g++", "c++", "clang++"))),
    reason="NOT TESTED: the compiled path, for want of a C++ compiler",
)


def reference(base: np.ndarray, rl: np.ndarray, token: int) -> dict[str, float]:
    """One position, float64."""
    x = {"base": base.astype(float), "rl": rl.astype(float)}
    log = {m: v - v.max() - np.log(np.exp(v - v.max()).sum()) for m, v in x.items()}
    p = {m: np.exp(v) for m, v in log.items()}
    order = {m: np.lexsort((np.arange(len(v)), -v)) for m, v in x.items()}
    best = {m: order[m][0] for m in order}
    rank = {m: 1 + np.argsort(order[m]) for m in order}
    mean = np.maximum((p["base"] + p["rl"]) / 2, 1e-300)
    kl = {(a, b): (p[a] * (log[a] - log[b])).sum() for a, b in (("rl", "base"), ("base", "rl"))}
    found = {"kl_rl_base": kl["rl", "base"], "kl_base_rl": kl["base", "rl"]}
    found |= line(log["base"], log["rl"]) | {"acceptance": np.minimum(p["base"], p["rl"]).sum()}
    found["js"] = sum((p[m] * np.log(np.maximum(p[m], 1e-300) / mean)).sum() for m in p) / 2
    for m, other in (("base", "rl"), ("rl", "base")):
        found |= {f"logprob_{m}": log[m][token], f"rank_{m}": rank[m][token], f"argmax_{m}": best[m]}
        found |= {f"logprob_argmax_{m}": log[m].max(), f"margin_{m}": -np.diff(log[m][order[m][:2]])[0]}
        found |= {f"entropy_{m}": -(p[m] * log[m]).sum()}
        found |= {f"rank_{m}_of_{other}": rank[m][best[other]], f"logprob_{m}_of_{other}": log[m][best[other]]}
        found |= {f"top_ids_{m}": order[m][:5], f"top_logprobs_{m}": log[m][order[m][:5]]}
    return found


def line(x: np.ndarray, rl: np.ndarray) -> dict[str, float]:
    """The straight line through (log p_base, Δ log p), from the differences of all pairs of tokens; float64."""
    apart, weight = (x[:, None] - x, (rl - x)[:, None] - (rl - x)), np.exp(x[:, None] + x) / 2
    across, both, along = ((weight * apart[i] * apart[j]).sum() for i, j in ((0, 0), (0, 1), (1, 1)))
    slope = both / across if across > 1e-30 else np.nan
    explained = slope * (both / along) if along > 1e-30 else np.nan
    return {"varentropy_base": across, "delta_variance": along, "sharpening": slope, "sharpening_r2": explained}


def assert_equals_reference(found: TokenStatistics, base: torch.Tensor, rl: torch.Tensor, tokens: torch.Tensor) -> None:
    for i, token in enumerate(tokens.tolist()):
        for name, expected in reference(base[i].numpy(), rl[i].numpy(), token).items():
            actual = getattr(found, name)[i].numpy()
            error = 1e-4 if name in LINE else 3e-6
            np.testing.assert_allclose(actual, expected, rtol=error, atol=error, err_msg=name)


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def ids(n: int, vocab: int) -> torch.Tensor:
    return torch.randint(vocab, (n,), generator=torch.Generator().manual_seed(9))


def assert_same(a: TokenStatistics, b: TokenStatistics, nats: float) -> None:
    """Numbers within so many nats; ids, ranks and everything at 0 nats exactly."""
    for name, x, y in zip(TokenStatistics._fields, a, b, strict=True):
        rtol = nats if name in LINE else 0
        torch.testing.assert_close(
            x, y, rtol=rtol, atol=nats if x.is_floating_point() else 0, equal_nan=True, msg=lambda why, n=name: n + why
        )


def test_the_columns_are_those_of_the_token_table_in_its_order():
    names = TOKEN_SCHEMA.names
    columns = (
        names[names.index("logprob_base") : names.index("sharpening_r2") + 1] + names[names.index("top_ids_base") :]
    )
    assert list(TokenStatistics._fields) == [*columns, "log_sum_base", "log_sum_rl"]


@pytest.mark.parametrize("vocab", [5, 97, 128, 1000])
@pytest.mark.parametrize("scale", [0.01, 3.0, 40.0])
def test_random_logits_give_the_numbers_of_the_reference(vocab, scale):
    base = random(9, vocab, seed=0) * scale
    rl = base + random(9, vocab, seed=1)
    assert_equals_reference(token_statistics(base, rl, ids(9, vocab), "plain"), base, rl, ids(9, vocab))


coarse = st.lists(st.integers(-2, 2).map(float), min_size=6, max_size=6)


@given(coarse, coarse, st.integers(0, 5))
@settings(deadline=None)
def test_logits_full_of_ties_give_the_numbers_of_the_reference(base, rl, token):
    base, rl, tokens = torch.tensor([base]), torch.tensor([rl]), torch.tensor([token])
    assert_equals_reference(token_statistics(base, rl, tokens, "plain"), base, rl, tokens)


def test_where_all_logits_are_equal_rank_is_the_id_plus_one():
    logits = torch.zeros(300, 300)
    found = token_statistics(logits, logits, torch.arange(300), "plain")
    assert found.rank_base.tolist() == list(range(1, 301))
    assert found.argmax_rl.tolist() == [0] * 300
    assert found.margin_base.tolist() == [0.0] * 300
    torch.testing.assert_close(found.entropy_base, torch.full((300,), math.log(300)))


def test_the_argmax_has_rank_one_also_on_ties_and_in_low_precision():
    logits = random(64, 5000, seed=0).bfloat16()  # many exact ties
    found = token_statistics(logits, logits.roll(1, 1), logits.float().argmax(-1), "plain")
    again = token_statistics(logits, logits.roll(1, 1), found.argmax_base, "plain")
    assert again.rank_base.tolist() == [1] * 64


def test_a_model_compared_with_itself_differs_by_exactly_nothing():
    logits = random(40, 3000, seed=0) * 5
    found = token_statistics(logits, logits.clone(), ids(40, 3000), "plain")
    for values in (found.kl_rl_base, found.kl_base_rl, found.js, found.logprob_rl - found.logprob_base):
        assert values.tolist() == [0.0] * 40
    assert torch.equal(found.argmax_base, found.argmax_rl)
    assert found.rank_base_of_rl.tolist() == [1] * 40


def test_probabilities_that_underflow_give_finite_divergences():
    base, rl = torch.full((1, 8), -500.0), torch.full((1, 8), -500.0)
    base[0, 0], rl[0, 1] = 500.0, 500.0
    found = token_statistics(base, rl, torch.tensor([0]), "plain")
    assert found.kl_rl_base.item() == found.kl_base_rl.item() == 1000.0
    assert found.js.item() == pytest.approx(math.log(2))
    assert found.js <= math.log(2)  # in float32, as it is kept
    assert found.entropy_base.item() == 0.0


@given(st.integers(0, 10_000), st.floats(0, 100))
@settings(deadline=None, max_examples=30)
def test_divergences_are_never_negative_and_js_at_most_log_two(seed, scale):
    base = random(4, 200, seed=seed) * scale
    rl = base + random(4, 200, seed=seed + 1) * scale / 10
    found = token_statistics(base, rl, ids(4, 200), "plain")
    assert min(map(torch.min, (found.kl_rl_base, found.kl_base_rl, found.js))) >= 0
    assert found.js.max() <= math.log(2)


@pytest.mark.parametrize("path", ["plain", pytest.param("compiled", marks=needs_compiler)])
@pytest.mark.parametrize("beta", [0.5, 1.02, 4.0])
def test_logits_multiplied_by_beta_lie_on_a_line_of_slope_beta_minus_one(beta, path):
    base = random(32, 2005, seed=0) * torch.linspace(0.2, 12, 32)[:, None]
    found = token_statistics(base, base * beta, ids(32, 2005), path)
    torch.testing.assert_close(found.sharpening, torch.full((32,), beta - 1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found.sharpening_r2, torch.ones(32), rtol=0, atol=1e-6)


def test_a_model_compared_with_itself_has_slope_zero_and_nothing_to_explain():
    logits = random(40, 3000, seed=0) * 5
    found = token_statistics(logits, logits + 7, ids(40, 3000), "plain")  # a constant is no difference
    same = token_statistics(logits, logits.clone(), ids(40, 3000), "plain")
    assert same.sharpening.tolist() == same.delta_variance.tolist() == [0.0] * 40
    assert same.sharpening_r2.isnan().all()
    torch.testing.assert_close(same.acceptance, torch.ones(40))
    torch.testing.assert_close(found.sharpening, torch.zeros(40), rtol=0, atol=1e-6)


def test_a_base_that_is_flat_or_certain_has_no_line():
    flat, certain, rl = torch.zeros(1, 64), torch.full((1, 64), -200.0), random(1, 64, seed=1)
    certain[0, 3] = 200.0
    for base in (flat, certain):
        found = token_statistics(base, rl, torch.tensor([0]), "plain")
        assert found.sharpening.isnan().all()
        assert found.sharpening_r2.isnan().all()
        assert found.varentropy_base.tolist() == [0.0]


@pytest.mark.parametrize("scale", [0.01, 0.3, 3.0, 20.0])
def test_the_line_from_float32_logits_is_that_of_float64_as_closely_as_its_reference_token_allows(scale):
    """The likeliest token's probability p bounds what the subtraction of a mean can lose: eps (1 + 1/p), twice over."""
    base = random(16, 40_000, seed=0) * scale
    rl = base * 1.02 + random(16, 40_000, seed=1) * 0.1
    found = token_statistics(base, rl, ids(16, 40_000), "plain")
    likeliest = base.double().softmax(-1).amax(-1).numpy()
    for i, row in enumerate(zip(base, rl, strict=True)):
        x, y = (logits.double().log_softmax(-1).numpy() for logits in row)
        (across, both), (_, along) = np.cov(x, y - x, aweights=np.exp(x), ddof=0)
        errors = np.abs(
            [
                found.varentropy_base[i].item() / across - 1,
                found.delta_variance[i].item() / along - 1,
                found.sharpening_r2[i].item() - both**2 / (across * along),
            ]
        )
        assert errors.max() < min(2e-5, 2 * 2**-24 * (1 + 1 / likeliest[i]) + 2e-6)


def test_acceptance_is_one_less_the_total_variation():
    base, rl = random(20, 500, seed=0) * 3, random(20, 500, seed=1) * 3
    found = token_statistics(base, rl, ids(20, 500), "plain")
    apart = (base.double().softmax(-1) - rl.double().softmax(-1)).abs().sum(-1) / 2
    torch.testing.assert_close(found.acceptance.double(), 1 - apart, rtol=0, atol=1e-6)


def a_pair(vocab: int, n: int, dtype: torch.dtype = torch.float32) -> tuple:
    """Two heads of different width and hidden states for n positions."""
    heads = Head((random(vocab, 24, seed=0)).to(dtype)), Head(random(vocab, 16, seed=1).to(dtype))
    return *heads, random(n, 24, seed=2).to(dtype), random(n, 16, seed=3).to(dtype), ids(n, vocab)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_dual_pass_equals_one_slice_of_float64_logits(dtype):
    head_base, head_rl, hidden_base, hidden_rl, tokens = a_pair(600, SLICE + 5, dtype)
    found = dual_statistics(head_base, head_rl, hidden_base, hidden_rl, tokens, "plain")
    exact = hidden_base.double() @ head_base.weight.double().T, hidden_rl.double() @ head_rl.weight.double().T
    assert_same(found, token_statistics(*exact, tokens, "plain"), nats=2e-5)


@pytest.mark.parametrize("n", [1, 31, SLICE - 1, SLICE, SLICE + 1])
def test_a_position_does_not_depend_on_how_many_follow_it(n):
    head_base, head_rl, hidden_base, hidden_rl, tokens = a_pair(300, 2 * SLICE, torch.bfloat16)
    whole = dual_statistics(head_base, head_rl, hidden_base, hidden_rl, tokens, "plain")
    part = dual_statistics(head_base, head_rl, hidden_base[:n], hidden_rl[:n], tokens[:n], "plain")
    assert_same(part, TokenStatistics(*(column[:n] for column in whole)), nats=0)


def test_no_positions_give_empty_columns():
    found = dual_statistics(*a_pair(300, 0), "plain")
    assert {len(column) for column in found} == {0}
    assert found.top_ids_base.shape == (0, 5)


def test_heads_of_different_vocabularies_are_refused():
    small, large = a_pair(300, 3), a_pair(301, 3)
    with pytest.raises(BadInput, match="cut both to the common vocabulary"):
        dual_statistics(small[0], large[1], *small[2:], "plain")


def test_a_vocabulary_too_small_for_the_best_five_is_refused():
    with pytest.raises(BadInput, match="too small"):
        dual_statistics(*a_pair(4, 3), "plain")


def test_logits_that_are_not_finite_are_reported_with_the_model_and_a_count():
    head_base, head_rl, hidden_base, hidden_rl, tokens = a_pair(300, 10)
    hidden_rl[3] = torch.nan
    with pytest.raises(RlprobeError, match="rl model's logits are not finite at 1 of 10"):
        dual_statistics(head_base, head_rl, hidden_base, hidden_rl, tokens, "plain")


def test_a_small_vocabulary_takes_the_plain_path_by_itself():
    assert choose_path("auto", WORTH_COMPILING - 1, CPU) == "plain"


def test_an_unknown_path_is_refused():
    with pytest.raises(BadInput, match="auto, plain, compiled"):
        choose_path("fast", 100, CPU)


@needs_compiler
def test_the_trial_before_compiling_finds_sums_that_are_not_the_plain_ones(monkeypatch):
    assert passes._difference("cpu") == ""

    def off_by_one(*given):
        sums = passes.whole_vocabulary(*given)
        return (*sums[:7], sums[7] + 1, *sums[8:])

    monkeypatch.setitem(passes.PASSES, "compiled", off_by_one)
    assert passes._difference("cpu") == "compiled, ranks_base is not what it is uncompiled"


def test_without_a_compiler_auto_is_plain_with_one_line_in_the_log_and_compiled_is_refused(monkeypatch, caplog):
    monkeypatch.setattr(passes, "_compiler_failure", lambda device_type: "no C++ compiler")
    assert choose_path("auto", WORTH_COMPILING, CPU) == "plain"
    assert ["no C++ compiler" in line for line in caplog.messages] == [True]
    with pytest.raises(NotAvailable, match="no C\\+\\+ compiler"):
        choose_path("compiled", WORTH_COMPILING, CPU)


@needs_compiler
def test_compiled_the_vocabulary_is_read_three_times_whatever_is_summed():
    """Normalisers of either model, then every other sum at once: the line costs no reading of its own."""
    given = (*(random(32, 30_011, seed=i) for i in (0, 1)), *torch.zeros(2, 32, 1), *torch.zeros(2, 32, 2).int())
    torch._dynamo.reset()
    _, (code,) = run_and_get_code(torch.compile(passes.whole_vocabulary, dynamic=False), *given)
    assert len(re.findall(r"for\([^;]*; \w+<static_cast<int64_t>\(30011L\);", code)) == 3


@needs_compiler
def test_with_a_compiler_a_large_vocabulary_is_compiled():
    assert choose_path("auto", WORTH_COMPILING, CPU) == "compiled"


@needs_compiler
def test_compiled_and_plain_agree_within_1e_5_nats_and_exactly_in_ids_and_ranks():
    base = random(32, 2005, seed=0) * 4
    base[:8] = base[:8].round()  # ties at the top, in the middle, across the cut
    base[8] = 0.0
    rl = base + (random(32, 2005, seed=1) * (torch.arange(32)[:, None] % 4)).round()
    rl[9] = rl[9] * 100  # underflow
    tokens = ids(32, 2005)
    compiled, plain = (token_statistics(base, rl, tokens, path) for path in ("compiled", "plain"))
    assert_same(compiled, plain, nats=1e-5)
    assert compiled.js[::4].tolist() == compiled.kl_rl_base[::4].tolist() == [0.0] * 8
    assert_equals_reference(compiled, base, rl, tokens)
