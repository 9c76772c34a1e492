"""The sums over the whole vocabulary, for two models at the same positions: plain torch, or the same code compiled.

On a CPU it is these elementwise passes that cost, not the matrix products: 150 000 ids a position and some forty
operations on each, every one a trip through memory. Compiled, they become three loops. `whole_vocabulary` is that code,
once; it carries no annotations that are checked at run time, because those stop torch.compile. Sums run in float64: of
150 000 float32 terms the last digits would depend on the order. Knows logits and ids; knows no slices.

The compiled path needs a C++ compiler (CPU) or triton (CUDA), takes seconds to build (once a machine: inductor keeps
the result on disk) and pays from some ten thousand ids upwards. Nothing is tuned by timing, so its numbers depend on
the shapes and the machine only. Plain and compiled differ by less than 1e-5 nats, and never in a rank: on a CPU by the
tests, on any other device by a trial in the process that is to compile, without which the plain path is taken.
"""

import logging
from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.errors import BadInput, NotAvailable

PATHS = ("auto", "plain", "compiled")
WORTH_COMPILING = 16_384  # ids in the vocabulary; below, the plain path is done before the compiler is

_TINIEST = 1e-37  # the smallest power of ten that float32 holds in full precision

log = logging.getLogger(__name__)


class Sums(NamedTuple):
    """What only a look at every token of both models can tell; nats, ranks from 1."""

    normaliser_base: Float[Tensor, " rows"]  # log of the sum of exp(logit - largest logit)
    normaliser_rl: Float[Tensor, " rows"]
    entropy_base: Float[Tensor, " rows"]
    entropy_rl: Float[Tensor, " rows"]
    kl_rl_base: Float[Tensor, " rows"]
    kl_base_rl: Float[Tensor, " rows"]
    js: Float[Tensor, " rows"]
    ranks_base: Int[Tensor, "rows 2"]  # of the token present, of the other model's best token
    ranks_rl: Int[Tensor, "rows 2"]
    acceptance: Float[Tensor, " rows"]
    # of log p_base(v) and of Δ log p(v) over the vocabulary, v drawn from the base; nats², in float64
    varentropy_base: Float[Tensor, " rows"]
    covariance: Float[Tensor, " rows"]
    delta_variance: Float[Tensor, " rows"]


SQUARES = ("varentropy_base", "covariance", "delta_variance")  # whose errors are relative


def choose_path(requested: str, vocab: int, device: torch.device) -> str:
    """Which of "plain" and "compiled" a run takes: a function of machine and vocabulary, to be recorded by the run.

    "auto" compiles where that pays and works. Raises NotAvailable if "compiled" is asked for and does not work here.
    """
    if requested not in PATHS:
        raise BadInput(f"path {requested!r} is none of {', '.join(PATHS)}")
    if requested == "plain" or (requested == "auto" and vocab < WORTH_COMPILING):
        return "plain"
    if failure := _compiler_failure(device.type):
        if requested == "compiled":
            raise NotAvailable(f"torch.compile does not work here ({failure}): ask for the path auto or plain")
        _warn_once(failure)
        return "plain"
    return "compiled"


@cache
def _compiler_failure(device_type: str) -> str:
    """Why nothing can be compiled here, in one line; empty if it can. Found by trying: a compiler may be broken."""
    try:
        torch.compile(_probe, dynamic=False)(torch.ones(16, device=device_type))
        if device_type != "cpu":  # whose compiler the tests have
            return _difference(device_type)
    except Exception as failure:  # inductor raises whatever its compiler, linker, cache or triton raised
        return str(failure).strip().splitlines()[0] if str(failure).strip() else type(failure).__name__
    return ""


def _difference(device_type: str) -> str:
    """What the compiled sums say otherwise than the plain ones of random logits with ties; empty if nothing."""
    noise = torch.randn(2, 32, 4096, generator=torch.Generator().manual_seed(0))
    base, rl = 4 * noise[0], 4 * noise[0] + noise[1]
    base[:16], rl[:16] = base[:16].round(), rl[:16].round()
    probes = torch.stack([torch.arange(32, dtype=torch.int32), torch.arange(32, dtype=torch.int32) * 100], 1)
    given = [x.to(device_type) for x in (base, rl, base.amax(1, True), rl.amax(1, True), probes, probes)]
    plain, compiled = (Sums(*PASSES[path](*given)) for path in ("plain", "compiled"))
    for name, expected, found in zip(Sums._fields, plain, compiled, strict=True):
        if not torch.allclose(found.double(), expected.double(), rtol=1e-5 * (name in SQUARES), atol=1e-5):
            return f"compiled, {name} is not what it is uncompiled"
    return ""


@cache
def _warn_once(failure: str) -> None:
    log.warning("torch.compile does not work here (%s): the plain path is taken, which is slower", failure)


def _probe(values):
    return (values * 2 + 1).sum()


def whole_vocabulary(base, rl, peak_base, peak_rl, probe_base, probe_rl):
    """The fields of Sums, in order, as a plain tuple (what torch.compile returns fastest).

    base, rl: (rows, vocab) float32 logits. peak_*: (rows, 1) their maxima. probe_*: (rows, 2) int32 ids whose rank is
    asked: the token present and the other model's best token.
    """
    base, rl = base - peak_base, rl - peak_rl
    apart = rl - rl.gather(1, probe_rl[:, 1:].long()) - base  # Δ log p less that of the base's best token
    normaliser_base, normaliser_rl = _sum(base.exp()).log(), _sum(rl.exp()).log()
    ranks, below = (_ranks(base, probe_base), _ranks(rl, probe_rl)), base
    base, rl = base - normaliser_base[:, None], rl - normaliser_rl[:, None]  # log-probabilities from here on
    p_base, p_rl, delta = base.exp(), rl.exp(), rl - base
    entropies = -_sum(p_base * base), -_sum(p_rl * rl)
    divergences = _sum(p_rl * delta), -_sum(p_base * delta), _js(p_base, p_rl)
    squares, acceptance = _squares(p_base, below, apart), _sum(torch.minimum(p_base, p_rl))
    return normaliser_base, normaliser_rl, *entropies, *divergences, *ranks, acceptance, *squares


def _squares(p, x, y):
    """Variance of x, covariance, and variance of y, where x and y are 0 at the likeliest token of p.

    So the square of a mean is at most the variance over that token's p: the subtraction loses no more than 1/p of the
    6e-8 to which float32 holds a product, and where p is near 1, nothing at all.
    """
    px, py = p * x, p * y
    (mean_x, mean_y), squares = map(_total, (px, py)), map(_total, (px * x, px * y, py * y))
    means = (mean_x * mean_x, mean_x * mean_y, mean_y * mean_y)
    return [square - mean for square, mean in zip(squares, means, strict=True)]


def _sum(terms):
    return _total(terms).float()


def _total(terms):
    return terms.sum(-1, dtype=torch.float64)


def _ranks(logits, probe):
    """1 + the number of larger logits + the number of equal ones with a smaller id, for each id of the probe."""
    columns = torch.arange(logits.shape[1], dtype=torch.int32, device=logits.device)
    ranks = []
    for one in probe.split(1, dim=1):
        own = logits.gather(1, one.long())
        before = (logits > own) | ((logits == own) & (columns < one))
        ranks.append(1 + before.sum(-1, dtype=torch.int32))
    return torch.stack(ranks, dim=1)


def _js(p, q):
    """Jensen-Shannon divergence by its definition: the mean of KL(p || m) and KL(q || m), m their average.

    Equal probabilities are divided by exactly themselves and add nothing; of those that underflow the clamps make 0.
    """
    middle = ((p + q) / 2).clamp(min=_TINIEST)
    return _sum(p * (p / middle).clamp(min=_TINIEST).log() + q * (q / middle).clamp(min=_TINIEST).log()) / 2


@cache
def _compiled():
    """The compiled pass, made when it is first asked for: to import torch's compiler alone takes seconds."""
    return torch.compile(whole_vocabulary, dynamic=False)


PASSES = {"plain": whole_vocabulary, "compiled": lambda *given: _compiled()(*given)}
