"""Through the command line: a checkpoint is read exactly, or refused in one line with its exit code, and no trace."""

import json

import pytest
import torch
from checkpoints import copied, with_json, with_weights
from conftest import save_tokenizer
from safetensors.torch import load_file
from transformers import AutoTokenizer

from rlprobe import runs
from rlprobe.records import OUTSIDE, TOKEN_SCHEMA

ADDED = 8  # ids that RL's tokenizer has more


def refused(rlprobe, code, *arguments, **where) -> str:
    """The one line of a refusal that left nothing behind."""
    found, out, err = rlprobe.disagree(*arguments, **where)
    assert found == code, err
    assert out == ""
    lines = [line for line in err.splitlines() if line.startswith("rlprobe: ")]
    assert len(lines) == 1
    assert "Traceback" not in err
    assert not (rlprobe.tmp_path / "run").exists()
    return lines[0]


@pytest.fixture
def rl(rlprobe):
    return copied(rlprobe.rl, rlprobe.tmp_path / "rl")


def test_a_checkpoint_without_its_head_is_refused_with_4(rlprobe, rl):
    with_weights(rl, lambda weights: {k: v for k, v in weights.items() if "lm_head" not in k})
    assert "lack lm_head.weight, which would be random numbers (1 such tensor)" in refused(rlprobe, 4, rl=rl)


def test_an_architecture_that_lanes_do_not_read_exactly_is_read_slowly_and_the_same(rlprobe, monkeypatch, caplog):
    from rlprobe.decoding.lanes import Lanes

    assert rlprobe.disagree(out="right")[0] == 0
    monkeypatch.setattr(Lanes, "_mask", lambda self, _, positions, slot: (slot <= positions[:, :, None] + 1)[:, None])
    assert rlprobe.disagree()[0] == 0
    assert "is not read exactly in rows of unequal length: that and a plain forward pass differ by up to" in caplog.text
    ids, ours = (
        runs.read(rlprobe.tmp_path / out).table("rollouts").to_pandas()["response_ids"].map(list).tolist()
        for out in ("right", "run")
    )
    assert ids == ours


def test_an_architecture_that_no_way_reads_exactly_is_refused_with_5(rlprobe, monkeypatch):
    from rlprobe.decoding import check

    plain = check._plain
    monkeypatch.setattr(check, "_plain", lambda model, ids: 1.1 * plain(model, ids))
    found = refused(rlprobe, 5)
    assert "is not read exactly" in found
    assert "that and a plain forward pass differ by up to" in found


def test_a_refused_pair_leaves_the_run_that_is_there(rlprobe, rl):
    rlprobe.finished()
    before = {file: file.read_bytes() for file in (rlprobe.tmp_path / "run").rglob("*") if file.is_file()}
    with_weights(rl, lambda weights: {k: v for k, v in weights.items() if "lm_head" not in k})
    assert rlprobe.disagree("--overwrite", rl=rl)[0] == 4
    assert {file: file.read_bytes() for file in before} == before


def test_the_check_runs_once_a_loading_and_on_resuming(rlprobe, monkeypatch):
    from rlprobe.decoding import check

    checks = []
    ours = check.check
    monkeypatch.setattr(check, "check", lambda *a: checks.append(1) or ours(*a))
    assert rlprobe.disagree("--limit", 3)[0] == 0
    assert len(checks) == 1
    assert rlprobe.disagree()[0] == 0  # more problems: loaded again
    assert len(checks) == 2
    assert rlprobe.disagree()[0] == 0  # nothing to compute: not loaded
    assert len(checks) == 2


def test_rl_that_equals_the_base_says_so(rlprobe, caplog):
    code, out, _ = rlprobe.disagree(rl=rlprobe.base)
    assert code == 0
    assert "RL equals the base at every position of the base's text: is that the RL model?" in " ".join(out.split())
    assert "say exactly the same at all" in caplog.text
    summary = json.loads((rlprobe.tmp_path / "run" / "summary.json").read_text())
    assert all(found["identical"] for found in summary["trajectories"].values())
    code, out, _ = rlprobe("weights", "--base", rlprobe.base, "--rl", rlprobe.base, "--out", rlprobe.tmp_path / "w")
    assert code == 0
    assert "RL's weights are the base's, every one of them: is that the RL model?" in " ".join(out.split())


def test_a_pair_that_differs_does_not(rlprobe):
    code, out, _ = rlprobe.disagree()
    assert code == 0
    assert "is that the RL model" not in out
    summary = json.loads((rlprobe.tmp_path / "run" / "summary.json").read_text())
    assert not any({"identical", "outside"} & found.keys() for found in summary["trajectories"].values())
    assert runs.read(rlprobe.tmp_path / "run").table("tokens").schema.names == TOKEN_SCHEMA.names


# ---- what is said outside the common vocabulary ----------------------------------------------------------------------


def wider(folder, bias: float):
    """The checkpoint with ADDED more tokens, <think> the first, its row of the head another's times `bias`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<think>", *(f"<more{i}>" for i in range(ADDED - 1))])
    tokenizer.save_pretrained(folder)

    def grown(weights):
        head, embedding = weights["lm_head.weight"], weights["model.embed_tokens.weight"]
        new = head[:1].repeat(ADDED, 1) * torch.tensor([bias] + [0.1] * (ADDED - 1))[:, None]
        return weights | {
            "lm_head.weight": torch.cat([head, new]),
            "model.embed_tokens.weight": torch.cat([embedding, embedding[:ADDED]]),
        }

    return with_json(with_weights(folder, grown), vocab_size=300 + ADDED)


def outside_of(run):
    tokens = runs.read(run).table("tokens").to_pandas()
    return {m: tokens[f"outside_{m}"] for m in ("base", "rl")}


@torch.no_grad()
def test_what_a_model_says_outside_is_a_column_and_right(rlprobe, rl):
    from transformers import AutoModelForCausalLM

    code, out, err = rlprobe.disagree("--max-outside", 1, rl=wider(rl, 1.0))
    assert code == 0, err
    run = runs.read(rlprobe.tmp_path / "run")
    assert run.table("tokens").schema.names == [*TOKEN_SCHEMA.names, *OUTSIDE]
    network = AutoModelForCausalLM.from_pretrained(rl)
    tokens = run.table("tokens").to_pandas()
    for row in run.table("rollouts").to_pylist():
        ids = torch.tensor([[*row["prompt_ids"], *row["response_ids"]]])
        p = network(input_ids=ids).logits[0, len(row["prompt_ids"]) - 1 : -1].double().softmax(-1)[:, 300:].sum(-1)
        here = tokens[(tokens["arm"] == row["arm"]) & (tokens["problem_id"] == row["problem_id"])]
        torch.testing.assert_close(torch.tensor(here["outside_rl"].to_numpy()).double(), p, atol=1e-6, rtol=1e-4)
        assert (here["outside_base"] == 0).all()
    summary = json.loads((run.path / "summary.json").read_text())
    told = summary["trajectories"]["rl"]["outside"]["rl"]
    mine = tokens[tokens["arm"] == "rl"]["outside_rl"]
    assert told["mean"] == pytest.approx(mine.mean(), rel=1e-6)
    assert told["largest"] == pytest.approx(mine.max(), rel=1e-6)
    assert "Probability outside the common vocabulary on" in " ".join(out.split())


def test_too_much_outside_ends_the_command_after_the_first_shard(rlprobe, rl):
    code, _, err = rlprobe.disagree(rl=wider(rl, 3.0))
    assert code == 5
    (line,) = [line for line in err.splitlines() if line.startswith("rlprobe: ")]
    assert "rl puts" in line
    assert "most of it on 300 '<think>'" in line
    assert "--max-outside 0.01 is the most" in line
    run = rlprobe.tmp_path / "run"
    assert not (run / "summary.json").exists()
    assert not list((run / "tokens").glob("rl/*"))
    assert rlprobe.disagree(rl=rl)[0] == 5  # the same again
    assert rlprobe.disagree("--max-outside", 1, rl=rl)[0] == 0
    assert rlprobe.disagree(rl=rl)[0] == 5  # a finished run is still held against it
    assert outside_of(run)["rl"].mean() > 0.01


def padded(weights):
    both = ("lm_head.weight", "model.embed_tokens.weight")
    return {k: torch.cat([v, 0.01 * v[:4]]) if k in both else v for k, v in weights.items()}


def test_padded_rows_that_no_token_has_are_outside_too(rlprobe):
    base, rl = (copied(folder, rlprobe.tmp_path / name) for name, folder in (("b", rlprobe.base), ("r", rlprobe.rl)))
    for folder in (base, rl):
        with_json(with_weights(folder, padded), vocab_size=304)
    rlprobe.base = base
    assert rlprobe.disagree("--max-outside", 1, rl=rl)[0] == 0
    found = outside_of(rlprobe.tmp_path / "run")
    assert all((p > 0).all() and (p < 1).all() for p in found.values())


@pytest.mark.parametrize("value", ["1.5", "-0.1", "much"])
def test_a_share_that_is_none_is_refused_with_2(rlprobe, value):
    code, _, err = rlprobe.disagree("--max-outside", value)
    assert code == 2
    assert "max-outside" in err


def test_the_tiny_pairs_head_holds_common_ids_alone(rlprobe, tmp_path):
    assert save_tokenizer(tmp_path / "t") == len(load_file(rlprobe.rl / "model.safetensors")["lm_head.weight"])
