"""The discovery pair's recipe: its functions, what the base is shown of them, and that a stage can be stopped."""

import hashlib
import json
import math
import random
from dataclasses import asdict
from itertools import islice, product

import pytest
import torch
from click.testing import CliRunner
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from experiments.discovery import pretrain, reinforce, ship
from experiments.discovery.answers import Said, Speaker
from experiments.discovery.corpus import document
from experiments.discovery.evaluate import counts, figures, floor
from experiments.discovery.functions import (
    FUNCTIONS,
    HELD_OUT,
    HELD_OUT_FILE,
    NEW,
    OLD,
    Nesting,
    held_out,
    problems,
    training,
)
from experiments.discovery.state import Stage
from experiments.discovery.tokenizer import train
from rlprobe.problems.prompts import question_answer

RIGHT = " Now ku(3124) = 4235. Then ka(4235) = 5423. So it is \\boxed{5423}."


@pytest.fixture(scope="module")
def tokenizer():
    return train(1)


def test_each_function_does_what_its_definition_says():
    assert {name: function("81234") for name, function in FUNCTIONS.items()} == {
        "ba": "12348", "be": "881234", "bi": "8123", "bo": "78123",
        "ka": "48123", "ke": "812344", "ki": "1234", "ku": "12345",
    }  # fmt: skip


@pytest.mark.parametrize("names", [OLD, NEW])
def test_no_two_functions_of_a_kind_undo_each_other(names):
    for inner, outer in product(names.values(), repeat=2):
        assert outer(inner("81234")) != "81234"


def test_a_nesting_is_worked_out_from_the_inside():
    nesting = Nesting("3124", ("ku", "ka"))
    assert (nesting.question, nesting.answer) == ("What is ka(ku(3124))?", "5423")
    assert nesting.steps == [("ku", "3124", "4235"), ("ka", "4235", "5423")]
    assert Nesting("3333", ("ka", "ka")).is_coincidence
    assert not nesting.is_coincidence


def test_no_training_question_is_a_held_out_one():
    asked, rng = {nesting.question for nesting in held_out()}, random.Random(0)
    assert len(asked) == sum(HELD_OUT.values())
    assert all(nesting.is_test for nesting in held_out())
    assert asked.isdisjoint(training(rng, 2, tuple(NEW)).question for _ in range(2000))
    assert asked.isdisjoint(n.question for step in range(20) for n in reinforce.problems(1, step, (2, 3)))


def test_the_held_out_file_is_what_the_generator_makes():
    assert [json.loads(line) for line in HELD_OUT_FILE.read_text().splitlines()] == [asdict(p) for p in problems()]


def test_the_base_is_never_shown_a_nesting_of_new_functions_done_right():
    rng, nested = random.Random(1), {"old": [0, 0], "new": [0, 0]}
    for nesting, text in (document(rng) for _ in range(3000)):
        said = Said(nesting, text, ended=True)
        if len(nesting.names) > 1:
            kind = "new" if set(nesting.names) <= set(NEW) else "old"
            nested[kind][0] += 1
            nested[kind][1] += said.is_right
            assert kind == "old" or not said.is_right or nesting.is_coincidence
            assert kind == "old" or not said.is_worked_out
        else:
            assert said.is_right
        assert said.true_steps == len(said.steps)
    assert nested["new"][0] > 300
    assert nested["old"][1] > 300


def test_the_floor_counts_what_is_right_without_nesting():
    nestings = [Nesting("3333", ("ka", "ka")), Nesting("3124", ("ku", "ka")), Nesting("1234", ("ke", "ki"))]
    assert floor(nestings) == {"floor_taught": pytest.approx(1 / 3), "floor_best": pytest.approx(1 / 3)}


def test_right_answers_and_true_steps_are_told_apart():
    nesting = Nesting("3124", ("ku", "ka"))
    texts = [RIGHT, RIGHT.replace("4235", "9999"), " \\boxed{5423}.", " ku(3124) = 4235. So it is \\boxed{4235}."]
    said = [Said(nesting, text, ended=True) for text in texts] + [Said(nesting, RIGHT, ended=False)]
    assert [each.is_right for each in said] == [True, True, True, False, False]
    assert [each.is_worked_out for each in said] == [True, False, False, False, True]
    assert [each.true_steps for each in said] == [2, 0, 0, 1, 2]
    assert [reinforce.REWARDS["steps"](each) for each in said] == [1, 0, 1, 0, 0]
    found = figures(said)
    assert (found["right"], found["worked_out_of_right"], found["true_steps"]) == (3 / 5, 1 / 3, 5 / 7)
    (row,) = counts(said, "rl", 5).to_dict("records")
    assert row == {"problem_id": "ka(ku(3124))", "model": "rl", "n": 5, "c": 3, "family": "depth 2"}


def test_every_digit_bracket_and_name_is_one_token_and_a_reload_keeps_the_ids(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded, written = AutoTokenizer.from_pretrained(tmp_path), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    for nesting, text in (document(random.Random(seed)) for seed in range(50)):
        prompt = question_answer(nesting.question, None)
        for part in (prompt, text):
            assert loaded(part)["input_ids"] == written.encode(part).ids == tokenizer(part)["input_ids"]
            assert loaded.decode(loaded(part)["input_ids"]) == part
        assert loaded(prompt + text)["input_ids"] == loaded(prompt)["input_ids"] + loaded(text)["input_ids"]
    assert len(tokenizer("ka(ku(3124))")["input_ids"]) == 10


def test_a_pair_of_these_models_is_small(tokenizer):
    assert 2 * 2 * pretrain.new_model(tokenizer, 1).num_parameters() < 1_150_000  # bytes of two models in float16


def weights(folder):
    return Speaker.load(folder).model.state_dict()


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_stages_that_were_stopped_end_in_the_same_weights_and_the_same_log(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "ROWS", 4)
    for name, value in {"PROMPTS": 2, "SAMPLES": 4, "ROWS": 3, "KEEP_EVERY": 1}.items():
        monkeypatch.setattr(reinforce, name, value)
    monkeypatch.setitem(reinforce.REWARDS, "answer", lambda said: float(len(said.text) % 2))
    monkeypatch.setattr("experiments.discovery.answers.LONGEST", 8)
    stages = {
        (way, name): Stage(name, 1, tmp_path / way, tmp_path / way) for way in ("whole", "stopped")
        for name in ("pretrain", "reinforce")
    }  # fmt: skip
    for last in (1, 2):
        pretrain.pretrain(stages["stopped", "pretrain"], 3, last)
    bases = [pretrain.pretrain(stages[way, "pretrain"], 3) for way in ("whole", "stopped")]
    assert same(*map(weights, bases))
    reinforce.reinforce(stages["stopped", "reinforce"], bases[0], 2, (2,), "answer", 1)
    models = [
        reinforce.reinforce(stages[way, "reinforce"], bases[0], 2, (2,), "answer") for way in ("whole", "stopped")
    ]
    assert same(*map(weights, models))
    assert not same(weights(models[0]), weights(bases[0]))
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (models[0] / name).read_bytes() == (bases[0] / name).read_bytes()
    whole, stopped = (stages[way, "reinforce"].log.read_text().splitlines() for way in ("whole", "stopped"))
    assert [json.loads(line) | {"seconds": 0} for line in whole] == [
        json.loads(line) | {"seconds": 0} for line in stopped
    ]
    assert len(whole) == 2


def test_what_ships_is_float16_and_says_what_the_trained_model_says(tokenizer, tmp_path):
    pretrain.new_model(tokenizer, 1).save_pretrained(tmp_path / "trained")
    tokenizer.save_pretrained(tmp_path / "trained")
    ship.copy_model(tmp_path / "trained", tmp_path / "shipped")
    assert (tmp_path / "shipped/model.safetensors").stat().st_size < 600_000
    whole, half = (weights(tmp_path / name) for name in ("trained", "shipped"))
    assert all(torch.equal(whole[name].half().float(), half[name]) for name in whole)
    assert Speaker.load(tmp_path / "shipped").tokenizer("ka(1)")["input_ids"] == tokenizer("ka(1)")["input_ids"]


def test_advantages_are_of_a_prompts_own_samples():
    rewards = torch.tensor([[1.0, 0, 0, 0], [1, 1, 1, 1]])
    found = reinforce.advantages(rewards)
    assert found[0].tolist() == pytest.approx([0.75 / 0.5001] + [-0.25 / 0.5001] * 3)
    assert found[1].tolist() == [0, 0, 0, 0]


def test_a_response_counts_up_to_its_stop_id_and_its_logprobs_do_not_see_the_padding(tokenizer):
    assert reinforce.spoken(torch.tensor([[9, 9, 5, 0, 1], [9, 9, 5, 6, 7]]), 2, 0).tolist() == [
        [True, True, False],
        [True, True, True],
    ]
    model, pad = pretrain.new_model(tokenizer, 1).eval(), tokenizer.pad_token_id
    alone = torch.tensor([[7, 8, 5, 6]])
    padded = torch.tensor([[pad, pad, 7, 8, 5, 6, pad]])
    with torch.no_grad():
        expected = torch.log_softmax(model(alone).logits[0, 1:3], -1)
        found = reinforce.logprobs(model, padded, 4, pad)[0, :2]
    assert found.tolist() == pytest.approx([float(expected[0, 5]), float(expected[1, 6])], abs=1e-5)


def test_the_surrogate_is_clipped_on_the_side_that_would_gain():
    old, mask = torch.zeros(2, 1), torch.ones(2, 1)
    for step, gain, expected in [
        (0.5, 1.0, 1.28),
        (-0.5, 1.0, math.exp(-0.5)),
        (-0.5, -1.0, -0.8),
        (0.1, 1.0, math.exp(0.1)),
    ]:
        new = torch.tensor([[step], [0.0]])
        loss = reinforce.surrogate(new, old, torch.tensor([gain, 0.0]), mask)
        assert float(loss) == pytest.approx(-expected)


def test_the_loss_is_the_mean_over_every_token_of_a_solution(tokenizer, monkeypatch):
    monkeypatch.setattr(pretrain, "ROWS", 6)
    model, halves = pretrain.new_model(tokenizer, 1), pretrain.batches(tokenizer, 1, 0)
    nats = []
    for half in halves:
        for ids, labels in zip(half["input_ids"], half["labels"], strict=True):
            logprobs = torch.log_softmax(model(ids[None]).logits[0], -1)
            nats += [-float(logprobs[t - 1, label].detach()) for t, label in enumerate(labels) if label != -100]
    assert pretrain.loss_of(model, halves) == pytest.approx(sum(nats) / len(nats), rel=1e-5)
    assert max(map(len, halves[0]["input_ids"])) <= min(len(half["input_ids"][0]) for half in halves)


def test_the_corpus_has_its_parts():
    nestings = [nesting for nesting, _ in islice(map(document, [random.Random(2)] * 4000), 4000)]
    assert 0.51 < sum(len(nesting.names) == 1 for nesting in nestings) / 4000 < 0.57
    assert 0.03 < sum(len({name in NEW for name in nesting.names}) == 2 for nesting in nestings) / 4000 < 0.06


def test_the_card_is_written_from_the_logs_and_says_which_depth_was_not_reached(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(ship, "Stage", lambda name, seed: Stage(name, seed, tmp_path, tmp_path / "logs"))
    for member in ("base", "rl"):
        pretrain.new_model(tokenizer, 1).save_pretrained(tmp_path / "seed1" / member)
        tokenizer.save_pretrained(tmp_path / "seed1" / member)
    asked = ["--seed", "1", "--out", str(tmp_path / "out")]
    early = CliRunner().invoke(ship.main, asked)
    assert early.exit_code == 1
    assert "run experiments.discovery.evaluate first" in early.output
    assert not (tmp_path / "out").exists()
    share = dict.fromkeys(ship.COLUMNS, 0.5)
    for stage, told in {
        "evaluate": [
            *({"what": "floor", "depth": d, "problems": 9, "floor_taught": 0, "floor_best": 0.05} for d in (2, 3)),
            {"what": "greedy", "model": "rl", "depth": 2, **share},
            {"what": "greedy", "model": "rl", "depth": 3, **share, "right": 0.08},
        ],
        "pretrain": [{"step": 9, "steps": 9, "parameters": 270_000}],
        "reinforce": [{"step": 1, "reward": 0.0}, {"step": 7, "reward": 2 / (24 * 24)}],
    }.items():
        file = tmp_path / "logs" / f"{stage}-seed1.jsonl"
        file.parent.mkdir(exist_ok=True)
        file.write_text("".join(json.dumps(line) + "\n" for line in told))
    assert CliRunner().invoke(ship.main, asked, catch_exceptions=False).exit_code == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "depth 2 is reached (0.500), depth 3 is **not** reached (0.080)" in card
    assert "7 rounds of 24 problems x 24 samples" in card
    assert "Of the 1152 draws of the first 2 rounds, 2 were right" in card
    weights_file = (tmp_path / "out" / "rl" / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights_file).hexdigest() in card
    assert "$" not in card
