"""What the page keeps of a response can be read back: ids, edits, gates, classes, and numbers within their error."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from synthetic_run import make_run

from rlprobe.analysis.classes import classify
from rlprobe.records import MEMBERS, TOP, Made, Problem, Rollout, Stop
from rlprobe.reporting.page.chunks import FILE_LIMIT, Chunks, packed, unpacked
from rlprobe.reporting.page.payload import Lexicon, Verdict, response, runs_of, token_table
from rlprobe.reporting.page.problems import ProblemList, first_difference
from rlprobe.reporting.page.scales import MISSING, SCALES


@given(st.floats(0, 25))
def test_a_probability_is_off_by_less_than_a_hundredth(surprise):
    scale = SCALES["surprise"]
    code = scale.encode(np.array([surprise]))
    assert 0 <= code[0] <= 255
    assert abs(np.exp(-scale.decode(code)[0]) - np.exp(-surprise)) < 0.009


@given(st.floats(-30, 30))
def test_a_signed_number_keeps_its_sign(value):
    scale = SCALES["delta"]
    code = scale.encode(np.array([value]))
    assert 1 <= code[0] <= 255
    back = scale.decode(code)[0]
    assert back * value >= 0
    assert abs(back - np.clip(value, -25, 25)) <= 0.05 + 0.09 * np.sqrt(abs(value))


def test_a_number_that_is_not_there_stays_away():
    for scale in SCALES.values():
        codes = scale.encode(np.array([np.nan, 0.0]))
        assert codes[0] == MISSING
        assert np.isnan(scale.decode(codes)[0])
        assert scale.decode(codes)[1] == 0


@given(arrays(bool, st.integers(0, 30)))
def test_runs_say_which_flags_are_true(flags):
    found = runs_of(flags)
    again = {t for start, n in zip(found[::2], found[1::2], strict=True) for t in range(start, start + n)}
    assert again == set(np.flatnonzero(flags).tolist())


@given(st.lists(st.lists(st.integers(0, 5000)), max_size=6))
def test_a_lexicon_gives_ids_back(lists):
    lexicon = Lexicon()
    numbers = [lexicon.numbers(ids) for ids in lists]
    assert [[lexicon.ids[n] for n in found] for found in numbers] == lists
    assert len(set(lexicon.ids)) == len(lexicon.ids)


def rollout(**changes):
    fields = {"response_ids": [5, 6, 7], "host_ids": [5, 9, 7], "gated": [True, True, False], "stop": Stop.EOS}
    fields |= {"arm": "a", "problem_id": "p", "draw": 0, "prompt_ids": (), "logprobs": None, "made": Made.ENGINE}
    return Rollout(**(fields | changes))


def test_an_edit_keeps_the_hosts_own_choice():
    lexicon = Lexicon()
    found = response(rollout(), 3, Verdict("correct", "7"), lexicon)
    assert [lexicon.ids[n] for n in found["ids"]] == [5, 6, 7]
    assert found["host"][0] == [1]
    assert [lexicon.ids[n] for n in found["host"][1]] == [9]
    assert found["gated"] == [0, 2]
    assert (found["arm"], found["status"], found["answer"], found["stop"]) == (3, "correct", "7", "eos")


def test_a_response_without_a_host_says_so():
    assert response(rollout(host_ids=None), 0, Verdict(), Lexicon())["host"] is None


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("run") / "run", problems=2, length=80)
    table = run.table("tokens").to_pandas()
    return table[(table["arm"] == "rl") & (table["problem_id"] == "p0001")].reset_index(drop=True)


@pytest.mark.parametrize("k", [1, 5])
def test_a_token_table_can_be_read_back(tokens, k):
    lexicon = Lexicon()
    found = token_table(tokens, k, 60, lexicon)
    assert [int(c) for c in found["classes"]] == classify(tokens, k).cat.codes.tolist()
    for i, m in enumerate(MEMBERS):
        codes = np.array(found["top_surprise"][i]).reshape(-1, TOP)
        logprobs = np.stack(tokens[f"top_logprobs_{m}"])
        assert np.abs(np.exp(-SCALES["surprise"].decode(codes)) - np.exp(logprobs)).max() < 0.009
        assert np.abs(SCALES["entropy"].decode(np.array(found["entropy"][i])) - tokens[f"entropy_{m}"]).max() < 0.05
        assert found["rank"][i] == tokens[f"rank_{m}"].tolist()
    base = np.array(found["top"][0]).reshape(-1, TOP)
    rl = [
        [base[t, n] if n < TOP else n - TOP for n in row]
        for t, row in enumerate(np.reshape(found["top"][1], (-1, TOP)))
    ]
    for m, numbers in (("base", base), ("rl", rl)):
        assert [[lexicon.ids[n] for n in row] for row in numbers] == np.stack(tokens[f"top_ids_{m}"]).tolist()
    assert found["after"] == 60
    assert token_table(tokens, k, len(tokens), lexicon)["after"] is None
    assert token_table(tokens, k, None, lexicon)["after"] is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_a_chunk_is_what_was_packed(payload):
    assert unpacked(packed(payload)) == json.loads(json.dumps(payload))


def test_chunk_files_hold_every_chunk_once_and_stay_small():
    rng = np.random.default_rng(0)
    chunks = Chunks()
    for i in range(12):
        chunks.add(f"p{i}", rng.integers(0, 10**9, 10**5).tolist())
    files, where = chunks.files()
    held = {name: json.loads(text.removeprefix("rlprobeChunks(").removesuffix(");\n")) for name, text in files.items()}
    assert len(files) > 1
    assert {chunk: text for held_here in held.values() for chunk, text in held_here.items()} == chunks.packed
    assert all(chunk in held[name] for chunk, name in where.items())
    assert all(sys.getsizeof(text) < FILE_LIMIT + 10**6 for text in files.values())


def test_a_line_of_the_list_counts_what_its_responses_hold(tokens):
    lexicon = Lexicon()
    base = response(rollout(), 0, Verdict("wrong"), lexicon)
    rl = response(rollout(response_ids=[5, 9, 7, 8], host_ids=None, gated=[False] * 4), 1, Verdict("correct"), lexicon)
    rl["table"] = {"classes": "0121"}
    lines = ProblemList(["base", "rl", "other"], ["rl"])
    lines.add(Problem("p", "?", "7", "made"), [base, rl])
    line = lines.lines[0]
    assert line["verdicts"] == "wr "
    assert line["tokens"] == [3, 4, None]
    assert line["edited"] == [1, None, None]
    assert line["classes"] == [[2, 1]]
    assert line["parts"] == 1


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)))
def test_the_first_difference_ends_the_common_prefix(a, b):
    found = first_difference(a, b)
    if found is None:
        assert a == b
    else:
        assert a[:found] == b[:found]
        assert a[found : found + 1] != b[found : found + 1]
