"""Where answers stand, golds, and grading again: from both doors, on responses whose verdicts are known."""

import json

import pytest

import rlprobe as door
from rlprobe import runs
from rlprobe.commands.verdicts import layer_of
from rlprobe.errors import BadInput

SAID = {
    "q0": " 0 + 2 is 2.\nA: 2",  # right: 2, without a box
    "q1": " So \\boxed{4}. Wait: \\boxed{5}.",  # right: 4, the first box
    "q2": " Thus \\boxed{6}. Again, \\boxed{",  # right: 6, and it ends inside a box
    "q3": " I do not know",
}


@pytest.fixture
def run(rlprobe):
    file = rlprobe.tmp_path / "responses.jsonl"
    file.write_text("".join(json.dumps({"problem_id": i, "response": text}) + "\n" for i, text in SAID.items()))
    code, _, err = rlprobe.disagree("--responses", file, dataset=rlprobe.problems(4))
    assert code == 0, err
    return runs.read(rlprobe.tmp_path / "run")


def grades(run):
    return run.table(layer_of(run)).to_pandas().set_index("problem_id")


def summary(run):
    return json.loads((run.path / "summary.json").read_text())


def responses(run, answer="last"):
    return summary(run)["accuracy"][answer]["arms"]["responses"]


@pytest.mark.slow
def test_both_readings_are_one_command_away_and_each_says_how_often_it_found_nothing(rlprobe, run):
    assert summary(run)["grader"]["extract"] == "box"
    box = responses(run)
    assert (box["correct"], box["accuracy"]["value"], box["no_answer"]["value"]) == (1, 1 / 4, 2 / 4)
    assert responses(run, "first")["correct"] == 2
    code, out, _ = rlprobe("grade", run.path, "--extract", "general")
    assert code == 0
    assert "no answer found" in out
    general = responses(run)
    assert summary(run)["grader"]["extract"] == "general"
    assert (general["correct"], general["no_answer"]["value"]) == (2, 1 / 4)
    assert "no answer" in (run.path / "tables" / "accuracy.md").read_text()
    assert len(list(run.path.glob("grades/*"))) == 2


def test_a_grade_says_where_the_answers_end_and_that_a_response_ends_inside_a_box(run):
    tokenizer_text = run.table("tokens").to_pandas().groupby("problem_id")["token"].apply(list)
    table = grades(run)
    for problem, last in (("q1", "\\boxed{5}"), ("q2", "\\boxed{6}")):
        tokens, end = tokenizer_text[problem], int(table.loc[problem, "end_last"])
        before = SAID[problem][: SAID[problem].index(last) + len(last)]
        assert "".join(tokens[: end - 1]) != before
        assert "".join(tokens[:end]).startswith(before)
    assert table["end_first"].isna().tolist() == [True, False, False, True]
    assert table.loc["q1", "end_first"] < table.loc["q1", "end_last"]
    assert table["fell_back"].tolist() == [False, False, True, False]


@pytest.mark.slow
def test_rates_up_to_the_answer_follow_the_grader_in_use(rlprobe, run):
    def up_to_answer():
        return summary(run)["trajectories"]["responses"]["rates"]["up_to_answer"]["tokens"]

    table, lengths = grades(run), run.table("tokens").to_pandas().groupby("problem_id").size()
    assert up_to_answer() == table["end_last"].fillna(lengths).sum()
    rlprobe("grade", run.path, "--answer", "first")
    assert up_to_answer() == table["end_first"].fillna(lengths).sum()
    rlprobe("grade", run.path, "--extract", "hashes")
    assert up_to_answer() == lengths.sum()
    code, _, _ = rlprobe("direction", run.path)
    assert code == 0
    found = json.loads((run.path / "direction.json").read_text())
    assert found["grader"]["extract"] == "hashes"
    behind = [row for row in found["distributions"] if row["group"] == "after the answer"]
    assert {row["tokens"] for row in behind} == {0}


@pytest.mark.slow
def test_a_style_brings_its_extraction_and_an_option_overrides_it(rlprobe):
    file = rlprobe.problems(2)
    options = ("disagree", "--base", rlprobe.base, "--rl", rlprobe.rl, "--dataset", file, "--max-new-tokens", 4)
    for style, option, extract in (
        ("raw", (), "general"),
        ("question_answer", (), "box"),
        ("raw", ("hashes",), "hashes"),
    ):
        out = rlprobe.tmp_path / f"{style}-{extract}"
        asked = ("--extract", *option) if option else ()
        code, _, err = rlprobe(*options, "--style", style, "--out", out, *asked)
        assert code == 0, err
        assert summary(runs.read(out))["grader"]["extract"] == extract


def test_an_extraction_that_is_none_is_refused_by_both_doors(rlprobe, run):
    code, _, err = rlprobe("grade", run.path, "--extract", "last_number")
    assert code == 2
    assert "box" in err
    with pytest.raises(BadInput, match="last_number"):
        door.grade(run.path, extract="last_number")


def test_problems_none_of_which_can_be_asked_are_refused_before_anything_is_decoded(rlprobe):
    code, _, err = rlprobe.disagree("--style", "prime_zero")
    assert code == 2
    assert "none of the 6 problems can be asked: prompt longer than the context" in err
    assert not (rlprobe.tmp_path / "run").exists()


# ---- golds -----------------------------------------------------------------------------------------------------------


def with_golds(rlprobe, *golds, name="golds.jsonl"):
    file = rlprobe.problems(len(golds), name)
    rows = [
        json.loads(line) | {"answer": gold} for line, gold in zip(file.read_text().splitlines(), golds, strict=True)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_golds_that_cannot_be_read_are_named_with_their_rows_before_anything_is_decoded(rlprobe, option):
    file = with_golds(rlprobe, "2", "The answer is 4", "5}{", r"\frac{16}{2}")
    code, out, err = rlprobe.disagree(*option, dataset=file)
    assert code == (0 if option else 3)
    said = out if option else err
    assert "2 gold answers cannot be read" in said
    assert "golds.jsonl, line 2 (q1): 'The answer is 4', there are words before the number" in said
    assert "golds.jsonl, line 3 (q2): '5}{', math-verify cannot read it" in said


def test_a_column_of_prose_is_refused_before_anything_is_decoded(rlprobe):
    file = with_golds(rlprobe, "The answer is 2", "She has 4")
    code, _, err = rlprobe.disagree(dataset=file)
    assert code == 2
    assert "no gold answer can be read" in err
    assert "--answer-field" in err
    assert not (rlprobe.tmp_path / "run").exists()


@pytest.mark.slow
def test_a_dotted_field_reaches_into_a_row_and_a_solution_ends_in_its_gold(rlprobe):
    file = rlprobe.tmp_path / "nested.jsonl"
    solution = "He has 1 + 1 = <<1+1=2>>2 eggs.\n#### 2"
    rows = [
        {"problem": "1 + 1?", "source": {"answer": solution}},
        {"problem": "2?", "source": {"answer": r"\boxed{2}"}},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, _, err = rlprobe.disagree("--answer-field", "source.answer", dataset=file)
    assert code == 0, err
    assert [p.answer for p in runs.read(rlprobe.tmp_path / "run").problems()] == ["2", "2"]
    code, _, err = rlprobe.disagree("--answer-field", "source.gold", "--out", rlprobe.tmp_path / "b", dataset=file)
    assert code == 2
    assert "nested.jsonl, line 1, source has no field 'gold'" in err


@pytest.mark.slow
def test_a_run_is_graded_again_with_other_golds_and_goes_on_with_them(rlprobe, run):
    rollouts = {f: f.read_bytes() for f in run.path.glob("rollouts/**/*.parquet")}
    corrected = with_golds(rlprobe, "2", "5", "6", "8", name="corrected.jsonl")
    code, _, err = rlprobe("grade", run.path, "--dataset", corrected)
    assert code == 0, err
    run = runs.read(run.path)
    assert [p.answer for p in run.problems()] == ["2", "5", "6", "8"]
    assert responses(run)["correct"] == 2
    assert {f: f.read_bytes() for f in run.path.glob("rollouts/**/*.parquet")} == rollouts
    file = rlprobe.tmp_path / "responses.jsonl"
    code, _, err = rlprobe.disagree("--responses", file, dataset=corrected)
    assert code == 0, err
    code, _, err = rlprobe.disagree("--responses", file, dataset=rlprobe.problems(4))
    assert code == 2
    assert "problems.golds" in err


def test_golds_of_other_questions_are_refused(rlprobe, run):
    other = rlprobe.problems(4, "other.jsonl", question="Something else?")
    fewer = rlprobe.problems(2, "fewer.jsonl")
    for file, says in ((other, "asks something else as the run's problem 'q0'"), (fewer, "'q2'")):
        before = (run.path / "run.json").read_bytes()
        code, _, err = rlprobe("grade", run.path, "--dataset", file)
        assert (code, err.count("\n")) == (2, 1)
        assert says in err
        assert (run.path / "run.json").read_bytes() == before
    code, _, err = rlprobe("grade", run.path, "--answer-field", "gold")
    assert code == 2
    assert "--dataset" in err


@pytest.mark.slow
def test_golds_that_were_being_replaced_when_it_was_killed_are_never_mixed(rlprobe, run, monkeypatch):
    corrected = with_golds(rlprobe, "2", "5", "6", "8", name="corrected.jsonl")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs.Run, "write_identity", killed)
        assert rlprobe("grade", run.path, "--dataset", corrected)[0] == 130
    code, _, err = rlprobe("grade", run.path, "--extract", "general")
    assert code == 1
    assert "problems.parquet is damaged" in err
    assert rlprobe.disagree("--responses", rlprobe.tmp_path / "responses.jsonl", dataset=rlprobe.problems(4))[0] == 0
    assert rlprobe("grade", run.path, "--dataset", corrected)[0] == 0
    assert responses(run)["correct"] == 2


def test_the_python_door_takes_the_same_settings(rlprobe, run):
    found = door.grade(run.path, extract="general", dataset=str(rlprobe.problems(4)), grader_workers=1)
    assert found.grades["status_last"].tolist() == ["correct", "wrong", "correct", "no_answer"]
    assert "extract" in door.disagree.__doc__


def test_a_run_whose_verdicts_are_gone_is_refused_and_not_read_as_one_without_answers(rlprobe, run):
    for file in run.path.glob("grades/*/*/*.parquet"):
        file.unlink()
    code, _, err = rlprobe("direction", run.path)
    assert code == 2
    assert "lacks verdicts on responses's answers" in err
    (run.path / "summary.json").unlink()
    code, _, err = rlprobe("direction", run.path)
    assert code == 2
    assert "no verdicts yet" in err
