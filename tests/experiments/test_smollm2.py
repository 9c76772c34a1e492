"""The problems of the SmolLM2 pair and the adapter that ships, checked without training anything."""

import hashlib
import json
import re
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from transformers import AutoTokenizer

from experiments.smollm2.problems import FAMILIES, HELD_OUT_FILE, held_out_problems, training_problems
from experiments.smollm2.train import CALLED, main
from rlprobe.pairs.fetched import FETCHED
from rlprobe.pairs.loading import load, locate
from rlprobe.pairs.registry import PAIRS
from rlprobe.problems.datasets import load_problems
from rlprobe.problems.prompts import SHORT_SHOTS, encode_prompt
from rlprobe.settings import PairChoice
from rlprobe.training.grpo import GrpoSettings

SEEDS = (1, 2, 3)
SHIPPED = Path(PAIRS["smollm2"].rl.removeprefix("base+"))
LOGS = Path(__file__).parents[2] / "experiments" / "smollm2" / "logs"
SOLVED = {  # from the numbers of a question, by family
    "boxes": lambda a, b: a * b,
    "price": lambda a, b: a * b,
    "gain": lambda a, b: a + b,
    "lose": lambda a, b: a - b,
    "together": lambda a, b: a + b,
    "share": lambda a, b: a / b,
}


def test_the_shipped_problems_are_what_the_generator_makes():
    rows = [json.loads(line) for line in HELD_OUT_FILE.read_text().splitlines()]
    made = held_out_problems()
    assert [(row["question"], row["answer"]) for row in rows] == [(p.question, str(p.answer)) for p in made]
    assert [row["problem_id"] for row in rows] == [f"short-{number:04d}" for number in range(1, 501)]


def test_no_training_question_is_a_held_out_question_nor_a_shot():
    held_out = {problem.question for problem in held_out_problems()}
    shots = {asked for asked, _ in SHORT_SHOTS}
    assert len(held_out) == 500
    for seed in SEEDS:
        trained = {problem.question for problem in islice(training_problems(seed), 3000)}
        assert trained.isdisjoint(held_out)
        assert (trained | held_out).isdisjoint(shots)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_thousands_of_texts(family):
    drawn = {p.question for p in islice(training_problems(7), 4000 * len(FAMILIES)) if p.family == family}
    assert len(drawn) > 3000


def test_the_answer_follows_from_the_words_of_the_question():
    for family, question, answer in held_out_problems():
        assert SOLVED[family](*map(int, re.findall(r"\d+", question))) == answer


def test_a_seed_decides_the_problems():
    first = [list(islice(training_problems(seed), 50)) for seed in (1, 1, 2)]
    assert first[0] == first[1] != first[2]


def test_the_shots_end_in_the_box_that_holds_their_answer():
    for asked, answered in SHORT_SHOTS:
        left, right = map(int, re.findall(r"\d+", asked))
        said = re.search(r"(\d+) ([-*+]) (\d+) = (\d+)\. The answer is \\boxed\{(\d+)\}\.$", answered)
        assert (int(said[1]), int(said[3])) == (left, right)
        assert {"-": left - right, "*": left * right, "+": left + right}[said[2]] == int(said[4]) == int(said[5])


def test_the_training_command_runs_two_steps_and_goes_on_when_it_is_given_again(tiny_folders, tmp_path):
    base, out = tmp_path / "base", tmp_path / "out"
    shutil.copytree(tiny_folders[0], base)
    tokenizer = AutoTokenizer.from_pretrained(base)
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    tokenizer.save_pretrained(base)

    def steps(count: int) -> list[int]:
        done = CliRunner().invoke(main, ["--steps", str(count), "--base", str(base), "--out", str(out)])
        assert done.exit_code == 0, done.output
        return [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]

    assert steps(1) == [1]
    assert steps(2) == [1, 2]
    assert (out / "adapter" / "adapter_model.safetensors").exists()


# ---- what ships


def test_the_adapter_is_small_in_bfloat16_and_names_its_base_and_its_card_its_hash():
    weights = SHIPPED / "adapter_model.safetensors"
    assert weights.stat().st_size <= 4_000_000
    with safe_open(weights, framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"BF16"}  # noqa: SIM118
    config = json.loads((SHIPPED / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == CALLED == FETCHED["smollm2"].hub_id
    assert config["r"] == GrpoSettings(steps=1).rank
    card = (SHIPPED / "README.md").read_text()
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert FETCHED["smollm2"].sha256 in card
    assert FETCHED["smollm2"].digest in card


def test_the_accuracies_of_the_card_are_those_of_the_logs():
    card = (SHIPPED / "README.md").read_text()
    logs = [(LOGS / f"answers-{name}.jsonl").read_text().splitlines() for name in ("base", "seed1")]
    said = re.search(r"\| right, % \| ([\d.]+) \[.*?\] \| ([\d.]+) \[", card)
    right = [[json.loads(line)["right"] for line in lines[: min(map(len, logs))]] for lines in logs]
    assert f"{len(right[0])} held-out problems" in card
    assert [float(said[1]), float(said[2])] == [round(100 * sum(of) / len(of), 1) for of in right]


@pytest.mark.parametrize(
    ("log", "words"),
    [("base", "base"), ("seed1", "seed 1"), ("seed2", "seed 2"), ("seed3", "seed 3"), ("null1", "**null")],
)
def test_the_readme_says_of_how_many_problems_each_model_is_right(log, words):
    readme = " ".join((LOGS.parent / "README.md").read_text().split())
    right = [json.loads(line)["right"] for line in (LOGS / f"answers-{log}.jsonl").read_text().splitlines()]
    assert re.search(rf"{re.escape(words)} {sum(right)}\b", readme)
    assert len(right) == (250 if log == "base" else 500)


@pytest.fixture(scope="module")
def smollm2():
    return load(locate(PairChoice(pair="smollm2", device="cpu")))


def test_the_pair_loads_on_one_set_of_weights_and_its_members_speak_differently(smollm2):
    problem = load_problems(PAIRS["smollm2"].dataset).problems[0]
    _, ids = encode_prompt(PAIRS["smollm2"].prompt_style, problem.question, smollm2.tokenizer)
    with torch.no_grad():
        said = [member.trunk(torch.tensor([ids]))[0, -1] for member in (smollm2.base, smollm2.rl)]
    assert smollm2.base.network is smollm2.rl.network
    assert not torch.allclose(said[0], said[1], atol=1e-2)
