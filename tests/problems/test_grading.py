"""Verdicts on answers, and a worker that survives what it is given."""

import os
import signal
import subprocess
import sys
import time

import pytest

from rlprobe.errors import BadInput, RlprobeError
from rlprobe.problems import grading
from rlprobe.problems.grading import Graded, Grader, GraderSettings
from rlprobe.records import Grade, Status

BOMBS = [r"9^{9^{9^9}}", r"(10^7)!", "(" * 500]


@pytest.fixture(scope="module")
def grader():
    with Grader(GraderSettings(timeout_s=30)) as grader:
        yield grader


def box(answer):
    return f"So the answer is \\boxed{{{answer}}}."


def status(grader, answer, gold):
    (graded,) = grader.grade_many([(box(answer), gold)])
    assert graded.first == graded.last
    assert graded.last.answer == answer
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
    ],
)
def test_different_answers_are_wrong(grader, answer, gold):
    assert status(grader, answer, gold) is Status.WRONG


@pytest.mark.parametrize("answer", ["", "%", r"\{", r"\frac", "5)", "#"])
def test_what_is_no_mathematics_is_unparsed(grader, answer):
    assert status(grader, answer, "5") is Status.UNPARSED


@pytest.mark.parametrize("gold", ["", "%", r"\frac{1}{0}", "5}{6", "{5"])
@pytest.mark.parametrize("text", [r"\boxed{5}", r"\boxed{5", "five"])
def test_a_gold_that_cannot_be_read_gives_no_status_at_all(grader, text, gold):
    (graded,) = grader.grade_many([(text, gold)])
    assert graded.first.status is None
    assert graded.last.status is None


def test_first_and_last_box_have_their_own_verdicts(grader):
    texts = [
        r"\boxed{4}. Wait, no: \boxed{5}",
        r"\boxed{5} Question: 1+1? \boxed{2}",
        r"\boxed{5} and then \boxed{6",
        r"\boxed{6. Again: \boxed{5}",
        "the answer is 5",
        r"\fbox{5}",
    ]
    five, none = Grade(Status.CORRECT, "5"), Grade(Status.NO_ANSWER, None)
    assert grader.grade_many([(text, "5") for text in texts]) == [
        Graded(Grade(Status.WRONG, "4"), five),
        Graded(five, Grade(Status.WRONG, "2")),
        Graded(five, none),
        Graded(none, five),
        Graded(none, none),
        Graded(none, none),
    ]


def test_a_pair_is_compared_once(grader, monkeypatch):
    asked = []
    ask = grader._worker.ask
    monkeypatch.setattr(grader._worker, "ask", lambda request: asked.append(request) or ask(request))
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
    assert slow.last == Grade(None, "5")
    assert quick.last.status is Status.CORRECT


def test_a_worker_killed_from_outside_is_replaced():
    with Grader() as grader:
        grader.grade_many([(box("5"), "5")])
        os.kill(grader._worker._process.pid, signal.SIGKILL)
        grader._worker._process.wait()
        assert status(grader, "6", "5") is Status.WRONG


def test_the_worker_is_gone_when_the_grader_is_closed():
    with Grader() as grader:
        grader.grade_many([(box("5"), "5")])
        process = grader._worker._process
    assert process.returncode is not None


def test_a_fault_of_the_library_is_an_error_and_not_a_verdict(grader, monkeypatch):
    monkeypatch.setattr(grader._worker, "ask", lambda _: {"error": "ImportError: no antlr"})
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
        "    print(grader._worker._process.pid, flush=True)\n"
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


def test_the_key_of_settings_is_stable_and_follows_every_field():
    settings = GraderSettings(libraries="math-verify 0.9.0")
    assert settings.key == GraderSettings(libraries="math-verify 0.9.0").key
    assert len(settings.key) == 12
    others = [
        GraderSettings(libraries="math-verify 0.9.1"),
        GraderSettings(answer="first", libraries="math-verify 0.9.0"),
        GraderSettings(timeout_s=6, libraries="math-verify 0.9.0"),
    ]
    assert len({settings.key, *(other.key for other in others)}) == 4
    assert "math-verify 0.9" in str(GraderSettings().canonical()["libraries"])


@pytest.mark.parametrize("wrong", [{"timeout_s": 0}, {"timeout_s": True}, {"answer": "best"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(BadInput):
        GraderSettings(**wrong)
