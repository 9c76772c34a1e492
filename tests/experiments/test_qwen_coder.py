"""The recipe of the pair on GSM8K: which problems a step meets, and a card that says what the logs hold."""

import hashlib
import json

import pytest
from scipy import stats
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast

from experiments.qwen_coder.evaluate import LOGS
from experiments.qwen_coder.ship import SHIPPED, card
from experiments.qwen_coder.train import BASE, drawn, settings
from rlprobe.records import Problem


def tasks(seed: int, steps: int) -> list[str]:
    """The golds of the tasks of so many steps of four, out of ten problems."""
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0}, "[UNK]")))
    draw = drawn([Problem(str(i), f"question {i}", str(i), "made up") for i in range(10)], seed, 4, tokenizer)
    return [task.gold for step in range(1, steps + 1) for task in draw(step)]


def test_every_problem_is_met_once_before_any_is_met_twice_in_an_order_that_the_seed_decides():
    met = tasks(1, 5)
    assert sorted(met[:10]) == sorted(met[10:]) == sorted(map(str, range(10)))
    assert met == tasks(1, 5)
    assert met[:10] not in (tasks(2, 5)[:10], sorted(met[:10]))


def test_the_adapter_is_small_and_names_its_base():
    weights = (SHIPPED / "adapter_model.safetensors").read_bytes()
    assert len(weights) < 4_000_000
    config = json.loads((SHIPPED / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == BASE.hub_id
    assert (config["r"], config["lora_alpha"]) == (settings(1, 1).rank, settings(1, 1).alpha)
    assert hashlib.sha256(weights).hexdigest() in (SHIPPED / "README.md").read_text()


def test_the_card_says_what_the_logs_hold_and_no_gain_that_they_do_not():
    said = (SHIPPED / "README.md").read_text()
    assert said == card(1, "NVIDIA H200")
    base, rl = (
        [json.loads(line) for line in (LOGS / f"answers-{name}.jsonl").read_text().splitlines()]
        for name in ("base", "seed1")
    )
    right = [(b["right"], r["right"]) for b, r in zip(base, rl, strict=False)]
    repaired, broken = right.count((False, True)), right.count((True, False))
    p = stats.binomtest(repaired, repaired + broken).pvalue
    assert f"RL repaired {repaired} problems and broke {broken} (exact McNemar, p = {p:.2g})" in said
    assert ("a gain is not resolved" in said) == (p > 0.05)
    share = 100 * sum(r for _, r in right) / len(right)
    assert share == pytest.approx(float(said.split("| right, % |")[1].split("|")[1].split()[0]), abs=0.05)
