"""Verdicts on answers, and a worker that survives what it is given."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from warm import cold

from rlprobe.errors import BadInput, RlprobeError
from rlprobe.problems import grading
from rlprobe.problems.grading import Graded, Grader, GraderSettings
from rlprobe.records import Grade, Status

BOMBS = [r"9^{9^{9^9}}", r"(10^7)!", "(" * 500]


@pytest.fixture(scope="module", autouse=True)
def _cold():
    with cold():
        yield


@pytest.fixture(scope="module")
def grader():
    with Grader(GraderSettings(timeout_s=30)) as grader:
        yield grader


def box(answer):
    return f"So the answer is \\boxed{{{answer}}}."


def processes(grader):
    return [worker._process for worker in grader._workers if worker._process]


def status(grader, answer, gold):
    (graded,) = grader.grade_many([(box(answer), gold)])
    assert graded.first == graded.last
    assert graded.last.answer in (answer, None)
    return graded.last.status


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        (r"\frac{1}{2}", "0.5"),
        (r"\dfrac12", "1/2"),
        ("2√3", r"2\sqrt{3}"),
        ("1,234", "1234"),
        (r"1\,234", "1234"),
        (r"1{,}234", "1,234"),
        (r"\$18", "18"),
        ("x = 5", "5"),
        ("2, 1", "1,2"),
        (r"\{1,2\}", "1,2"),
        ("52_{8}", "52_8"),
        ("864", r"864 \mbox{ inches}^2"),
        (r"5\text{ cm}", "5"),
        ("Evelyn", r"\text{Evelyn}"),
        ("90", r"90^\circ"),
        ("90°", "90"),
        ("33", "033"),
        ("4.5*10^33", "4.5e33"),
        (r"1.60 \times 10^{-19}", "1.6e-19"),
        ("1.6 x 10^-19", "1.6e-19"),
        ("5.", "5"),
        ("a\tb", "ab"),
        (r"\boxed{5}", "5"),
        (r"23,\,700", "23700"),
        ("y = 61,200", "61200"),
        (r"61,200 \, \text{m}^2", "61200"),
        ("61,200 dollars", "61200"),
        (r"7.07 \times 10^{2}", "707"),
        (r"(7.07 \times 10^{2}, 1)", "(707, 1)"),
        (r"3^{\text{rd}} \text{ row}", "3"),
        (r"45\degree", "45"),
        ("3 1/4", r"\frac{13}{4}"),
        ("-3 1/4", r"-\frac{13}{4}"),
        (r"2-5\mathrm{i}", "2-5i"),
        ("300, 400", "300, 400"),
        (r"\approx 2.72", "2.72"),
        ("４５", "45"),
        ("18 eggs", "18"),
        ("2.5 million", "2500000"),
        (r"3 \text{ km}", r"3000 \text{ m}"),
        (r"3 \text{ metres}", r"3 \text{ m}"),
        (r"300 \text{ cents}", r"3 \text{ dollars}"),
        (r"50\%", "0.5"),
        (r"50\%", "50"),
        (r"\frac{3}{4}", r"75\%"),
        ("0.333333", r"\frac{1}{3}"),
        ("TRUE", "true"),
        (r"\text{no solution}", "No solution"),
        (r"\text{(B)}", "B"),
    ],
)
def test_equal_answers_are_correct(grader, answer, gold):
    assert status(grader, answer, gold) is Status.CORRECT


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("4", "5"),
        ("2", r"2\sqrt{3}"),
        ("(2,1)", "(1,2)"),
        (r"1\,234", "235"),
        (r"3 \times 10^{-22}", "1.6e-19"),
        ("x = 0", "1.6e-19"),
        (r"4.5 \times 10^{32}", "4.5e33"),
        (r"\text{yes}", r"\text{no}"),
        (r"\frac{1}{0}", "5"),
        (r"\frac{1}{3^{900}}", r"\frac{1}{3^{901}}"),
        ("(0.00000004, 1)", "(0.00000002, 1)"),
        (r"\{0.00000004, 1\}", "0.00000002, 1"),
        ("0.0000001", "0"),
        (r"0.00002\%", r"0.00001\%"),
        (r"7 \text{ kg}", r"7 \text{ g}"),
        (r"7 \text{ kg}", r"7 \text{ m}"),
        (r"7 \text{ cm}^2", r"7 \text{ cm}^3"),
        ("300400", "300, 400"),
        ("on", "no"),
        ("seat", r"\text{east}"),
        ("2.5 billion", "2.5 million"),
    ],
)
def test_different_answers_are_wrong(grader, answer, gold):
    assert status(grader, answer, gold) is Status.WRONG


@pytest.mark.parametrize("answer", ["%", r"\{", r"\frac", "5)", "#"])
def test_what_is_no_mathematics_is_unparsed(grader, answer):
    assert status(grader, answer, "5") is Status.UNPARSED


@pytest.mark.parametrize("gold", ["", "%", r"\frac{1}{0}", "5}{6", "{5", "The answer is 5"])
@pytest.mark.parametrize("text", [r"\boxed{5}", r"\boxed{5", "five"])
def test_a_gold_that_cannot_be_read_gives_no_status_at_all(grader, text, gold):
    (graded,) = grader.grade_many([(text, gold)])
    assert graded.first.status is None
    assert graded.last.status is None


def test_first_and_last_answer_have_their_own_verdicts_and_ends(grader):
    texts = [
        r"\boxed{4}. Wait, no: \boxed{5}",
        r"\boxed{5} Question: 1+1? \boxed{2}",
        r"\boxed{5} and then \boxed{6",
        r"\boxed{6. Again: \boxed{5}",
        r"\boxed{5} and \boxed{}",
        "the answer is 5",
        r"\fbox{5}",
        r"\boxed{5",
    ]
    none = Grade(Status.NO_ANSWER, None)
    assert grader.grade_many([(text, "5") for text in texts]) == [
        Graded(Grade(Status.WRONG, "4", 9), Grade(Status.CORRECT, "5", 30)),
        Graded(Grade(Status.CORRECT, "5", 9), Grade(Status.WRONG, "2", 34)),
        Graded(Grade(Status.CORRECT, "5", 9), Grade(Status.CORRECT, "5", 9), fell_back=True),
        Graded(Grade(Status.CORRECT, "5", 26), Grade(Status.CORRECT, "5", 26)),
        Graded(Grade(Status.CORRECT, "5", 9), Grade(Status.CORRECT, "5", 9)),
        Graded(none, none),
        Graded(none, none),
        Graded(none, none),
    ]


def test_boxes_that_stand_together_are_one_answer_where_the_gold_is_a_list(grader):
    text = r"The zeros are \boxed{3} and \boxed{-7}."
    both, one = grader.grade_many([(text, "3, -7"), (text, "-7")])
    assert both.first == both.last == Grade(Status.CORRECT, "3, -7", len(text) - 1)
    assert (one.first.status, one.last.status) == (Status.WRONG, Status.CORRECT)


@pytest.mark.parametrize(
    ("extract", "text", "gold", "answer", "behind"),
    [
        ("general", "He keeps 21 cards.\nA: 21", "21", "21", ""),
        ("general", "The final answer is $\\frac{2}{5}$. I hope so.", "0.4", r"\frac{2}{5}", "$. I hope so."),
        ("general", r"Thus \boxed{9}.", "9", r"\boxed{9}", "."),
        ("general", "It grew by 25 percent.", "0.25", r"25\%", "."),
        ("hashes", "7 * 3 = 21\n#### 21\n", "21", "21", "\n"),
        ("answer_line", "two fifths.\nAnswer: $\\frac{2}{5}$\nDone", r"\frac{2}{5}", "$\\frac{2}{5}$", "\nDone"),
        ("answer_tag", "<think>6*6</think><answer> 36 </answer>", "36", "36", " </answer>"),
    ],
)
def test_every_extraction_grades_what_it_finds_and_says_where_it_ends(extract, text, gold, answer, behind):
    with Grader(GraderSettings(extract=extract, timeout_s=30)) as grader:
        (graded,) = grader.grade_many([(text, gold)])
    assert graded.last == Grade(Status.CORRECT, answer, len(text) - len(behind))


def test_a_box_finds_nothing_where_the_general_search_does():
    with Grader(GraderSettings(timeout_s=30)) as grader:
        assert grader.grade_many([("The answer is 18.", "18")])[0].last.status is Status.NO_ANSWER
    with Grader(GraderSettings(extract="general", timeout_s=30)) as grader:
        assert grader.grade_many([("The answer is 18.", "18")])[0].last.status is Status.CORRECT
        assert grader.grade_many([("No idea.", "18")])[0].last.status is Status.NO_ANSWER


def test_the_general_search_is_math_verify_s_own():
    texts = [
        "First 3, then $x = 4$, so 5 apples and 6.",
        "The answer is $\\frac{1}{2}$ or $\\frac{1}{3}$.",
        "We have \\boxed{2}. The final answer is 7. I hope it is correct. Or 8?",
        "answer: 3 = 12/4",
        "1,234.5 in all",
        "half of 90% is 45%",
        "nothing",
    ]
    golds = ["6", "1/3", "7", "3", "1234.5", "45", "1"]
    with Grader(GraderSettings(extract="general", timeout_s=30)) as grader:
        ours = [
            graded.last.status is Status.CORRECT for graded in grader.grade_many(list(zip(texts, golds, strict=True)))
        ]
    program = (
        "import json, logging, sys; logging.disable(); from math_verify import parse, verify\n"
        "for text, gold in json.load(sys.stdin):\n"
        "    gold, text = (parse(t, parsing_timeout=None) for t in (gold, text))\n"
        "    print(verify(gold, text, timeout_seconds=None))\n"
    )
    asked = json.dumps(list(zip(texts, [f"${gold}$" for gold in golds], strict=True)))
    done = subprocess.run([sys.executable, "-c", program], input=asked, capture_output=True, text=True, check=True)
    assert ours == [line == "True" for line in done.stdout.split()]


def test_golds_that_cannot_be_read_are_named_with_the_reason(grader):
    golds = ["5", r"\frac{1}{2}", "The answer is 18", "5}{", "Evelyn", "5"]
    assert grader.unreadable(golds) == {
        "The answer is 18": "there are words before the number",
        "5}{": "math-verify cannot read it",
    }


def test_a_pair_is_compared_once(grader, monkeypatch):
    asked = []
    ask = grader._asked
    monkeypatch.setattr(grader, "_asked", lambda request: asked.append(request) or ask(request))
    grader.grade_many([(box("1001"), "1000+1"), (box("1001"), "1000+1")] * 5 + [(box("1002"), "1000+1")])
    assert len(asked) == 2


def test_progress_is_heard_after_each_response(grader):
    heard = []
    grader.grade_many([(box("1"), "1"), ("", "1"), (box("2"), "1")], lambda *counts: heard.append(counts))
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_bombs_end_as_timeout_or_unparsed_and_what_follows_is_graded():
    pairs = [(box("1"), "1")]
    for bomb in BOMBS:
        pairs += [(box(bomb), "5"), (box("5"), "5"), (box("6"), "5")]
    start = time.monotonic()
    with Grader(GraderSettings(timeout_s=2)) as grader:
        statuses = [graded.last.status for graded in grader.grade_many(pairs)]
    assert statuses[0] is Status.CORRECT
    assert set(statuses[1::3]) <= {Status.TIMEOUT, Status.UNPARSED}
    assert statuses[1] is Status.TIMEOUT
    assert statuses[2::3] == [Status.CORRECT] * 3
    assert statuses[3::3] == [Status.WRONG] * 3
    assert time.monotonic() - start < 90


def test_a_gold_that_takes_too_long_gives_no_status():
    with Grader(GraderSettings(timeout_s=2)) as grader:
        slow, quick = grader.grade_many([(box("5"), BOMBS[0]), (box("5"), "5")])
    assert slow.last == Grade(None, "5", len(box("5")) - 1)
    assert quick.last.status is Status.CORRECT


def test_a_worker_killed_from_outside_is_replaced():
    with Grader(GraderSettings(workers=1)) as grader:
        grader.grade_many([(box("5"), "5")])
        (process,) = processes(grader)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert status(grader, "6", "5") is Status.WRONG


def test_the_worker_is_gone_when_the_grader_is_closed():
    with Grader() as grader:
        grader.grade_many([(box("5"), "5")])
        (process,) = processes(grader)
    assert process.returncode is not None


def test_a_fault_of_the_library_is_an_error_and_not_a_verdict(grader, monkeypatch):
    monkeypatch.setattr(grader, "_asked", lambda _: {"error": "ImportError: no antlr"})
    with pytest.raises(RlprobeError, match=r"failed on the answer '314' to the gold '315': ImportError: no antlr"):
        grader.grade_many([(box("314"), "315")])


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("raise ImportError('no module named math_verify')", "math-verify does not work here.*no module named"),
        ('print(\'{"verdict": "wrong"}\', flush=True)', "math-verify does not work here"),
        ("print('{\"verdict\": \"correct\"}', flush=True); input(); raise SystemExit('broken')", "stopped.*broken"),
    ],
)
def test_a_worker_that_does_not_work_is_an_error(tmp_path, monkeypatch, program, message):
    (tmp_path / "worker.py").write_text(program)
    monkeypatch.setattr(grading, "_WORKER", tmp_path / "worker.py")
    with Grader() as grader, pytest.raises(RlprobeError, match=message):
        grader.grade_many([(box("5"), "5")])


def test_it_works_in_a_script_without_a_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from rlprobe.problems.grading import Grader\n"
        "with Grader() as grader:\n"
        "    print(grader.grade_many([('\\\\boxed{5}', '5')])[0].last.status)\n"
    )
    (tmp_path / "sympy.py").write_text("raise ImportError('a file of the user beside the script')")
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.stdout == "correct\n"


def test_ctrl_c_ends_the_worker_too(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background starts with it ignored
        "from rlprobe.problems.grading import Grader\n"
        "with Grader() as grader:\n"
        "    grader.grade_many([('\\\\boxed{5}', '5')])\n"
        "    print(*(w._process.pid for w in grader._workers if w._process), flush=True)\n"
        "    grader.grade_many([('\\\\boxed{9^{9^{9^9}}}', '5')])\n"
    )
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    worker = int(program.stdout.readline())
    time.sleep(0.3)
    program.send_signal(signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    assert "KeyboardInterrupt" in errors
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_several_workers_say_what_one_says():
    pairs = [(box(f"{n}/2"), str(n % 7)) for n in range(40)] + [("none", "1")]
    said = []
    for workers in (1, 3):
        with Grader(GraderSettings(workers=workers)) as grader:
            said.append(grader.grade_many(pairs))
            assert len(processes(grader)) == workers
    assert said[0] == said[1]


def test_a_worker_that_is_stopped_for_longer_than_the_limit_says_wrong_and_not_timeout():
    with Grader(GraderSettings(workers=1, timeout_s=1)) as grader:
        grader.grade_many([(box("5"), "5")])
        (process,) = processes(grader)
        os.kill(process.pid, signal.SIGSTOP)
        threading.Timer(3, os.kill, (process.pid, signal.SIGCONT)).start()
        assert status(grader, "6", "5") is Status.WRONG


def test_a_grader_that_is_stopped_for_longer_than_the_limit_says_wrong_and_not_timeout(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, threading, time\n"
        "from rlprobe.problems.grading import Grader, GraderSettings\n"
        "with Grader(GraderSettings(workers=1, timeout_s=1)) as grader:\n"
        "    grader.grade_many([('\\\\boxed{5}', '5')])\n"
        "    print('ready', flush=True)\n"
        "    for n in range(400):\n"
        "        print(grader.grade_many([('\\\\boxed{%d/7}' % n, '555')])[0].last.status, flush=True)\n"
        "        time.sleep(0.002)\n"
    )
    program = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    program.stdout.readline()
    program.send_signal(signal.SIGSTOP)
    time.sleep(3)
    program.send_signal(signal.SIGCONT)
    said, _ = program.communicate(timeout=120)
    assert set(said.split()) == {"wrong"}


def test_a_worker_that_neither_works_nor_answers_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "worker.py").write_text(
        "import pathlib, time\n"
        'print(\'{"verdict": "correct"}\', flush=True)\n'
        "input()\n"
        f"seen = pathlib.Path({str(tmp_path / 'seen')!r})\n"
        "if not seen.exists():\n"
        "    seen.touch()\n"
        "    time.sleep(600)\n"
        'print(\'{"verdict": "wrong"}\', flush=True)\n'
    )
    monkeypatch.setattr(grading, "_WORKER", tmp_path / "worker.py")
    monkeypatch.setattr(grading, "_PATIENCE", 1)
    with Grader(GraderSettings(workers=1, timeout_s=1)) as grader:
        assert status(grader, "6", "5") is Status.WRONG


def test_ten_megabytes_of_backslashes_are_graded_in_seconds(grader):
    start = time.monotonic()
    (graded,) = grader.grade_many([("\\" * 10_000_000 + r" \boxed{5}", "5")])
    assert graded.last.status is Status.CORRECT
    assert time.monotonic() - start < 20


def settings(**changes):
    return GraderSettings(**{"extract": "box", "libraries": "math-verify 0.9.0", **changes})


def test_the_key_of_settings_is_stable_and_follows_every_field():
    assert settings().key == settings(workers=3).key
    assert len(settings().key) == 12
    changes = [{"libraries": "math-verify 0.9.1"}, {"answer": "first"}, {"timeout_s": 6}, {"extract": "general"}]
    keys = {settings().key, settings().under("box", "another hash").key, *(settings(**each).key for each in changes)}
    assert len(keys) == 6
    assert "math-verify 0.9" in str(GraderSettings(extract="box").canonical()["libraries"])


def test_an_extraction_that_is_asked_for_stays_and_another_is_the_style_s():
    assert GraderSettings().under("hashes").extract == "hashes"
    assert GraderSettings(extract="general").under("hashes").extract == "general"


@pytest.mark.parametrize(
    "wrong", [{"timeout_s": 0}, {"timeout_s": True}, {"answer": "best"}, {"extract": "last"}, {"workers": 0}]
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput):
        GraderSettings(**wrong)
