"""Responses made elsewhere, read into rollouts, and one line for each thing that can be wrong with them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rlprobe.errors import BadInput
from rlprobe.problems.matching import Matching
from rlprobe.problems.responses import Asked, ResponseFile, load_responses, without_pads
from rlprobe.records import Made, Problem, Rollout, Stop

STOP_ID, PAD_ID = 9, 30
PROBLEMS = [Problem(i, question, "1", "here") for i, question in (("a", "Which is first?"), ("7", "Which is seventh?"))]


class Letters:
    """Each letter is its place in the alphabet, "." the stop id."""

    pad_token_id = PAD_ID

    def __call__(self, text, add_special_tokens):
        assert add_special_tokens is False
        return {"input_ids": [STOP_ID if letter == "." else ord(letter) - 97 for letter in text]}

    def decode(self, ids):
        return "".join("." if i == STOP_ID else chr(97 + i) for i in ids)


ASKED = Asked(Matching("set", PROBLEMS), {"a": [1, 2, 3], "7": [4]}, Letters(), {STOP_ID}, range(20), context=12)


def write(tmp_path, *rows, ending="jsonl"):
    path = tmp_path / f"responses.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path)
    elif ending == "json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def loaded(tmp_path, *rows, ending="jsonl", **fields):
    return load_responses(ResponseFile(write(tmp_path, *rows, ending=ending), **fields), ASKED)


def load(tmp_path, *rows, **options):
    return list(loaded(tmp_path, *rows, **options).rollouts.values())


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet"])
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


def test_ids_count_where_a_row_has_text_as_well(tmp_path):
    (rollout,) = load(tmp_path, {"problem_id": "a", "response": "zzz", "response_ids": [5]})
    assert (rollout.response_ids, rollout.made) == ([5], Made.GIVEN)


def test_a_row_may_bring_its_own_prompt(tmp_path):
    (rollout,) = load(tmp_path, {"problem_id": "a", "response_ids": [5], "prompt_ids": [8, 8]})
    assert rollout.prompt_ids == [8, 8]


@pytest.mark.parametrize("empty", [{"response": ""}, {"response_ids": []}, {"response_ids": [PAD_ID, PAD_ID]}])
def test_an_empty_response_is_a_response(tmp_path, empty):
    (rollout,) = load(tmp_path, {"problem_id": "a", **empty})
    assert (rollout.response_ids, rollout.gated, rollout.stop) == ([], [], Stop.GIVEN)


@pytest.mark.parametrize("written", ["7", 7, 7.0, "7.0"])
def test_ids_are_ids_however_a_table_writes_them(tmp_path, written):
    (rollout,) = load(tmp_path, {"problem_id": written, "response": "b"})
    assert rollout.problem_id == "7"


def test_an_id_may_lack_the_name_of_the_set():
    matching = Matching("math-500", [Problem("math-500/test/1.json", "One?", "1", "here")])
    assert matching.by_id("test/1.json") == "math-500/test/1.json"
    assert matching.by_id("math-500/test/1.json") == "math-500/test/1.json"
    assert [matching.by_id(other) for other in ("1.json", True, None, float("nan"), " ")] == [None] * 5


def test_unknown_ids_are_counted_and_left_out(tmp_path):
    found = loaded(tmp_path, {"problem_id": "a", "response": "b"}, {"problem_id": "elsewhere", "response": "zz"})
    assert list(found.rollouts) == [("a", 0)]
    about = found.about("responses.jsonl")
    assert about == {"file": "responses.jsonl", "format": "rlprobe", "unknown_ids": 1, "without_response": 0}


def test_a_row_without_a_response_is_counted(tmp_path):
    found = loaded(tmp_path, {"problem_id": "a", "response": "b"}, {"problem_id": "7", "response": None})
    assert (list(found.rollouts), found.silent) == ([("a", 0)], 1)


def test_problems_that_were_not_asked_for_are_not_unknown(tmp_path):
    asked = Asked(ASKED.matching, {"a": [1]}, Letters(), {STOP_ID}, range(20), context=12)
    path = write(tmp_path, {"problem_id": "a", "response": "b"}, {"problem_id": "7", "response": "zz"})
    found = load_responses(ResponseFile(path), asked)
    assert (list(found.rollouts), found.unknown) == ([("a", 0)], [])


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        ([5, STOP_ID, PAD_ID, PAD_ID], [5, STOP_ID]),
        ([5, STOP_ID, STOP_ID, STOP_ID], [5, STOP_ID]),
        ([5, PAD_ID, PAD_ID], [5]),
        ([5, 6], [5, 6]),
        ([PAD_ID, 5, PAD_ID, 6, STOP_ID], [PAD_ID, 5, PAD_ID, 6, STOP_ID]),
        ([STOP_ID, 5, STOP_ID], [STOP_ID, 5, STOP_ID]),
        ([], []),
    ],
)
def test_pads_after_the_end_are_no_tokens(ids, kept):
    assert without_pads(ids, {STOP_ID}, {PAD_ID}) == kept
    assert without_pads(kept, {STOP_ID}, {PAD_ID}) == kept


def test_a_pad_that_is_the_stop_id_leaves_one_of_them():
    assert without_pads([5, STOP_ID, STOP_ID], {STOP_ID}, {STOP_ID}) == [5, STOP_ID]


def test_pads_are_cut_from_both_ends_of_a_batch_and_their_logprobs_with_them(tmp_path):
    row = {"problem_id": "a", "prompt_ids": [PAD_ID, PAD_ID, 8], "response_ids": [5, STOP_ID, PAD_ID]}
    (rollout,) = load(tmp_path, {**row, "logprobs": [-0.5, -0.25, 0.0]})
    assert (rollout.prompt_ids, rollout.response_ids) == ([8], [5, STOP_ID])
    assert rollout.logprobs == [-0.5, -0.25]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_list_of_responses_is_so_many_draws(tmp_path, ending):
    rows = [
        {"name": 7.0, "out": {"texts": ["b", "cc"]}},
        {"name": 7.5, "out": {"texts": ["d"]}},
    ]
    fields = {"id_field": "name", "response_field": "out.texts"}
    found = loaded(tmp_path, *rows, ending=ending, **fields)
    assert {key: r.response_ids for key, r in found.rollouts.items()} == {("7", 0): [1], ("7", 1): [2, 2]}
    assert len(found.unknown) == 1


@pytest.mark.parametrize(
    ("path", "row"),
    [
        ("a.b", {"a.b": [1, 2]}),
        ("a.b", {"a": {"b": [1, 2]}}),
        ("a.0.b", {"a": [{"b": [1, 2]}, {"b": [3]}]}),
        ("a", {"a": [1, 2]}),
    ],
)
def test_a_response_field_may_be_a_path_and_hold_ids(tmp_path, path, row):
    (rollout,) = load(tmp_path, {"problem_id": "a", **row}, response_field=path)
    assert (rollout.response_ids, rollout.made) == ([1, 2], Made.GIVEN)


def test_a_path_through_a_list_gives_a_draw_for_each_element(tmp_path):
    row = {"problem_id": "a", "tries": [{"text": "b"}, {"text": None}, {"text": "c"}]}
    found = loaded(tmp_path, row, response_field="tries.text")
    assert {key: r.response_ids for key, r in found.rollouts.items()} == {("a", 0): [1], ("a", 2): [2]}
    assert found.silent == 1


def test_a_question_names_its_problem_where_no_id_does(tmp_path):
    row = {"prompt": "Question:  Which is\nseventh? Answer:", "text": "b"}
    (rollout,) = load(tmp_path, row, response_field="text")
    assert rollout.problem_id == "7"


def test_a_prompt_that_holds_two_questions_names_none():
    matching = Matching("set", [*PROBLEMS, Problem("wide", "Which is first? And last?", "1", "here")])
    assert matching.by_prompt(["Which is first? Which is seventh?"]) is None
    assert matching.by_prompt(["So: Which is first? And last?"]) == "wide"
    assert matching.by_prompt([[{"role": "user", "content": "Which is first?"}]]) == "a"


def test_logprobs_of_text_are_kept_where_the_tokens_are_ours(tmp_path):
    def row(*tokens):
        entries = [{"token": token, "logprob": -0.5} for token in tokens]
        choice = {"message": {"role": "assistant", "content": "bc"}, "logprobs": {"content": entries}}
        return {"custom_id": "a", "response": {"body": {"choices": [choice]}}}

    for tokens, kept in ((("b", "c"), [-0.5] * 2), (("b", "c", "<end>"), [-0.5] * 2), (("bc",), None), ((), None)):
        found = loaded(tmp_path, row(*tokens))
        (rollout,) = found.rollouts.values()
        assert (rollout.logprobs, found.unfit) == (kept, kept is None)


@pytest.mark.parametrize("missing", [None, -9999.0])
def test_logprobs_with_a_gap_are_not_kept(tmp_path, missing):
    found = loaded(tmp_path, {"problem_id": "a", "response_ids": [5, 6], "logprobs": [-0.5, missing]})
    assert (found.rollouts["a", 0].logprobs, found.unfit) == (None, 1)


GOOD = {"problem_id": "a", "response_ids": [5]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "is empty"),
        ([{"response_ids": [5]}], "line 1 has no problem_id; say with --id-field"),
        ([{"problem_id": "a"}], "which field holds the response.*has the fields problem_id; say it with"),
        ([{"problem_id": "b", "response": "b"}], "none of the 2 problems.*'7', 'a'.*line 1 has the id 'b'.*--id-field"),
        ([{"problem_id": "a", "response": None, "response_ids": None}], "which field holds the response"),
        ([GOOD, GOOD], "line 2: there is a response to 'a', draw 0, already"),
        ([{**GOOD, "input": "x", "output": "y", "score": 1, "step": 1}], "as rlprobe and verl rollouts do: say with"),
        ([{"problem_id": "a", "response": 5}], "response is a int, neither text nor a list of token ids"),
        ([{"problem_id": "a", "response_ids": [5, 20]}], "response holds 20, which is no token"),
        ([{"problem_id": "a", "response_ids": [5, -1]}], "response holds -1"),
        ([{"problem_id": "a", "response_ids": [5, True]}], "neither text nor a list of token ids"),
        ([{"problem_id": "a", "response": "z"}], "response holds 25, which is no token"),
        ([{"problem_id": "a", "response": "b\ud800"}], "is no text: at character 1 it holds '.ud800', half of one"),
        ([{"problem_id": "a", "response_ids": [int("9" * 4200)]}], "neither text nor a list of token ids"),
        ([{**GOOD, "prompt_ids": [99]}], "prompt holds 99"),
        ([{**GOOD, "prompt_ids": []}], "the prompt has no token"),
        ([{**GOOD, "draw": -1}], "draw is -1"),
        ([{**GOOD, "draw": 0.5}], "draw is 0.5"),
        ([{**GOOD, "draw": 2**31}], "draw is 2147483648"),
        ([{**GOOD, "response_ids": [[5], [6]], "draw": 1}], "has 2 responses and one draw, 1: leave the draw out"),
        ([{**GOOD, "logprobs": [-1.0, -2.0]}], "has 2 log-probabilities for 1 tokens"),
        ([{**GOOD, "logprobs": [0.5]}], "has a log-probability above 0"),
        (
            [{"problem_id": "a", "response_ids": [5] * 10}, {"problem_id": "7", "response_ids": [5] * 12}],
            "line 1: prompt and response have 13 tokens, longer than the context of 12 "
            r"\(2 of 2 responses are longer\): take them out",
        ),
        ([{"problem_id": "a", "response": [{"role": "assistant"}, {"role": "user"}]}], "holds 2 turns; rlprobe reads"),
        (
            [{"problem_id": "a", "response": [{"role": "assistant", "content": "b", "reasoning": "c"}]}],
            "keeps its reasoning apart from the text",
        ),
        ([{"problem_id": "a", "response": [["b", ["c"]]]}], "the response is neither text nor a list of token ids"),
    ],
)
def test_a_bad_row_is_named_in_one_line(tmp_path, rows, message):
    with pytest.raises(BadInput, match=message) as refusal:
        load(tmp_path, *rows)
    assert "\n" not in str(refusal.value)
    assert "responses.jsonl" in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"id_field": "name"}, "no 'name' in .*which --id-field asks for.*has the fields problem_id, response_ids"),
        ({"response_field": "out"}, "no 'out' in .*which --response-field asks for"),
    ],
)
def test_a_field_that_is_not_there_is_refused(tmp_path, fields, message):
    with pytest.raises(BadInput, match=message):
        load(tmp_path, GOOD, **fields)


@pytest.mark.parametrize("name", ["missing.jsonl", "responses.csv"])
def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path, name):
    (tmp_path / "responses.csv").write_text("problem_id,response\na,b\n")
    with pytest.raises(BadInput, match="responses come from a JSONL, JSON or Parquet file"):
        load_responses(ResponseFile(tmp_path / name), ASKED)


def test_a_packed_inspect_log_is_refused_with_the_command_that_unpacks_it(tmp_path):
    with pytest.raises(BadInput, match=r"`inspect log dump .*/x\.eval > log\.json`"):
        load_responses(ResponseFile(tmp_path / "x.eval"), ASKED)
