"""Prompts and tasks of one's own: templates, system turns, solved questions; choices, exact text, own graders."""

import json

import pytest
from transformers import AutoTokenizer

import rlprobe as rp
from rlprobe import own
from rlprobe.errors import BadInput
from rlprobe.problems.answers import choices, whole
from rlprobe.problems.asking import asked_as
from rlprobe.problems.comparisons import letter, same_text
from rlprobe.problems.grading import Grader, GraderSettings
from rlprobe.problems.prompts import encode_prompt, prompt_style
from rlprobe.records import Status
from rlprobe.settings import GraderChoice

CHAT = "{% for m in messages %}<{{ m.role }}>{{ m.content }}</>{% endfor %}<assistant>"


@pytest.fixture
def tokenizer(tiny_folders):
    made = AutoTokenizer.from_pretrained(tiny_folders[0])
    made.chat_template = CHAT
    return made


@pytest.fixture
def shots(tmp_path):
    file = tmp_path / "shots.jsonl"
    file.write_text(json.dumps({"question": "1+1?", "solution": "It is 2."}) + "\n")
    return file


def rendered(style, tokenizer, system=None, shots=None):
    return encode_prompt(asked_as(str(style), system, shots), "2+2?", tokenizer)[0]


# ---- prompts ---------------------------------------------------------------------------------------------------------


def test_a_system_turn_and_solved_questions_stand_in_the_chat(tokenizer, shots):
    assert rendered("chat", tokenizer, "Be brief.", shots) == (
        "<system>Be brief.</><user>1+1?</><assistant>It is 2.</><user>2+2?</><assistant>"
    )
    said = rendered("general_reasoner", tokenizer, None, shots)
    assert said.count("Please reason step by step") == 2, "a solved question is asked as the style asks"


def test_solved_questions_stand_before_the_question_in_a_plain_style(tokenizer, shots):
    assert rendered("question_answer", tokenizer, None, shots) == (
        "Question: 1+1?\nAnswer: It is 2.\n\nQuestion: 2+2?\nAnswer:"
    )


def test_a_template_has_the_chat_and_all_that_is_said_at_hand(tokenizer, shots, tmp_path):
    file = tmp_path / "mine.jinja"
    file.write_text("{# extract: box #}{{ chat('Q: ' ~ question, system, shots) }}\n")
    said = rendered(file, tokenizer, "S", shots)
    assert said == "<system>S</><user>1+1?</><assistant>It is 2.</><user>Q: 2+2?</><assistant>"
    style = asked_as(str(file), None, None)
    assert prompt_style(style).extract == "box"
    assert prompt_style(style).is_template
    file.write_text("{# extract: box #}{{ chat('R: ' ~ question) }}")
    assert asked_as(str(file), None, None) != style


@pytest.mark.parametrize(
    ("content", "system", "says"),
    [
        ("{{ question }", None, "is no template: unexpected '}'"),
        ("{{ query }} {{ question }}", None, "asks for query, which there is not: it can use question, system"),
        ("hello", None, "never says {{ question }}"),
        ("{{ question }}", "S", "--system has no place in"),
        ("{# extract: boxes #}{{ question }}", None, "says extract: boxes, which is none of box"),
        ("{{ question.__class__.__mro__ }}", None, "does not render"),
    ],
)
def test_a_template_that_cannot_be_is_refused_in_one_line(tokenizer, tmp_path, content, system, says):
    file = tmp_path / "mine.jinja"
    file.write_text(content)
    with pytest.raises(BadInput) as error:
        rendered(file, tokenizer, system)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_style_without_a_place_for_it_refuses(tokenizer, shots, tmp_path):
    with pytest.raises(BadInput, match="--system is a turn of a chat, and the prompt style raw is none"):
        asked_as("raw", "S", None)
    with pytest.raises(BadInput, match="the prompt style qwen_boxed has no place for --shots"):
        asked_as("qwen_boxed", None, shots)
    shots.write_text('{"question": "a"}\n')
    with pytest.raises(BadInput, match="line 1 is no solved question"):
        asked_as("raw", None, shots)


# ---- answers and graders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is B.", ["B"]),
        ("So the answer is (C), not (D).", ["C", "D"]),
        ("Answer: **A**", ["A"]),
        (r"\boxed{D}", ["D"]),
        (r"\boxed{\text{B}}", ["B"]),
        ("I think\nB", ["B"]),
        ("A man has Eggs. Answer: Apples", []),
        ("", []),
    ],
)
def test_the_letter_of_a_choice_is_found(text, found):
    assert [answer.content for answer in choices(text).found] == found
    assert all(text[answer.start : answer.end].endswith(answer.content) for answer in choices(text).found)


def test_letters_and_texts_are_compared_as_such():
    assert [letter(t) for t in ("B", "(b)", "B. Paris", "B) x", r"\text{B}", "Paris", "12", "")] == [
        *"BBBBB",
        *[None] * 3,
    ]
    assert same_text(" a  b\n", "a b") is Status.CORRECT
    assert same_text("a", "A") is Status.WRONG
    assert [a.content for a in whole("  x y\n").found] == ["x y"]
    assert whole(" \n").found == []


def graded(choice, *pairs):
    with Grader(choice) as grader:
        return [each.last.status for each in grader.grade_many(pairs)]


def test_multiple_choice_is_graded_by_the_letter():
    choice = GraderChoice(grader="choice", extract="choice")
    said = graded(choice, ("The answer is (B)", "B"), ("Answer: C", "(B)"), ("no idea", "B"), ("Answer: B", "Paris"))
    assert said == [Status.CORRECT, Status.WRONG, Status.NO_ANSWER, None]


def test_where_a_prompt_asks_for_no_form_the_comparison_says_where_to_look():
    assert GraderSettings(grader="choice").under("general").extract == "choice"
    assert GraderSettings(grader="choice").under("box").extract == "box"
    assert GraderSettings(grader="exact").under("general").extract == "whole"
    assert GraderSettings(grader="math").under("general").extract == "general"
    assert "grader" not in GraderSettings().under("box").canonical()


def ends_well(answer, gold):
    return answer.endswith(gold)


def hangs(answer, gold):
    while gold:
        pass


def odd(answer, gold):
    return 3


def raises(answer, gold):
    raise ValueError("no")


def last_word(text):
    return text.split()[-1] if text.split() else None


def test_a_grader_of_ones_own_decides_in_the_killable_process():
    key = own.keep("grader", ends_well).key
    choice = GraderChoice(grader=key, extract="whole", workers=1)
    assert graded(choice, ("it is 4", "4"), ("it is 5", "4"), ("", "4")) == [
        Status.CORRECT,
        Status.WRONG,
        Status.NO_ANSWER,
    ]
    hanging = GraderChoice(grader=own.keep("grader", hangs).key, extract="whole", timeout_s=1, workers=1)
    assert graded(hanging, ("x", "4")) == [Status.TIMEOUT]


@pytest.mark.parametrize(("function", "says"), [(odd, "answers a int"), (raises, "ValueError: no")])
def test_a_grader_that_fails_is_named(function, says):
    with pytest.raises(BadInput, match=f"the grader {function.__name__} fails on 'x' and '4': .*{says}"):
        graded(GraderChoice(grader=own.keep("grader", function).key, extract="whole", workers=1), ("x", "4"))


def test_an_extraction_of_ones_own_finds_the_answer():
    key = own.keep("extraction", last_word).key
    said = graded(GraderChoice(extract=key, workers=1), ("so it is 4", "4"), ("so it is 5", "4"), (" ", "4"))
    assert said == [Status.CORRECT, Status.WRONG, Status.NO_ANSWER]


def test_a_run_is_graded_by_ones_own_from_both_doors(rlprobe, tmp_path):
    (tmp_path / "mine.py").write_text(
        "import rlprobe as rp\n@rp.grader\ndef long_enough(answer, gold):\n    return len(answer) > 3\n"
        "@rp.extraction\ndef first_word(text):\n    return text.split()[:1]\n"
    )
    own.include(tmp_path / "mine.py")
    code, _, err = rlprobe.disagree(
        "--include", tmp_path / "mine.py", "--grader", "long_enough", "--extract", "first_word"
    )
    assert code == 0, err
    found = rp.read(tmp_path / "run")
    grader = found.summary["grader"]
    assert grader["grader"].startswith("own(long_enough, ")
    assert grader["extract"].startswith("own(first_word, ")
    said = found.grades.dropna(subset=["answer_last"])
    assert list(said["status_last"] == "correct") == [len(answer) > 3 for answer in said["answer_last"]]
    again = rp.grade(tmp_path / "run", grader="long_enough", extract="first_word")
    assert again.summary["grader"]["key"] == grader["key"]
    assert rp.grade(tmp_path / "run", grader="exact").summary["grader"]["grader"] == "exact"
