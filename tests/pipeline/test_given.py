"""`rlprobe disagree --responses` and `--text`, at both doors: what is read, counted, kept and refused."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import rlprobe as rp
from rlprobe import runs
from rlprobe.commands.evidence import Evidence
from rlprobe.errors import BadInput


def write(rlprobe, *rows, name="responses.jsonl"):
    file = rlprobe.tmp_path / name
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.slow
def test_responses_made_elsewhere_are_read_by_both_models(rlprobe):
    rows = [{"problem_id": "q1", "response": " So \\boxed{4}. Then"}, {"problem_id": "q3", "response_ids": [40, 41, 0]}]
    code, out, err = rlprobe.disagree("--responses", write(rlprobe, *rows), "--json", "--max-failed", 4)
    assert code == 0, err
    assert list(json.loads(out)["trajectories"]) == ["responses"]
    run = runs.read(rlprobe.tmp_path / "run")
    rollouts = {r["problem_id"]: r for r in run.table("rollouts").to_pylist()}
    assert [(i, r["made"], r["stop"]) for i, r in rollouts.items()] == [
        ("q1", "given_text", "given"),
        ("q3", "given", "eos"),
    ]
    tokens = run.table("tokens").to_pandas()
    assert tokens[tokens.problem_id == "q3"].terminator.tolist() == [False, False, True]
    told = Evidence(run, {}).responses
    assert told["tokens"].tolist() == [len(rollouts[i]["response_ids"]) for i in told["problem_id"]]
    assert told[["gated", "edited"]].isna().all(axis=None), "nothing was decoded here"


@pytest.mark.slow
def test_problems_without_a_response_and_rows_without_a_problem_are_counted_everywhere(rlprobe):
    rows = [{"problem_id": "q1", "response": " \\boxed{4}"}, {"problem_id": "elsewhere", "response": "x"}]
    file = write(rlprobe, *rows)
    code, out, err = rlprobe.disagree("--responses", file)
    words = " ".join(out.split())
    assert code == 3
    assert "5 problems were left out" in err
    assert "Problems left out: 5 (no response in responses.jsonl)" in words
    assert "Rows of the file that answer no problem, left out: 1" in words
    assert "read as rlprobe: 1 responses to 1 problems, 1 of them text that was tokenised here, 0 with" in err
    assert "responses.jsonl: 1 rows answer no problem: they are left out" in err
    run = rlprobe.tmp_path / "run"
    summary = json.loads((run / "summary.json").read_text())
    assert summary["problems"]["left_out"] == {f"q{i}": "no response in responses.jsonl" for i in (0, 2, 3, 4, 5)}
    assert summary["about"]["responses"] == {
        "file": "responses.jsonl",
        "format": "rlprobe",
        "unknown_ids": 1,
        "without_response": 0,
    }
    assert rlprobe("direction", run, "--max-failed", 5)[0] == 0
    assert len(json.loads((run / "direction.json").read_text())["problems"]["left_out"]) == 5
    code, out, _ = rlprobe("grade", run)
    assert (code, "Problems left out: 5" in " ".join(out.split())) == (3, True)
    assert rlprobe("report", run)[0] == 0


@pytest.mark.slow
def test_an_empty_response_is_read_and_graded(rlprobe):
    rows = [{"problem_id": f"q{i}", "response": ""} for i in range(6)]
    code, out, err = rlprobe.disagree("--responses", write(rlprobe, *rows), "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["trajectories"]["responses"]["empty"], found["trajectories"]["responses"]["tokens"]) == (6, 0)
    assert found["accuracy"]["last"]["arms"]["responses"]["accuracy"]["value"] == 0


@pytest.mark.slow
def test_pads_do_not_count(rlprobe):
    bare = [{"problem_id": f"q{i}", "response_ids": [40, 41, 0]} for i in range(6)]
    padded = [{**row, "response_ids": row["response_ids"] + [0] * 20} for row in bare]
    tables = []
    for name, rows in (("bare", bare), ("padded", padded)):
        assert rlprobe.disagree("--responses", write(rlprobe, *rows), out=name)[0] == 0
        tables.append(runs.read(rlprobe.tmp_path / name).table("tokens"))
    assert tables[0].equals(tables[1])


@pytest.mark.slow
def test_a_larger_limit_reads_more_of_the_same_file(rlprobe):
    file = write(rlprobe, *({"problem_id": f"q{i}", "response": f" {i}"} for i in range(6)))
    problems = rlprobe.problems()
    assert rlprobe.disagree("--responses", file, "--limit", 2, dataset=problems)[0] == 0
    assert len(runs.read(rlprobe.tmp_path / "run").table("rollouts")) == 2
    assert rlprobe.disagree("--responses", file, dataset=problems)[0] == 0
    run = runs.read(rlprobe.tmp_path / "run")
    assert len(run.table("rollouts")) == 6
    assert run.about["responses"]["unknown_ids"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["of another file", "of other fields"])
def test_another_file_or_other_fields_are_another_run(rlprobe, ending):
    rows = [{"problem_id": f"q{i}", "response": " 1", "other": " 2"} for i in range(6)]
    assert rlprobe.disagree("--responses", write(rlprobe, *rows))[0] == 0
    if ending == "of another file":
        code, _, err = rlprobe.disagree("--responses", write(rlprobe, *rows[::-1]))
        assert "its responses.sha256 is" in err
    else:
        code, _, err = rlprobe.disagree("--responses", write(rlprobe, *rows), "--response-field", "other")
        assert 'its responses.response_field is null, this one\'s is "other"' in err
    assert code == 2


def test_a_text_beyond_the_context_is_refused_before_anything_is_written(rlprobe):
    file = write(rlprobe, {"problem_id": "q1", "response": " eggs" * 400})
    code, _, err = rlprobe.disagree("--responses", file)
    assert code == 2
    assert "line 1: prompt and response have" in err
    assert "longer than the context of 256" in err
    assert not (rlprobe.tmp_path / "run").exists()


@pytest.mark.slow
def test_the_samplers_logprobs_are_kept_and_their_mismatch_is_told_for_both_models(rlprobe, tmp_path):
    """RL's own numbers, computed here by transformers alone, are its own and not the base's."""
    network = AutoModelForCausalLM.from_pretrained(rlprobe.rl)
    assert rlprobe.disagree("--trajectory", "rl", out="own")[0] == 0
    rows = []
    for rollout in runs.read(rlprobe.tmp_path / "own").table("rollouts").to_pylist():
        prompt, ids = rollout["prompt_ids"], rollout["response_ids"]
        with torch.no_grad():
            logits = network(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        logprobs = logits.log_softmax(-1).gather(1, torch.tensor(ids)[:, None])[:, 0].tolist()
        rows.append({"problem_id": rollout["problem_id"], "response_ids": ids, "logprobs": logprobs})
    rows[0]["logprobs"] = None
    code, out, err = rlprobe.disagree("--responses", write(rlprobe, *rows), "--json")
    assert code == 0, err
    sampler = json.loads(out)["sampler"]
    tokens = sum(len(row["response_ids"]) for row in rows[1:])
    assert (sampler["responses"], sampler["without"], sampler["tokens"]) == (5, 1, tokens)
    assert sampler["rl"]["max"] < 1e-4
    table = runs.read(rlprobe.tmp_path / "run").table("tokens").to_pandas()
    table = table[table["problem_id"] != rows[0]["problem_id"]].sort_values(["problem_id", "position"])
    then = np.concatenate([row["logprobs"] for row in sorted(rows[1:], key=lambda row: row["problem_id"])])
    assert sampler["base"]["mean"]["value"] == pytest.approx(float((then - table["logprob_base"]).mean()))
    assert sampler["base"]["absolute"]["value"] == pytest.approx(float((then - table["logprob_base"]).abs().mean()))
    code, out, _ = rlprobe("grade", rlprobe.tmp_path / "run")
    assert "Log-probabilities in the file, of 5 responses:" in " ".join(out.split())
    assert (rlprobe.tmp_path / "run/tables/sampler.csv").read_text().count("\n") == 3


@pytest.mark.slow
def test_documents_are_read_by_both_models_without_questions_or_golds(rlprobe):
    texts = ["Ann has 12 eggs.", "So the answer is \\boxed{7}. Then 5 - 2 = 3."]
    file = write(rlprobe, *({"text": text} for text in texts), name="documents.jsonl")
    code, out, err = of_documents(rlprobe, "--text", file)
    assert code == 0, err
    assert "Where base and RL disagree" in out
    assert "by the last answer" not in out
    run = runs.read(rlprobe.tmp_path / "run")
    summary = json.loads((run.path / "summary.json").read_text())
    assert (summary["accuracy"], summary["problems"]["ungraded"]) == (None, [])
    rollouts = run.table("rollouts").to_pylist()
    tokens = run.table("tokens").to_pandas()
    for rollout, text in zip(rollouts, texts, strict=True):
        mine = tokens[tokens["problem_id"] == rollout["problem_id"]].sort_values("position")
        assert mine["token_id"].tolist() == rollout["response_ids"]
        network = AutoModelForCausalLM.from_pretrained(rlprobe.base)
        ids = rollout["prompt_ids"] + rollout["response_ids"]
        assert len(rollout["prompt_ids"]) == 1
        with torch.no_grad():
            logprobs = network(torch.tensor([ids])).logits[0, :-1].log_softmax(-1)
        expected = logprobs.gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()
        np.testing.assert_allclose(mine["logprob_base"], expected, atol=1e-4)
        assert text.startswith(summary["about"]["prompt_example"]) or text != texts[0]
    assert not (run.path / "grades").exists()
    assert rlprobe("direction", run.path)[0] == 0
    assert rlprobe("report", run.path)[0] == 0
    page = (run.path / "report.html").read_text()
    assert "2 documents of" in page
    assert "answers made elsewhere" not in page
    assert ">Where they disagree " in page
    assert ">Accuracy " not in page
    code, _, err = rlprobe("grade", run.path)
    assert (code, err.count("\n")) == (2, 1)
    assert "holds documents, which have no gold answers" in err


@pytest.mark.slow
def test_a_text_file_is_one_document(rlprobe):
    file = rlprobe.tmp_path / "essay.txt"
    file.write_text("Ann has 12 eggs.\nShe buys 3 boxes.\n")
    assert of_documents(rlprobe, "--text", file)[0] == 0
    (problem,) = runs.read(rlprobe.tmp_path / "run").problems()
    assert (problem.problem_id, problem.question) == ("essay", file.read_text())
    said = of_documents(rlprobe, "--text", file, "--dry-run")[1]
    assert said.count("Ann") == 1
    assert "McNemar" not in said  # documents have no verdicts


@pytest.mark.parametrize(
    ("content", "arguments", "says"),
    [
        ('{"text": ""}', (), "the field 'text' is empty"),
        (
            '{"text": "' + "eggs " * 400 + '"}',
            (),
            "tokens, more than the context of 256 (1 of 1 documents are longer): split them",
        ),
        ('{"body": "a"}', (), "which field holds the text? "),
        ('{"text": "a", "content": "b"}', (), "say it with --text-field"),
        ('{"text": "a"}', ("--text-field", "other"), "no field 'other' for the text"),
        ('{"text": "a\\ud800"}', (), "half of one"),
        ("", (), "is empty: it holds no document"),
        ('{"text": "a"}', ("--style", "raw"), "--text has documents without questions: leave out --dataset"),
        ('{"text": "a"}', ("--responses", "x.jsonl"), "give either --responses or --text, not both"),
        ('{"text": "a"}', ("--id-field", "x"), "--id-field has no use without --responses"),
    ],
)
def test_documents_that_cannot_be_read_are_refused_in_one_line(rlprobe, content, arguments, says):
    file = rlprobe.tmp_path / "documents.jsonl"
    file.write_text(content)
    code, out, err = of_documents(rlprobe, "--text", file, *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert not (rlprobe.tmp_path / "run").exists()


def test_a_packed_inspect_log_ends_with_2_and_the_command_that_unpacks_it(rlprobe):
    code, _, err = rlprobe.disagree("--responses", rlprobe.tmp_path / "log.eval")
    assert (code, err.count("\n")) == (2, 1)
    assert "inspect log dump" in err


@pytest.mark.slow
def test_the_python_door_reads_the_same_and_says_the_same(rlprobe, tmp_path):
    rows = [{"name": f"q{i}", "out": {"text": f" \\boxed{{{2 * i + 2}}}"}} for i in range(6)]
    file, problems = write(rlprobe, *rows), rlprobe.problems()
    fields = {"id_field": "name", "response_field": "out.text"}
    code, out, _ = rlprobe.disagree(
        "--responses", file, "--id-field", "name", "--response-field", "out.text", "--json", dataset=problems
    )
    assert code == 0
    pair = {"base": str(rlprobe.base), "rl": str(rlprobe.rl)}
    options = {"dataset": str(problems), "style": "question_answer", "max_new_tokens": 30, "shard_size": 3}
    found = rp.disagree(**pair, **options, responses=file, out=tmp_path / "door", **fields)
    assert found.summary == json.loads(out)
    assert found.summary["accuracy"]["last"]["arms"]["responses"]["correct"] == 6
    with pytest.raises(BadInput, match="give either --responses or --text, not both"):
        rp.disagree(**pair, responses=file, text=file)
    document = tmp_path / "a.txt"
    document.write_text("Ann has 12 eggs.")
    assert rp.disagree(**pair, text=document, out=tmp_path / "text").summary["accuracy"] is None


def of_documents(rlprobe, *arguments):
    pair = ("disagree", "--base", rlprobe.base, "--rl", rlprobe.rl, "--out", rlprobe.tmp_path / "run")
    return rlprobe(*pair, *arguments)


@torch.no_grad()
def test_the_data_sets_own_solutions_are_read_and_their_perplexity_is_a_loop_over_their_tokens(rlprobe, tiny_pair):
    questions = [
        {
            "problem_id": f"q{i}",
            "question": f"What is {i} + 2?",
            "answer": str(i + 2),
            "solution": f"{i} + 2 = {i + 2}.",
        }
        for i in range(3)
    ]
    questions.append({"problem_id": "q3", "question": "What is 9?", "answer": "9", "solution": ""})
    code, out, err = rlprobe.disagree(
        "--gold", "--json", "--max-failed", 1, dataset=write(rlprobe, *questions, name="solved.jsonl")
    )
    assert code == 0, err
    found = json.loads(out)
    assert found["problems"]["left_out"] == {"q3": "no response in solutions of solved"}
    for member in ("base", "rl"):
        nats, n = 0.0, 0
        for rollout in runs.read(rlprobe.tmp_path / "run").table("rollouts").to_pylist():
            prompt, said = rollout["prompt_ids"], rollout["response_ids"]
            assert tiny_pair.tokenizer.decode(said)[0] == " "
            logits = tiny_pair.member(member).network(torch.tensor([prompt + said])).logits[0].double()
            for t, token in enumerate(said):
                nats -= logits[len(prompt) + t - 1].log_softmax(-1)[token].item()
                n += 1
        told = found["trajectories"]["responses"]["perplexity"][member]
        assert told["all"]["value"] == pytest.approx(np.exp(nats / n), rel=1e-4)
        assert told["all"]["n_tokens"] == n


def test_a_data_set_without_solutions_is_refused(rlprobe):
    code, out, err = rlprobe.disagree("--gold")
    assert (code, out) == (2, "")
    assert "has no solutions to read: give texts of your own with --responses" in err
    assert not (rlprobe.tmp_path / "run").exists()
