"""Files as their producers write them, each read: docs/formats.md is what came of it.

Every writer below gives the fields that the producer's own writer gives (its version stands in the registry), around
the same two problems; RLPROBE_WRITE_DOCS=1 writes the document anew.
"""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from rlprobe.errors import BadInput
from rlprobe.problems.formats import FORMATS
from rlprobe.problems.matching import Matching
from rlprobe.problems.responses import Asked, ResponseFile, load_responses
from rlprobe.records import Made, Problem, Stop

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"
QUESTIONS = {"p1": "How many eggs has Ann?", "p2": "How many boxes has Ben?"}
SAID = {"p1": ("a.", "bb."), "p2": ("c", "dd.")}  # two draws of each; "." is the stop id
STOP_ID = 9


class Letters:
    """Each letter is its place in the alphabet, "." the stop id, which a text is decoded without."""

    pad_token_id = None

    def __call__(self, text, add_special_tokens):
        return {"input_ids": ids_of(text)}

    def decode(self, ids):
        return "".join("." if i == STOP_ID else chr(97 + i) for i in ids)


def ids_of(said):
    return [STOP_ID if letter == "." else ord(letter) - 97 for letter in said]


def text_of(said):
    return said.rstrip(".")


def prompt_of(problem):
    return f"Question: {QUESTIONS[problem]}\nAnswer:"


def chat(problem):
    return [{"role": "user", "content": QUESTIONS[problem]}]


def answer(said):
    return [{"role": "assistant", "content": text_of(said)}]


def logprobs(said):
    return [-0.5] * len(said)


def entries(said):
    return [{"token": letter, "logprob": -0.5, "bytes": [ord(letter)], "top_logprobs": []} for letter in said]


DRAWS = [(problem, draw, said) for problem, several in SAID.items() for draw, said in enumerate(several)]


def own():
    return [
        {
            "problem_id": problem,
            "draw": draw,
            "prompt_ids": [1, 2],
            "response_ids": ids_of(said),
            "logprobs": logprobs(said),
        }
        for problem, draw, said in DRAWS
    ]


def lm_eval():
    return [
        {
            "doc_id": number,
            "doc": {"question": QUESTIONS[problem], "answer": "1"},
            "target": "1",
            "arguments": {"gen_args_0": {"arg_0": prompt_of(problem), "arg_1": {"until": ["\n\n"]}}},
            "resps": [[text_of(said) for said in several]],
            "filtered_resps": ["1"],
            "filter": name,
            "metrics": ["exact_match"],
            "doc_hash": "0",
            "prompt_hash": "0",
            "target_hash": "0",
            "exact_match": 1.0,
        }
        for name in ("strict-match", "flexible-extract")
        for number, (problem, several) in enumerate(SAID.items())
    ]


def vllm():
    return [
        {
            "request_id": str(number),
            "prompt": prompt_of(problem),
            "prompt_token_ids": [1, 2],
            "prompt_logprobs": None,
            "outputs": [
                {
                    "index": draw,
                    "text": text_of(said),
                    "token_ids": ids_of(said),
                    "cumulative_logprob": -1.0,
                    "logprobs": [
                        {str(i): {"logprob": -0.5, "rank": 1, "decoded_token": "?"}, "8": {"logprob": -3.0, "rank": 2}}
                        for i in ids_of(said)
                    ],
                    "finish_reason": "stop" if said.endswith(".") else "length",
                    "stop_reason": None,
                }
                for draw, said in enumerate(several)
            ],
            "finished": True,
        }
        for number, (problem, several) in enumerate(SAID.items())
    ]


def batch():
    failed = {"status_code": 400, "request_id": "x", "body": None}
    rows = [
        {
            "id": f"vllm-{problem}",
            "custom_id": problem,
            "response": {
                "status_code": 200,
                "request_id": "x",
                "body": {
                    "id": "chatcmpl-x",
                    "object": "chat.completion",
                    "model": "m",
                    "choices": [
                        {
                            "index": draw,
                            "message": answer(said)[0],
                            "logprobs": {"content": entries(said)},
                            "finish_reason": "stop" if said.endswith(".") else "length",
                        }
                        for draw, said in enumerate(several)
                    ],
                    "usage": {},
                },
            },
            "error": None,
        }
        for problem, several in SAID.items()
    ]
    return [*rows, {"id": "vllm-p1", "custom_id": "p1", "response": failed, "error": "a message"}]


def verl_rollouts():
    return [
        {"input": f"user\n{QUESTIONS[p]}\nassistant\n", "output": text_of(said), "gts": "1", "score": 1.0, "step": 7}
        for p, _, said in DRAWS
    ]


def verl_generation():
    return [
        {
            "data_source": "math",
            "prompt": chat(problem),
            "reward_model": {"style": "rule", "ground_truth": "1"},
            "extra_info": {"index": number},
            "responses": [text_of(said) for said in several],
        }
        for number, (problem, several) in enumerate(SAID.items())
    ]


def trl():
    return [
        {"step": 7, "prompt": chat(p), "completion": answer(said), "accuracy_reward": 1.0, "advantage": 0.5}
        for p, _, said in DRAWS
    ]


def prime_rl():
    return [
        {
            "example_id": number,
            "prompt": chat(problem),
            "completion": answer(said),
            "answer": "1",
            "reward": 1.0,
            "is_truncated": not said.endswith("."),
            "metrics": {},
            "trajectory": [
                {
                    "prompt": chat(problem),
                    "completion": answer(said),
                    "tokens": {
                        "prompt_ids": [1, 2],
                        "completion_ids": ids_of(said),
                        "completion_logprobs": logprobs(said),
                    },
                }
            ],
        }
        for number, (problem, _, said) in enumerate(DRAWS)
    ]


def trace(problem, said):
    scaffold = 2
    return {
        "version": 1,
        "id": "x",
        "task": {"type": "Task", "data": {"idx": 0, "prompt": QUESTIONS[problem]}},
        "nodes": [
            {"message": chat(problem)[0], "sampled": False, "token_ids": [1], "mask": [False], "logprobs": []},
            {
                "parent": 0,
                "message": answer(said)[0],
                "sampled": True,
                "token_ids": [scaffold, *ids_of(said)],
                "mask": [False, *[True] * len(said)],
                "logprobs": logprobs(said),
            },
        ],
        "calls": [],
        "rewards": {},
    }


def traces():
    return [trace(problem, said) for problem, _, said in DRAWS]


def episodes():
    return [
        {"id": "x", "env": {"id": "math"}, "task": trace(p, said)["task"], "traces": [trace(p, said)], "ok": True}
        for p, _, said in DRAWS
    ]


def inspect():
    samples = [
        {
            "id": problem,
            "epoch": draw + 1,
            "input": QUESTIONS[problem],
            "target": "1",
            "messages": [*chat(problem), *answer(said)],
            "output": {
                "model": "m",
                "choices": [
                    {
                        "message": answer(said)[0],
                        "stop_reason": "stop" if said.endswith(".") else "max_tokens",
                        "logprobs": {"content": entries(said)},
                    }
                ],
                "completion": text_of(said),
            },
        }
        for problem, draw, said in DRAWS
    ]
    return {"version": 2, "status": "success", "eval": {"task": "math", "model": "m"}, "samples": samples}


# format -> what its producer writes, and in which kind of file
WRITERS = {
    "rlprobe": (own, "jsonl"),
    "lm-eval samples": (lm_eval, "jsonl"),
    "vLLM outputs": (vllm, "json"),
    "OpenAI batch": (batch, "jsonl"),
    "verl rollouts": (verl_rollouts, "jsonl"),
    "verl generation": (verl_generation, "parquet"),
    "TRL completions": (trl, "parquet"),
    "prime-rl rollouts": (prime_rl, "jsonl"),
    "prime-rl traces": (traces, "jsonl"),
    "verifiers episodes": (episodes, "jsonl"),
    "inspect log": (inspect, "json"),
}


def write(tmp_path, name, change=lambda rows: rows):
    make, ending = WRITERS[name]
    path, rows = tmp_path / f"file.{ending}", change(make())
    if ending == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    elif ending == "json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path, **fields):
    problems = [Problem(problem, question, "1", "here") for problem, question in QUESTIONS.items()]
    prompts = {problem: [3] for problem in QUESTIONS}
    asked = Asked(Matching("set", problems), prompts, Letters(), {STOP_ID}, range(20), context=30)
    return load_responses(ResponseFile(path, **fields), asked)


@pytest.mark.parametrize("name", FORMATS)
def test_what_a_producer_writes_is_read(tmp_path, name):
    loaded = read(write(tmp_path, name))
    assert loaded.format == name
    assert loaded.unknown == []
    found = {(problem, draw): loaded.rollouts[problem, draw] for problem, draw, _ in DRAWS}
    assert list(loaded.rollouts) == list(found)
    for problem, draw, said in DRAWS:
        rollout = found[problem, draw]
        has_ids = rollout.made is Made.GIVEN
        assert rollout.response_ids == ids_of(said if has_ids else text_of(said))
        assert rollout.logprobs in (None, [-0.5] * len(rollout.response_ids))
        assert rollout.prompt_ids in ([3], [1, 2])


@pytest.mark.parametrize("name", ["vLLM outputs", "OpenAI batch", "prime-rl rollouts", "inspect log"])
def test_a_response_that_was_cut_is_told_as_cut(tmp_path, name):
    loaded = read(write(tmp_path, name))
    assert [key for key, rollout in loaded.rollouts.items() if rollout.stop is Stop.LENGTH] == [("p2", 0)]


def test_another_prompt_than_ours_is_counted(tmp_path):
    loaded = read(write(tmp_path, "lm-eval samples"))
    assert (loaded.reprompted, len(loaded.rollouts)) == (4, 4)
    as_ours = read(write(tmp_path, "lm-eval samples", lambda rows: [put(row, "d") for row in rows]))
    assert as_ours.reprompted == 0


def put(row, prompt):
    return row | {"arguments": {"gen_args_0": {"arg_0": prompt}}}


def test_a_failed_request_is_a_row_without_a_response(tmp_path):
    assert read(write(tmp_path, "OpenAI batch")).silent == 1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("inspect log", lambda log: log["samples"][0].update(messages=log["samples"][0]["messages"] * 2)),
        ("TRL completions", lambda rows: rows[0].update(completion=rows[0]["completion"] * 2)),
        (
            "prime-rl rollouts",
            lambda rows: rows[0].update(completion=rows[0]["completion"] * 2, trajectory=rows[0]["trajectory"] * 2),
        ),
        ("prime-rl traces", lambda rows: rows[0].update(nodes=rows[0]["nodes"] * 2)),
    ],
)
def test_a_conversation_of_several_turns_is_refused(tmp_path, name, change):
    def changed(rows):
        change(rows)
        return rows

    with pytest.raises(BadInput, match="holds 2 turns; rlprobe reads one response to one prompt"):
        read(write(tmp_path, name, changed))


def test_the_scores_of_a_multiple_choice_task_are_no_responses(tmp_path):
    def scored(rows):
        return [{**row, "resps": [[["-1.5", "False"]], [["-2.5", "True"]]]} for row in rows]

    with pytest.raises(BadInput, match="the response is neither text nor a list of token ids"):
        read(write(tmp_path, "lm-eval samples", scored))


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "rlprobe"])
def test_a_file_of_two_formats_is_refused_and_read_when_it_is_said_how(tmp_path, name):
    def both(rows):
        several = rows["samples"] if name == "inspect log" else rows
        for number, row in enumerate(several):
            row |= {"mine": list(QUESTIONS)[number % 2], "response_ids": [5], "draw": number // 2}
        return rows if name != "inspect log" else several

    path = write(tmp_path, name, both)
    if name != "inspect log":
        with pytest.raises(BadInput, match=f"as rlprobe and {name} do: say with --response-field"):
            read(path)
    loaded = read(path, id_field="mine", response_field="response_ids")
    assert {rollout.response_ids[0] for rollout in loaded.rollouts.values()} == {5}


def accepted(tmp_path, name):
    """What came of a producer's file, in words."""
    loaded = read(write(tmp_path, name))
    rollouts = loaded.rollouts.values()
    made = "token ids" if all(r.made is Made.GIVEN for r in rollouts) else "text, tokenised here"
    kept = all(r.logprobs for r in rollouts)
    ids, texts = (", ".join(f"`{at}`" for at in paths) for paths in (FORMATS[name].problem, FORMATS[name].prompts))
    own_prompt = all(r.prompt_ids == [1, 2] for r in rollouts)
    return {
        "format": name,
        "file": WRITERS[name][1],
        "known by": ", ".join(f"`{key}`" for key in FORMATS[name].keys) or "`response_ids` or `response`",
        "accepted as": made + (", with log-probabilities" if kept else ""),
        "read from": ", else ".join(f"`{path}`" for path in FORMATS[name].said),
        "problem": ", else ".join([*([ids] if ids else []), *([f"the question in {texts}"] if texts else [])]),
        "prompt": "the file's ids" if own_prompt else "`--style`",
        "producer whose writer was read": FORMATS[name].producer,
    }


def test_the_document_says_what_every_format_is_accepted_as(tmp_path):
    rows = [accepted(tmp_path, name) for name in FORMATS]
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    written = DOCUMENT.read_text(encoding="utf-8")
    before, rest = written.split("<!-- formats -->\n")
    after = rest.split("<!-- end of formats -->")[1]
    expected = f"{before}<!-- formats -->\n{table}\n<!-- end of formats -->{after}"
    if os.environ.get("RLPROBE_WRITE_DOCS"):
        DOCUMENT.write_text(expected, encoding="utf-8")
    assert DOCUMENT.read_text(encoding="utf-8") == expected, "RLPROBE_WRITE_DOCS=1 writes it anew"
