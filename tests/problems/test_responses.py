"""Responses made elsewhere, read into rollouts, and one line for each thing that can be wrong with them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlprobe.errors import BadInput
from rlprobe.problems.responses import load_responses
from rlprobe.records import Made, Rollout, Stop

PROMPTS = {"a": [1, 2, 3], "7": [4]}
STOP_ID = 9


def tokenizer(text, add_special_tokens):
    """Each letter is its place in the alphabet, "." the stop id."""
    assert add_special_tokens is False
    return {"input_ids": [STOP_ID if letter == "." else ord(letter) - 97 for letter in text]}


def load(tmp_path, *rows, ending="jsonl"):
    path = tmp_path / f"responses.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_responses(path, PROMPTS, tokenizer, {STOP_ID}, range(20))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_ids_are_taken_as_they_are(tmp_path, ending):
    rows = [
        {"problem_id": "a", "response_ids": [5, 6, STOP_ID], "draw": 0},
        {"problem_id": "a", "response_ids": [STOP_ID, 5], "draw": 1},
    ]
    first, second = load(tmp_path, *rows, ending=ending)
    assert first == Rollout(
        arm="responses",
        problem_id="a",
        draw=0,
        prompt_ids=[1, 2, 3],
        response_ids=[5, 6, STOP_ID],
        host_ids=None,
        gated=[False] * 3,
        logprobs=None,
        stop=Stop.EOS,
        made=Made.GIVEN,
    )
    assert (second.draw, second.stop) == (1, Stop.GIVEN)
    assert first.edited == [False] * 3


def test_text_is_tokenised_and_said_to_be(tmp_path):
    cut, ended = load(tmp_path, {"problem_id": "a", "response": "bcd"}, {"problem_id": 7, "response": "b."})
    assert (cut.response_ids, cut.made, cut.stop) == ([1, 2, 3], Made.GIVEN_TEXT, Stop.GIVEN)
    assert (ended.problem_id, ended.prompt_ids, ended.stop) == ("7", [4], Stop.EOS)


def test_a_row_may_bring_its_own_prompt(tmp_path):
    (rollout,) = load(tmp_path, {"problem_id": "a", "response_ids": [5], "prompt_ids": [8, 8]})
    assert rollout.prompt_ids == [8, 8]


GOOD = {"problem_id": "a", "response_ids": [5]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([{"response_ids": [5]}], "line 1 has no problem_id"),
        ([GOOD, {"problem_id": "b", "response_ids": [5]}], "line 2 answers the problem 'b', which is not among the 2"),
        ([{"problem_id": "a"}], "neither of response_ids and response"),
        ([{**GOOD, "response": "b"}], "both of response_ids and response"),
        ([GOOD, GOOD], "line 2: there is a response to 'a', draw 0, already"),
        ([{"problem_id": "a", "response_ids": []}], "response_ids is empty"),
        ([{"problem_id": "a", "response": ""}], "response is empty"),
        ([{"problem_id": "a", "response": 5}], "response is a int, not text"),
        ([{"problem_id": "a", "response_ids": [5, 20]}], "response_ids holds 20, which is no token"),
        ([{"problem_id": "a", "response_ids": [5, -1]}], "response_ids holds -1"),
        ([{"problem_id": "a", "response_ids": [5, True]}], "response_ids is not a list of token ids"),
        ([{"problem_id": "a", "response_ids": "5 6"}], "response_ids is not a list of token ids"),
        ([{"problem_id": "a", "response": "z"}], "response holds 25, which is no token"),
        ([{**GOOD, "prompt_ids": [99]}], "prompt_ids holds 99"),
        ([{**GOOD, "draw": -1}], "draw is -1"),
        ([{**GOOD, "draw": 0.5}], "draw is 0.5"),
    ],
)
def test_a_bad_row_is_named_in_one_line(tmp_path, rows, message):
    with pytest.raises(BadInput, match=message) as refusal:
        load(tmp_path, *rows)
    assert "\n" not in str(refusal.value)
    assert "responses.jsonl" in str(refusal.value)


@pytest.mark.parametrize("name", ["missing.jsonl", "responses.csv"])
def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / "responses.csv").write_text("problem_id,response\na,b\n")
    with pytest.raises(BadInput, match="responses come from a JSONL or Parquet file"):
        load_responses(tmp_path / name, PROMPTS, tokenizer, {STOP_ID}, range(20))
