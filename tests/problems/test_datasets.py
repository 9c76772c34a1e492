"""Problems out of files and registered sets, and one line for each thing that can be wrong with them."""

import csv
import hashlib
import json
import os
import time

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlprobe.errors import BadInput, NotAvailable
from rlprobe.problems.datasets import DATASETS, HubSet, load_problems

ROWS = [
    {"question": "What is 1 + 1?", "answer": "2"},
    {"question": "A\ttab, a “quote”, and\na newline?", "answer": r"\frac{1}{2}"},
]


def write(path, rows):
    if path.suffix == ".json":
        path.write_text(json.dumps(rows))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    return str(path)


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "csv"])
def test_a_file_gives_its_problems_character_by_character(tmp_path, ending):
    problems = load_problems(write(tmp_path / f"mine.{ending}", ROWS))
    assert [(p.question, p.answer) for p in problems.problems] == [(r["question"], r["answer"]) for r in ROWS]
    assert [p.problem_id for p in problems.problems] == ["row-00000", "row-00001"]
    assert problems.name == "mine"


def test_the_fingerprint_is_that_of_all_rows_in_order(tmp_path):
    same = [load_problems(write(tmp_path / f"mine.{ending}", ROWS)).fingerprint for ending in ("jsonl", "parquet")]
    turned = load_problems(write(tmp_path / "turned.jsonl", ROWS[::-1])).fingerprint
    lines = [json.dumps([f"row-{n:05d}", row["question"]]) + "\n" for n, row in enumerate(ROWS)]
    assert same == [hashlib.sha256("".join(lines).encode()).hexdigest()] * 2
    assert turned != same[0]


def test_fields_can_be_named(tmp_path):
    rows = [{"q": "1?", "question": "other", "gold": 7, "answer": "other"}]
    (problem,) = load_problems(write(tmp_path / "a.jsonl", rows), "q", "gold").problems
    assert (problem.question, problem.answer) == ("1?", "7")


@pytest.mark.parametrize("question", ["question", "problem", "prompt"])
@pytest.mark.parametrize("answer", ["answer", "final_answer"])
def test_usual_fields_are_guessed(tmp_path, question, answer):
    (problem,) = load_problems(write(tmp_path / "a.jsonl", [{question: "1?", answer: ["2", "3"], "level": 1}])).problems
    assert (problem.question, problem.answer) == ("1?", "2, 3")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"question": "1?", "problem": "2?", "answer": "2"}, "which field holds the question.*--question-field"),
        ({"text": "1?", "answer": "2"}, "which field holds the question.*has the fields text, answer"),
        ({"question": "1?", "solution": "2"}, "which field holds the answer.*--answer-field"),
        ({"question": "1?", "answer": "1", "final_answer": "2"}, "which field holds the answer"),
    ],
)
def test_a_doubtful_field_has_to_be_named(tmp_path, row, message):
    with pytest.raises(BadInput, match=message):
        load_problems(write(tmp_path / "a.jsonl", [row]))


@pytest.mark.parametrize("field", ["problem_id", "unique_id", "id"])
def test_ids_of_the_file_are_used(tmp_path, field):
    rows = [{**row, field: name} for row, name in zip(ROWS, ["x/1", 2], strict=True)]
    problems = load_problems(write(tmp_path / "a.jsonl", rows)).problems
    assert [p.problem_id for p in problems] == ["x/1", "2"]


@pytest.mark.parametrize("field", ["problem_id", "unique_id", "id"])
def test_whole_numbers_that_a_table_has_made_floats_of_are_ids(tmp_path, field):
    problems = load_problems(write(tmp_path / "a.parquet", [{**row, field: n} for n, row in enumerate(ROWS, 0)]))
    floats = load_problems(write(tmp_path / "a.jsonl", [{**row, field: float(n)} for n, row in enumerate(ROWS, 0)]))
    assert [p.problem_id for p in problems.problems] == [p.problem_id for p in floats.problems] == ["0", "1"]


def test_a_number_of_thousands_of_digits_is_an_answer_like_any_other(tmp_path):
    digits = "7" * 5000
    (tmp_path / "a.jsonl").write_text(f'{{"question": "1?", "answer": {digits}}}')
    assert load_problems(str(tmp_path / "a.jsonl")).problems[0].answer == digits


@pytest.mark.parametrize("field", ["question", "answer", "problem_id", "id"])
def test_half_a_character_is_named_in_one_line(tmp_path, field):
    row = {"question": "1?", "answer": "2", field: "x\ud83d"}
    with pytest.raises(BadInput, match=r"at character 1 it holds '.ud83d', half of one") as refusal:
        load_problems(write(tmp_path / "a.jsonl", [row]))
    assert str(refusal.value).isascii()


def test_a_file_whose_name_is_no_text_is_read(tmp_path):
    path = write(tmp_path / os.fsdecode(b"mine\xff.jsonl"), ROWS)
    problems = load_problems(path)
    assert (problems.name, problems.problems[0].source) == (r"mine\xff", r"mine\xff.jsonl, line 1")


@pytest.mark.parametrize("field", ["unique_id", "id"])
def test_foreign_ids_that_are_not_unique_give_way_to_row_numbers(tmp_path, field):
    problems = load_problems(write(tmp_path / "a.jsonl", [{**row, field: 1} for row in ROWS])).problems
    assert [p.problem_id for p in problems] == ["row-00000", "row-00001"]


GOOD = json.dumps(ROWS[0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["", " "], "is empty"),
        ([GOOD, "", '{"question": '], "line 3 is no JSON: Expecting value at column 14"),
        ([GOOD, "[1]"], "line 2 is a JSON list"),
        ([GOOD, '{"question": "2?"}'], "line 2 has no field 'answer': it has question"),
        (['{"question": "", "answer": "2"}'], "line 1: the field 'question' is empty"),
        (['{"question": " \\n", "answer": "2"}'], "line 1: the field 'question' is empty"),
        ([GOOD, '{"question": "1?", "answer": null}'], "line 2: the field 'answer' is null"),
        (['{"question": "1?", "answer": NaN}'], "the field 'answer' is null"),
        (['{"question": "1?", "answer": {"value": 2}}'], "the field 'answer' is a dict"),
        (['{"question": "1?", "answer": true}'], "the field 'answer' is a bool"),
        (['{"question": "1?", "answer": []}'], "the field 'answer' is a list"),
        (['{"problem_id": "a", "question": "1?", "answer": "2"}'] * 2, "problem_id 'a' comes more than once"),
        (['{"problem_id": null, "question": "1?", "answer": "2"}'], "the field 'problem_id' is null"),
    ],
)
def test_a_bad_line_is_named_in_one_line(tmp_path, lines, message):
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(BadInput, match=message) as refusal:
        load_problems(str(path))
    assert "\n" not in str(refusal.value)
    assert "a.jsonl" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b'[{"question":\n 1', "no JSON: Expecting ',' delimiter at line 2, column 3"),
        ("a.json", b"[1]", "entry 0 is a JSON int, not an object"),
        ("a.jsonl", b"[" * 100_000, "line 1 is JSON nested too deeply"),
        ("a.jsonl", b'{"question": "1?", "answer": Infinity}', "'answer' is a float, not text or a number"),
        ("a.csv", b"question,answer\n1?,2\n2?\n", "line 3 does not have the header's 2 fields"),
        ("a.csv", b"question,answer\n1?,2,3\n", "line 2 does not have"),
        ("a.csv", b'question,answer\n"1?,2\n', "is no CSV: unexpected end of data"),
        ("a.csv", b"question,answer\n1?,\n", "line 2: the field 'answer' is empty"),
        ("a.parquet", b"PAR1 and then nothing", "no readable Parquet file"),
        ("a.jsonl", b'{"question": "\xff"}', "not UTF-8"),
        ("a.txt", b"1 + 1?", "no .jsonl, .json, .parquet, .csv file"),
    ],
)
def test_a_bad_file_is_named_in_one_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=message) as refusal:
        load_problems(str(tmp_path / name))
    assert "\n" not in str(refusal.value)


def test_a_field_that_is_not_there_names_those_that_are(tmp_path):
    with pytest.raises(BadInput, match=r"no field 'gold' for the answer: .*a\.jsonl has the fields question, answer"):
        load_problems(write(tmp_path / "a.jsonl", ROWS), answer_field="gold")


def test_an_unknown_name_lists_the_choices_and_says_it_is_no_file_either(tmp_path):
    with pytest.raises(
        BadInput, match=r"no data set 'math'.*not found as a file either; choose one of word-problems, "
    ):
        load_problems("math")
    with pytest.raises(BadInput, match="is a folder"):
        load_problems(str(tmp_path))


def test_the_bundled_problems_are_five_hundred_with_integer_answers():
    problems = load_problems("word-problems")
    assert len(problems.problems) == 500
    assert len({p.problem_id for p in problems.problems}) == 500
    assert all(p.answer == str(int(p.answer)) for p in problems.problems)


HUB_SETS = [name for name, registered in DATASETS.items() if isinstance(registered, HubSet)]


@pytest.mark.parametrize("name", HUB_SETS)
def test_a_hub_set_that_is_not_cached_is_refused_quickly_and_in_one_line(name, monkeypatch, tmp_path):
    from datasets import config

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path)
    start = time.monotonic()
    with pytest.raises(NotAvailable, match=f"{name} .*neither cached nor reachable.*pass a local file") as refusal:
        load_problems(name)
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - start < 30


def test_a_hub_that_does_not_answer_is_not_asked_again_and_again(monkeypatch, tmp_path):
    from datasets import config
    from huggingface_hub import constants

    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path)
    for module in (constants, config):
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(NotAvailable):
        load_problems("math-500")
    assert time.monotonic() - start < 15
    assert not constants.HF_HUB_OFFLINE


def hub_rows(monkeypatch, rows):
    import datasets

    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda *args, **kwargs: asked.append((args, kwargs)) or rows)
    return asked


def test_another_row_count_is_refused_with_both_counts(monkeypatch):
    hub_rows(monkeypatch, [{"question": "1?", "answer": "#### 2"}] * 7)
    with pytest.raises(NotAvailable, match=r"gsm8k has 7 rows, not 1319: openai/gsm8k main test \(unpinned\)"):
        load_problems("gsm8k")


@pytest.mark.parametrize(
    ("name", "row", "question", "answer"),
    [
        ("math-500", {"problem": "q", "answer": r"\pi", "unique_id": "u"}, "q", r"\pi"),
        ("gsm8k", {"question": "q", "answer": "70 * 1,000 = 70,000 eggs.\n#### 70,000"}, "q", "70000"),
        ("aime-2024", {"id": 60, "problem": "q", "answer": "033"}, "q", "33"),
        ("aime-2025", {"id": "0", "problem": "q", "answer": "70"}, "q", "70"),
        ("amc23", {"id": 0, "question": "q", "answer": 27.0}, "q", "27"),
        ("minerva", {"question": "q", "answer": "4.5e33"}, "q", "4.5e33"),
        ("olympiadbench", {"id": 1, "context": None, "question": "q", "final_answer": ["$2$", "3"]}, "q", "2, 3"),
        ("olympiadbench", {"id": 1, "context": "c", "question": "q", "final_answer": ["2"]}, "c\nq", "2"),
    ],
)
def test_gold_answers_are_taken_out_of_their_rows(monkeypatch, name, row, question, answer):
    registered = DATASETS[name]
    key = registered.id_field
    rows = [{**row, **({key: f"n{n}"} if key else {})} for n in range(registered.rows[0])]
    asked = hub_rows(monkeypatch, rows)
    problems = load_problems(name.upper())
    assert (problems.problems[3].question, problems.problems[3].answer) == (question, answer)
    assert problems.problems[3].problem_id == f"{name}/{'n3' if key else '3'}"
    assert asked == [((registered.hub_id, registered.config), {"split": registered.split, "revision": None})]


def test_a_registered_set_has_its_own_fields():
    with pytest.raises(BadInput, match="has its own fields"):
        load_problems("word-problems", question_field="question")
