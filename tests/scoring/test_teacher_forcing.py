"""The token table against plain transformers and numpy, and its identities."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from making import decoded_rollouts

from rlprobe.pairs.model import ModelPair
from rlprobe.records import TOKEN_SCHEMA
from rlprobe.scoring import teacher_forcing
from rlprobe.scoring.teacher_forcing import Reader


@torch.no_grad()
def reference(pair, rollout) -> dict[str, np.ndarray]:
    """Ten lines of numpy over plain transformers logits in float64."""
    ids = [*rollout.prompt_ids, *rollout.response_ids]
    span = slice(len(rollout.prompt_ids) - 1, len(ids) - 1)  # logits[t] predict ids[t + 1]
    logits = {m: pair.member(m).network(torch.tensor([ids])).logits[0, span].double().numpy() for m in ("base", "rl")}
    logprobs = {m: x - np.log(np.exp(x).sum(-1, keepdims=True)) for m, x in logits.items()}
    token, rows = np.array(rollout.response_ids), np.arange(len(rollout.response_ids))
    out = {"token_id": token}
    for m, x in logprobs.items():
        order = np.argsort(-x, axis=-1, kind="stable")
        out[f"logprob_{m}"], out[f"argmax_{m}"] = x[rows, token], order[:, 0]
        out[f"rank_{m}"] = 1 + (order == token[:, None]).argmax(-1)
        out[f"entropy_{m}"] = -(np.exp(x) * x).sum(-1)
        out[f"margin_{m}"] = x[rows, order[:, 0]] - x[rows, order[:, 1]]
    p, q = np.exp(logprobs["base"]), np.exp(logprobs["rl"])
    out["kl_rl_base"] = (q * (logprobs["rl"] - logprobs["base"])).sum(-1)
    out["kl_base_rl"] = (p * (logprobs["base"] - logprobs["rl"])).sum(-1)
    middle = np.log((p + q) / 2)
    out["js"] = ((p * (logprobs["base"] - middle)).sum(-1) + (q * (logprobs["rl"] - middle)).sum(-1)) / 2
    out["acceptance"] = np.minimum(p, q).sum(-1)
    delta = logprobs["rl"] - logprobs["base"]
    x, y = (v - (p * v).sum(-1, keepdims=True) for v in (logprobs["base"], delta))
    out["sharpening"] = (p * x * y).sum(-1) / (p * x * x).sum(-1)
    out["sharpening_r2"] = out["sharpening"] * (p * x * y).sum(-1) / (p * y * y).sum(-1)
    best_rl = out["argmax_rl"]
    out["logprob_base_of_rl"] = logprobs["base"][rows, best_rl]
    out["rank_base_of_rl"] = 1 + (logits["base"] > logits["base"][rows, best_rl][:, None]).sum(-1)
    return out


def test_every_column_equals_a_numpy_reference(tiny_pair):
    rollouts = decoded_rollouts(tiny_pair, "base", n=6)
    table = Reader(tiny_pair).table(rollouts).to_pandas()
    for rollout in rollouts:
        mine = table[table.problem_id == rollout.problem_id]
        assert mine.position.tolist() == list(range(len(rollout.response_ids)))
        for name, values in reference(tiny_pair, rollout).items():
            np.testing.assert_allclose(mine[name].to_numpy(), values, atol=2e-4, err_msg=name)


def test_a_model_paired_with_itself_has_no_disagreement_at_all(tiny_pair):
    itself = ModelPair(tiny_pair.base, tiny_pair.base, tiny_pair.vocabulary, tiny_pair.stop_ids, tiny_pair.tokenizer)
    table = Reader(itself).table(decoded_rollouts(tiny_pair, "base", n=5)).to_pandas()
    assert (table.argmax_base == table.argmax_rl).all()
    assert (table.logprob_rl - table.logprob_base == 0).all()
    assert (table[["kl_rl_base", "kl_base_rl", "js"]] == 0).all(axis=None)
    assert (table.rank_base_of_rl == 1).all()
    assert (table.sharpening == 0).all()
    assert table.sharpening_r2.isna().all()


@pytest.mark.parametrize("beta", [0.5, 3.0])
def test_a_model_whose_head_was_multiplied_by_beta_is_its_base_to_that_power(tiny_pair, beta):
    sharp = replace(tiny_pair.base, head_weight=tiny_pair.base.head_weight * beta)
    pair = ModelPair(tiny_pair.base, sharp, tiny_pair.vocabulary, tiny_pair.stop_ids, tiny_pair.tokenizer)
    table = Reader(pair).table(decoded_rollouts(tiny_pair, "base", n=5)).to_pandas()
    np.testing.assert_allclose(table.sharpening, beta - 1, rtol=1e-4)
    np.testing.assert_allclose(table.sharpening_r2, 1, atol=1e-5)
    assert (table.argmax_base == table.argmax_rl).all()


def test_where_there_is_no_line_the_table_has_a_null_and_no_nan(tiny_pair):
    itself = ModelPair(tiny_pair.base, tiny_pair.base, tiny_pair.vocabulary, tiny_pair.stop_ids, tiny_pair.tokenizer)
    table = Reader(itself).table(decoded_rollouts(tiny_pair, "base", n=3))
    assert table["sharpening_r2"].null_count == len(table)
    assert {name for name in table.column_names if table[name].null_count} == {"sharpening_r2"}


@pytest.mark.parametrize("member", ["base", "rl"])
def test_logprobs_read_while_decoding_equal_the_teacher_forced_ones(tiny_pair, member):
    rollouts = decoded_rollouts(tiny_pair, member, n=12)
    table = Reader(tiny_pair).table(rollouts).to_pandas()
    decoded = np.concatenate([rollout.logprobs for rollout in rollouts])
    assert np.abs(decoded - table[f"logprob_{member}"].to_numpy()).max() <= 1e-4
    assert (table[f"argmax_{member}"] == table.token_id).mean() > 0.99


def test_a_text_longer_than_a_chunk_is_read_as_if_it_were_one(tiny_pair, monkeypatch):
    rollouts = decoded_rollouts(tiny_pair, "base", n=4, new=80)
    whole = Reader(tiny_pair).table(rollouts).to_pandas()
    monkeypatch.setattr(teacher_forcing, "CHUNK", 16)
    in_chunks = Reader(tiny_pair).table(rollouts).to_pandas()
    np.testing.assert_allclose(whole.kl_rl_base, in_chunks.kl_rl_base, atol=1e-4)
    np.testing.assert_allclose(whole.logprob_base, in_chunks.logprob_base, atol=1e-4)


def test_the_same_rollouts_give_the_same_bytes(tiny_pair):
    rollouts = decoded_rollouts(tiny_pair, "rl", n=7)
    first, second = (Reader(tiny_pair).table(rollouts) for _ in range(2))
    assert first.equals(second)
    assert first.schema == TOKEN_SCHEMA


def test_no_rollouts_make_an_empty_table(tiny_pair):
    assert Reader(tiny_pair).table([]).num_rows == 0
