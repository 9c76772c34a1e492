"""The organism's generator, authors, tokenizer and shipped files, checked without training anything."""

import json
import operator
import random
import re
from itertools import islice
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from experiments.organism.authors import CAREFUL, DIRECT, HASTY, solve
from experiments.organism.documents import TOKENS, WIDTHS, Batches
from experiments.organism.word_problems import (
    HELD_OUT_FILE,
    HIGHEST,
    LOWEST,
    REPEATED,
    held_out_problems,
    training_problems,
)
from experiments.own_pairs import OWN
from rlprobe.pairs.adapters import other_base
from rlprobe.pairs.loading import load, locate
from rlprobe.problems.prompts import question_answer
from rlprobe.settings import PairChoice

BUNDLED = Path(__file__).parents[2] / "rlprobe" / "pairs" / "bundled"
CHECKPOINTS = Path(__file__).parents[2] / "experiments" / "organism" / "checkpoints"
MEMBERS = ("base", "rl")
AWKWARD = (
    "",
    " ",
    "don't I'LL we've",
    "héllo wörld 123",
    "日本語\n\n x",
    "\t\r\n  y",
    "a  b   c ",
    "1234.5%",
    "\\boxed{57}.",
)
COMPUTED = {"+": operator.add, "-": operator.sub, "*": operator.mul}
SUMS = re.compile(r"(\d+) ([-+*]) (\d+) = (\d+)")


def sample(seed: int, size: int) -> list:
    return list(islice(training_problems(seed), size))


def retold(question: str) -> int:
    """The answer of a question, from its words alone."""
    start, *told = question.split(". ")[:-1]
    total = int(re.findall(r"\d+", start)[0])
    for sentence in told:
        size = 1
        for number in re.findall(r"\d+", sentence):
            size *= int(number)
        grows = re.search(r" (buys|finds|gets) ", sentence) is not None
        total += size if grows else -size
    return total


def test_the_shipped_problems_are_what_the_generator_makes() -> None:
    rows = [json.loads(line) for line in HELD_OUT_FILE.read_text().splitlines()]
    made = held_out_problems()
    assert [row["question"] for row in rows] == [problem.question for problem in made]
    assert [row["answer"] for row in rows] == [str(problem.answer) for problem in made]
    assert [row["problem_id"] for row in rows] == [f"word-{number:04d}" for number in range(1, 501)]


def test_no_training_question_is_a_held_out_question() -> None:
    held_out = {problem.question for problem in held_out_problems()}
    assert len(held_out) == 500
    assert all(problem.is_test for problem in held_out_problems())
    for seed in (1, 2, 1001):
        drawn = sample(seed, 3000)
        assert not any(problem.is_test for problem in drawn)
        assert held_out.isdisjoint(problem.question for problem in drawn)


def test_the_answer_follows_from_the_words_of_the_question() -> None:
    for problem in held_out_problems():
        assert problem.answer == retold(problem.question)
        assert all(LOWEST <= total <= HIGHEST for total in problem.totals)


def test_a_seed_decides_the_problems_and_the_solutions() -> None:
    twice = [[solve(random.Random(7), problem) for problem in sample(3, 50)] for _ in range(2)]
    assert twice[0] == twice[1]
    assert sample(3, 50) != sample(4, 50)


def test_a_solution_that_is_careful_from_end_to_end_is_right_and_so_is_each_of_its_sums() -> None:
    rng = random.Random(0)
    for problem in sample(11, 500):
        text, answer = solve(rng, problem, CAREFUL)
        assert answer == problem.answer
        for left, sign, right, result in SUMS.findall(text):
            assert COMPUTED[sign](int(left), int(right)) == int(result)


def test_the_other_authors_are_right_more_seldom_and_most_of_all_without_repeated_events() -> None:
    rng = random.Random(0)
    problems = sample(12, 1500)
    plain = [p for p in problems if not any(event.wording in REPEATED for event in p.events)]
    for author in (DIRECT, HASTY):
        right = [solve(rng, p, author)[1] == p.answer for p in problems]
        right_when_plain = [solve(rng, p, author)[1] == p.answer for p in plain]
        assert sum(right) / len(right) < 0.7 < sum(right_when_plain) / len(right_when_plain) < 1.0


def test_every_solution_begins_with_a_space_and_ends_in_the_one_box_that_holds_its_answer() -> None:
    rng = random.Random(0)
    for problem in sample(13, 500):
        text, answer = solve(rng, problem)
        assert text.startswith(" ")
        assert text.endswith(f"\\boxed{{{answer}}}.")
        assert text.count("\\boxed") == 1


@pytest.fixture(scope="module", params=MEMBERS)
def shipped(request: pytest.FixtureRequest) -> Path:
    folder = BUNDLED / request.param
    if not folder.exists():
        pytest.skip("no pair has been shipped yet: python -m experiments.organism.ship")
    return folder


def test_auto_tokenizer_gives_the_ids_of_tokenizer_json_and_decodes_to_the_same_text(shipped: Path) -> None:
    loaded, written = AutoTokenizer.from_pretrained(shipped), Tokenizer.from_file(str(shipped / "tokenizer.json"))
    rng = random.Random(0)
    for problem in sample(14, 300):
        prompt, response = question_answer(problem.question, loaded), solve(rng, problem)[0]
        for text in (prompt, response):
            ids = loaded(text)["input_ids"]
            assert ids == written.encode(text).ids
            assert loaded.decode(ids) == text
        # the border between prompt and response is a border between tokens
        assert loaded(prompt + response)["input_ids"] == loaded(prompt)["input_ids"] + loaded(response)["input_ids"]
    for text in AWKWARD:
        assert loaded(text)["input_ids"] == written.encode(text).ids


def test_every_digit_is_a_token_of_its_own(shipped: Path) -> None:
    loaded = AutoTokenizer.from_pretrained(shipped)
    assert not [token for token in loaded.get_vocab() if re.search(r"\d.|.\d", token)]


def test_shipped_weights_are_float32_and_small_and_their_configuration_names_the_stop_id(shipped: Path) -> None:
    weights = shipped / "model.safetensors"
    assert weights.stat().st_size <= 8_000_000
    with safe_open(weights, framework="pt") as file:
        assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F32"}  # noqa: SIM118
    config = json.loads((shipped / "config.json").read_text())
    generation = json.loads((shipped / "generation_config.json").read_text())
    loaded = AutoTokenizer.from_pretrained(shipped)
    assert config["eos_token_id"] == generation["eos_token_id"] == loaded.eos_token_id
    assert config["vocab_size"] == len(loaded)
    assert config["use_cache"]


def test_both_members_share_one_tokenizer_and_differ_in_their_weights() -> None:
    folders = [BUNDLED / member for member in MEMBERS]
    if not all(folder.exists() for folder in folders):
        pytest.skip("no pair has been shipped yet: python -m experiments.organism.ship")
    assert len({(folder / "tokenizer.json").read_bytes() for folder in folders}) == 1
    assert len({(folder / "model.safetensors").read_bytes() for folder in folders}) == 2


def test_the_checkpoints_that_rl_left_are_float16_and_together_small() -> None:
    kept = sorted(CHECKPOINTS.glob("step-*/model.safetensors"))
    assert len(kept) <= 5
    assert sum(path.stat().st_size for path in kept) <= 20_000_000
    for path in kept:
        with safe_open(path, framework="pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} == {"F16"}  # noqa: SIM118


@pytest.mark.parametrize(
    ("pair", "log", "learned"), [("bundled-lora", "lora1", True), ("bundled-null", "null1", False)]
)
def test_the_adapters_stand_on_the_bundled_base_and_learned_what_their_reward_taught(pair, log, learned) -> None:
    entry = OWN[pair].entry
    located = locate(PairChoice(base=entry.base, rl=entry.rl, device="cpu"))
    assert other_base(located.rl) is None
    members, ids = load(located), torch.arange(1, 9)[None]
    with torch.no_grad():
        said = [member.trunk(ids)[0, -1] for member in (members.base, members.rl)]
    assert not torch.allclose(*said, atol=1e-2)
    lines = [json.loads(line) for line in (CHECKPOINTS.parent / "logs" / f"{log}.jsonl").read_text().splitlines()]
    rewards = [line["reward"] for line in lines]
    first, last = (sum(part) / len(part) for part in (rewards[:5], rewards[-5:]))
    assert (last - first > 0.15) == learned
    assert learned or max(abs(first - 0.5), abs(last - 0.5)) < 0.05


def test_batches_come_in_few_shapes_and_count_only_the_solution(shipped: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    for batch in islice(Batches(tokenizer, seed=5), 8):
        rows, width = batch["input_ids"].shape
        assert width in WIDTHS
        assert rows == TOKENS // width
        counted = batch["labels"] != -100
        assert (batch["labels"][counted] == batch["input_ids"][counted]).all()
        for ids, mask in zip(batch["input_ids"], counted, strict=True):
            prompt = tokenizer.decode(ids[: int(mask.nonzero()[0])])
            assert prompt.startswith("Question: ")
            assert prompt.endswith("Answer:")
            assert ids[mask][-1] == tokenizer.eos_token_id
