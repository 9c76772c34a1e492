"""A pair that cannot be rewound, through the command line: as exact as any, and the output says that it is slower."""

import numpy as np
import pytest
import torch
from commands import Commands
from conftest import save_pair
from making import contents
from transformers import AutoModelForCausalLM

from rlprobe import runs
from rlprobe.decoding.modes import oracle_spec

SLOWER = "whose state cannot be rewound: both models are read by plain passes and decode in lock-step"


@pytest.fixture
def rlprobe(tmp_path_factory, tmp_path, capsys, monkeypatch) -> Commands:
    """The commands on a pair whose RL has convolutions, and whose base has them too."""
    return Commands(
        save_pair(tmp_path_factory.mktemp("lfm2"), "lfm2"), tmp_path / "shelf", tmp_path, capsys, monkeypatch
    )


def logprobs(folder, ids) -> torch.Tensor:
    network = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad():
        return network(torch.tensor([ids]), use_cache=False).logits[0].double().log_softmax(-1)


def test_disagree_and_direction_say_so_and_their_numbers_are_those_of_plain_passes(rlprobe):
    code, _, err = rlprobe.disagree()
    assert code == 0
    assert err.count(SLOWER) == 2  # a line a member
    run = runs.read(rlprobe.tmp_path / "run")
    tokens, rollouts = (run.table(layer).to_pandas() for layer in ("tokens", "rollouts"))
    assert set(rollouts["made"]) == {"lockstep"}
    for rollout in rollouts.itertuples():
        rows = tokens[(tokens["arm"] == rollout.arm) & (tokens["problem_id"] == rollout.problem_id)]
        ids, at = [*rollout.prompt_ids, *rollout.response_ids], len(rollout.prompt_ids)
        for member, folder in (("base", rlprobe.base), ("rl", rlprobe.rl)):
            said = logprobs(folder, ids)[at - 1 : -1]
            own = said[torch.arange(len(rows)), torch.tensor(list(rollout.response_ids))]
            np.testing.assert_allclose(rows[f"logprob_{member}"], own, atol=1e-4)
            if rollout.arm == member:
                assert said.argmax(-1).tolist() == list(rollout.response_ids)
    assert rlprobe("direction", rlprobe.tmp_path / "run")[0] == 0


def test_intervene_and_sample_hold_their_identities(rlprobe):
    common = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--max-new-tokens", 20)
    common = (*common, "--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "run")
    assert rlprobe("intervene", *common, "--mode", "oracle", "--mode", "entropy:0.5", "--seeds", 1)[0] == 0
    of_arms = runs.read(rlprobe.tmp_path / "run").table("rollouts").to_pandas().set_index(["arm", "problem_id"])
    oracle, rl = (of_arms.loc[arm]["response_ids"] for arm in (oracle_spec("base"), "rl"))
    assert [list(ids) for ids in oracle] == [list(ids) for ids in rl]
    assert rlprobe("sample", *common, "--n", 2)[0] == 0


def test_what_has_to_go_back_in_a_text_is_refused_in_one_line_before_anything_is_written(rlprobe):
    code, _, err = rlprobe(
        *("sample", "--base", rlprobe.base, "--rl", rlprobe.rl, "--style", "question_answer", "--power", 4),
        *("--dataset", rlprobe.problems(), "--out", rlprobe.tmp_path / "run"),
    )
    assert code == 5
    assert (
        "base (lfm2) has layers of kind conv, whose state cannot be rewound, and every move of the power sampler" in err
    )
    assert len([line for line in err.splitlines() if line.strip()]) == 1
    assert not (rlprobe.tmp_path / "run").exists()


def test_two_runs_are_byte_for_byte_the_same_and_so_is_one_whose_shard_was_lost(rlprobe):
    assert rlprobe.disagree()[0] == 0
    first = contents(rlprobe.tmp_path / "run")
    lost = next((rlprobe.tmp_path / "run").rglob("rollouts/rl/*.parquet"))
    lost.unlink()
    assert rlprobe.disagree()[0] == 0
    assert contents(rlprobe.tmp_path / "run") == first
