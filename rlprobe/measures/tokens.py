"""Two models' last hidden states in, the numbers of the token table out: the dual pass.

Both heads meet on a slice of positions, the whole vocabulary is read there, and only numbers leave: a tensor of all
positions times the vocabulary never exists, for either model. Columns are columns of the common vocabulary; whoever cut
the heads to it knows their token ids. Knows no texts, no problems, no rollouts.

The last slice is filled up with zeros, so that every slice has one shape: one compilation, and a position's numbers do
not depend on how many others follow it.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from rlprobe.errors import BadInput, RlprobeError
from rlprobe.measures.head import Head
from rlprobe.measures.passes import PASSES, Sums, choose_path
from rlprobe.measures.ranking import Best, best_tokens
from rlprobe.pairs.devices import positions_at_once
from rlprobe.records import TOP

SLICE = 128  # on a CPU: positions at a time share what widens a block of the head; 80 MB of logits a model at 152k ids

SMALLEST_VARIANCE = 1e-30  # nats²; below, the probabilities that make it are near the smallest float32


class TokenStatistics(NamedTuple):
    """Columns of records.TOKEN_SCHEMA, a row a position: nats, ranks from 1, ids count in the common vocabulary."""

    logprob_base: Float[Tensor, " n"]
    logprob_rl: Float[Tensor, " n"]
    rank_base: Int[Tensor, " n"]
    rank_rl: Int[Tensor, " n"]
    argmax_base: Int[Tensor, " n"]
    argmax_rl: Int[Tensor, " n"]
    logprob_argmax_base: Float[Tensor, " n"]
    logprob_argmax_rl: Float[Tensor, " n"]
    margin_base: Float[Tensor, " n"]
    margin_rl: Float[Tensor, " n"]
    entropy_base: Float[Tensor, " n"]
    entropy_rl: Float[Tensor, " n"]
    rank_base_of_rl: Int[Tensor, " n"]
    rank_rl_of_base: Int[Tensor, " n"]
    logprob_base_of_rl: Float[Tensor, " n"]
    logprob_rl_of_base: Float[Tensor, " n"]
    kl_rl_base: Float[Tensor, " n"]
    kl_base_rl: Float[Tensor, " n"]
    js: Float[Tensor, " n"]
    acceptance: Float[Tensor, " n"]
    varentropy_base: Float[Tensor, " n"]
    delta_variance: Float[Tensor, " n"]
    sharpening: Float[Tensor, " n"]
    sharpening_r2: Float[Tensor, " n"]
    top_ids_base: Int[Tensor, "n 5"]
    top_ids_rl: Int[Tensor, "n 5"]
    top_logprobs_base: Float[Tensor, "n 5"]
    top_logprobs_rl: Float[Tensor, "n 5"]
    log_sum_base: Float[Tensor, " n"]  # of exp(logit): no column, but what is said outside needs it
    log_sum_rl: Float[Tensor, " n"]


def dual_statistics(
    head_base: Head,
    head_rl: Head,
    hidden_base: Float[Tensor, "n width_base"],
    hidden_rl: Float[Tensor, "n width_rl"],
    token_ids: Int[Tensor, " n"],
    path: str = "auto",
) -> TokenStatistics:
    """Every number of the token table for n positions, on the CPU.

    Row i of the hidden states predicts token_ids[i]: hidden[t] goes with ids[t + 1]. Peak memory beyond the inputs does
    not depend on n, but for the result itself. The two models may sit on two devices. `path` is passes.PATHS.
    Raises BadInput for vocabularies that differ or are too small, RlprobeError where logits are not finite.
    """
    _refuse_vocabulary(head_base.vocab, head_rl.vocab)
    path = choose_path(path, head_base.vocab, head_base.weight.device)
    slices = _slices_of_logits((head_base, head_rl), (hidden_base, hidden_rl), token_ids)
    parts = [token_statistics(base, rl, tokens, path) for base, rl, tokens in slices]
    whole = TokenStatistics(*(torch.cat(column)[: len(token_ids)].cpu() for column in zip(*parts, strict=True)))
    _refuse_non_finite(whole)
    return whole


def token_statistics(
    logits_base: Float[Tensor, "n vocab"], logits_rl: Float[Tensor, "n vocab"], token_ids: Int[Tensor, " n"], path: str
) -> TokenStatistics:
    """The same for one slice whose logits are at hand; stays on their device. `path` is "plain" or "compiled"."""
    base, rl = logits_base.float(), logits_rl.float()
    best_base, best_rl = best_tokens(base, TOP), best_tokens(rl, TOP)
    probe_base = torch.stack([token_ids, best_rl.ids[:, 0]], dim=1)
    probe_rl = torch.stack([token_ids, best_base.ids[:, 0]], dim=1)
    peaks = best_base.logits[:, :1].contiguous(), best_rl.logits[:, :1].contiguous()
    sums = Sums(*PASSES[path](base, rl, *peaks, probe_base.int(), probe_rl.int()))
    logprobs_base = base.gather(1, probe_base) - peaks[0] - sums.normaliser_base[:, None]
    logprobs_rl = rl.gather(1, probe_rl) - peaks[1] - sums.normaliser_rl[:, None]
    return TokenStatistics(
        **_of_one("base", best_base, sums.normaliser_base),
        **_of_one("rl", best_rl, sums.normaliser_rl),
        logprob_base=logprobs_base[:, 0],
        logprob_rl=logprobs_rl[:, 0],
        logprob_base_of_rl=logprobs_base[:, 1],
        logprob_rl_of_base=logprobs_rl[:, 1],
        rank_base=sums.ranks_base[:, 0],
        rank_rl=sums.ranks_rl[:, 0],
        rank_base_of_rl=sums.ranks_base[:, 1],
        rank_rl_of_base=sums.ranks_rl[:, 1],
        entropy_base=sums.entropy_base,
        entropy_rl=sums.entropy_rl,
        kl_rl_base=sums.kl_rl_base.clamp(min=0),  # rounding leaves -1e-8 where the models nearly agree
        kl_base_rl=sums.kl_base_rl.clamp(min=0),
        js=sums.js.clamp(min=0, max=math.log(2)),
        acceptance=sums.acceptance.clamp(max=1),
        **_sharpening(sums),
    )


def outside_probabilities(
    outside: Head, hidden: Float[Tensor, "n width"], log_sum: Float[Tensor, " n"]
) -> Iterator[Float[Tensor, "m outside"]]:
    """How likely each id outside the common vocabulary is, of all that the head knows; a slice of positions at a time.

    `log_sum` is the log of the sum of exp(logit) over the common vocabulary (TokenStatistics).
    """
    for start in range(0, len(hidden), SLICE):
        here = slice(start, start + SLICE)
        logits = outside(hidden[here].to(outside.weight.device))
        inside = log_sum[here].to(logits.device)
        yield (logits - torch.logaddexp(logits.logsumexp(-1), inside)[:, None]).exp()


def _sharpening(sums: Sums) -> dict[str, Tensor]:
    """Δ log p(v) as a straight line in log p_base(v), v drawn from the base: were RL the base to the power β, β - 1.

    Slope and share explained are nan where the base is as good as certain, or flat, and there is no line to fit; the
    share also where Δ log p is the same for every token, and there is nothing to explain.
    """
    across, along = sums.varentropy_base.clamp(min=0), sums.delta_variance.clamp(min=0)
    slope = torch.where(across > SMALLEST_VARIANCE, sums.covariance / across, torch.nan)
    explained = torch.where(along > SMALLEST_VARIANCE, slope * (sums.covariance / along), torch.nan)
    return {
        "varentropy_base": across.float(),
        "delta_variance": along.float(),
        "sharpening": slope.float(),
        "sharpening_r2": explained.clamp(max=1).float(),
    }


def _of_one(member: str, best: Best, normaliser: Float[Tensor, " n"]) -> dict[str, Tensor]:
    """The columns about one model's own best tokens."""
    # centred first: a log-probability of -1e-6 does not survive the subtraction of a normaliser near 20
    logprobs = best.logits - best.logits[:, :1] - normaliser[:, None]
    return {
        f"argmax_{member}": best.ids[:, 0],
        f"logprob_argmax_{member}": logprobs[:, 0],
        f"margin_{member}": best.logits[:, 0] - best.logits[:, 1],
        f"top_ids_{member}": best.ids,
        f"top_logprobs_{member}": logprobs,
        f"log_sum_{member}": best.logits[:, 0] + normaliser,
    }


def _slices_of_logits(
    heads: tuple[Head, Head], hiddens: tuple[Tensor, Tensor], token_ids: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(base logits, rl logits, tokens) of one slice after the other, on the base's device, in the same two buffers."""
    device = heads[0].weight.device
    at_once = min(positions_at_once(head.weight.device, head.vocab, SLICE) for head in heads)
    buffers = [head.buffer(at_once) for head in heads]
    for start in range(0, max(len(token_ids), 1), at_once):  # no positions at all: one slice of nothing
        base, rl = (
            head(_filled(hidden[start : start + at_once].to(head.weight.device), at_once), out=buffer).to(device)
            for head, hidden, buffer in zip(heads, hiddens, buffers, strict=True)
        )
        yield base, rl, _filled(token_ids[start : start + at_once].to(device), at_once)


def _filled(values: Tensor, rows: int) -> Tensor:
    """Zeros appended up to that many rows."""
    missing = rows - len(values)
    return torch.cat([values, values.new_zeros(missing, *values.shape[1:])]) if missing else values


def _refuse_vocabulary(base: int, rl: int) -> None:
    if base != rl:
        raise BadInput(f"the base's head has {base} rows, the rl model's {rl}: cut both to the common vocabulary first")
    if base < TOP:
        raise BadInput(
            f"a common vocabulary of {base} tokens is too small: the token table keeps the best {TOP} of each model"
        )


def _refuse_non_finite(statistics: TokenStatistics) -> None:
    """One sum over a vocabulary with a nan or an infinity in it is nan: the entropies tell."""
    for member, entropy in (("base", statistics.entropy_base), ("rl", statistics.entropy_rl)):
        if bad := (~entropy.isfinite()).sum().item():
            raise RlprobeError(
                f"the {member} model's logits are not finite at {bad} of {len(entropy)} positions: "
                "it overflows in this dtype (try --dtype float32), or its weights are damaged"
            )
