"""Functions of the user's own: a key made of all that they read, through both doors, refused in one line."""

import functools
import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import rlprobe as rp
from rlprobe import own
from rlprobe.decoding.arms import GATES, Arm, donor_argmax, entropy_above
from rlprobe.decoding.words import gate_of
from rlprobe.errors import BadInput, OtherRun

ROWS = [{"question": f"Ann has {i} eggs. How many?", "answer": str(i)} for i in range(1, 5)]
TAU, WEIGHTS = 0.5, np.arange(3.0)
FILE = """
import rlprobe as rp

TAU = {tau}

@rp.gate
def hesitates(view):
    return view.host_entropy > TAU

@rp.writer
def second(view):
    return view.host_logits.topk(2).indices[:, 1]

@rp.style(extract="box")
def asked(question, _):
    return "Q: " + question
"""


@pytest.fixture
def where(tiny_folders, tmp_path):
    base, rl = map(str, tiny_folders)
    return {"base": base, "rl": rl, "problems": ROWS, "max_new_tokens": 8, "style": "raw", "out": tmp_path / "run"}


def above(tau):
    return lambda view: view.host_entropy > tau


def hesitates(view):
    return view.host_entropy > TAU


def helped(view):
    return hesitates(view)


def weighted(view):
    return view.host_entropy > WEIGHTS.sum()


def nested(view):
    def inner(x):
        return x > math.sqrt(TAU)

    return inner(view.host_entropy)


def of_default(view, tau=0.5):
    return view.host_entropy > tau


@dataclass
class Above:
    tau: float

    def __call__(self, view):
        return view.host_entropy > self.tau


def key(function, **said):
    return own.keep("gate", function, **said).key


# ---- keys ------------------------------------------------------------------------------------------------------------


def test_the_same_lambda_with_another_closed_over_number_is_another_arm():
    assert key(above(1)) != key(above(2))
    assert key(above(1)) == key(above(1))


@pytest.mark.parametrize("function", [hesitates, helped, nested], ids=lambda f: f.__name__)
def test_a_key_follows_the_global_values_that_are_read_by_others_too(monkeypatch, function):
    before = key(function)
    monkeypatch.setitem(globals(), "TAU", 0.6)
    assert key(function) != before
    monkeypatch.setitem(globals(), "TAU", 0.5)
    assert key(function) == before


def test_a_key_follows_arrays_defaults_objects_and_bound_arguments():
    before = key(weighted)
    WEIGHTS[0] = 1
    changed = key(weighted)
    WEIGHTS[0] = 0
    assert (before == key(weighted), before == changed) == (True, False)
    assert key(Above(1.0)) != key(Above(2.0))
    assert key(functools.partial(of_default, tau=1), name="p") != key(functools.partial(of_default, tau=2), name="p")
    was = key(of_default)
    of_default.__defaults__ = (0.6,)
    assert key(of_default) != was


def test_two_lambdas_on_a_line_are_two_and_layout_is_none():
    one, other = lambda view: view.host_entropy > 1, lambda view: view.host_entropy > 2
    again = [
        lambda view: (
            view.host_entropy > 1  # the same
        )
    ]
    assert key(one) != key(other)
    assert key(one) == key(again[0])


def test_a_key_is_the_same_in_another_process(tmp_path):
    (tmp_path / "mine.py").write_text(FILE.format(tau=0.5))
    program = "import sys; from pathlib import Path; from rlprobe import own; own.include(Path('mine.py')); "
    program += "print(own.find('gate', 'hesitates').key)"
    said = [subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
            for _ in range(2)]  # fmt: skip
    assert said[0].stdout == said[1].stdout != ""


def counting(view):
    global TAU
    TAU = 1
    return view


def reading(view):
    return open("x")


def undefined(view):
    return nowhere


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (eval("lambda view: view"), "its source is not to be found; say yourself what it is, with name= and version="),
        (counting, "it changes TAU as it goes"),
        (reading, r"it calls open\(\), and what that reads cannot be told"),
        (undefined, "it reads nowhere, which has no value yet"),
        (functools.partial(of_default, tau=torch.Generator()), "it reads a torch.*Generator, whose state cannot be"),
        (3, "a gate is a function, and '3' is none"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_what_has_no_key_is_refused_in_one_line(function, says):
    with pytest.raises(BadInput, match=says) as error:
        rp.gate(function)
    assert "\n" not in str(error.value)


def test_a_name_and_a_version_are_a_key():
    function = eval("lambda view: view.host_entropy > 1")
    assert key(function, name="mine", version=1) == key(function, name="mine", version="1")
    assert key(function, name="mine", version=1) != key(function, name="mine", version=2)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: rp.gate(hesitates, name="a b"), "the gate is called 'a b': a name is letters, digits and _"),
        (lambda: rp.gate(hesitates, name="disagree"), "rlprobe has a gate disagree: call yours otherwise"),
        (lambda: rp.writer(hesitates, name="mix"), "rlprobe has a writer mix"),
        (lambda: rp.gate("disagre"), "no gate is called 'disagre'"),
        (
            lambda: rp.gate(hesitates, seed=True),
            "there is no option 'seed'; there are name, version, random, sees_draw",
        ),
        (lambda: rp.gate(hesitates, random=3), "random is 3: it is True or False"),
        (lambda: rp.style(hesitates, extract="boxes"), "extract is 'boxes': it is one of box"),
        (lambda: rp.gate("disagree") & hesitates, "put together with gates, not with a function: rp.gate makes one"),
        (lambda: hesitates | rp.gate("disagree"), "put together with gates, not with a function: rp.gate makes one"),
        (lambda: rp.claim(hesitates), "'hesitates' has no inequality: give one of above, below, between"),
        (lambda: rp.claim(hesitates, above=0), "'hesitates' has no margin: margin takes a finite number, 0 for none"),
        (lambda: rp.claim(hesitates, over=0, margin=0), "'hesitates' has 'over', which no claim has"),
        (lambda: rp.claim(3, above=0, margin=0), "a claim is a function, and '3' is none"),
        (lambda: rp.disagree(claims=hesitates), "'hesitates' has no inequality"),
        (lambda: gate_of("disagree &"), "'disagree &' is no gate"),
        (lambda: gate_of("disagree + never"), "'disagree . never' is no gate|no gate is called"),
        (lambda: gate_of("__import__('os')"), "no gate is called '__import__'"),
        (lambda: gate_of("own(hesitates, 000000000000)"), "was given by another process: give it again"),
    ],
)
def test_what_cannot_be_meant_is_refused(call, says):
    with pytest.raises(BadInput, match=says):
        call()


def test_a_gate_whose_values_changed_since_it_was_named_is_refused(monkeypatch, where):
    gate = rp.gate(hesitates)
    monkeypatch.setitem(globals(), "TAU", 0.6)
    with pytest.raises(BadInput, match=r"the gate hesitates reads other values than when it was named: name it again"):
        rp.intervene(gates=gate & rp.gate("disagree"), **where)
    assert rp.gate(hesitates).spec != gate.spec


# ---- gates put together ----------------------------------------------------------------------------------------------


def test_gates_combine_and_their_words_are_gates_again():
    own_gate = rp.gate(hesitates)
    both = (rp.gate("disagree") & ~rp.gate("first", 2)) | own_gate
    assert both.spec == f"((disagree & not-first(2)) | {own_gate.spec})"
    assert gate_of(both.spec).spec == both.spec
    assert gate_of("(disagree & ~first(2)) | hesitates").spec == both.spec
    assert gate_of("of_kind(stop) & not-never").spec == f"({GATES['of_kind']('stop').spec} & not-never)"
    assert gate_of(gate_of("of_kind(stop) & always").spec).spec == gate_of("of_kind(stop) & always").spec


# ---- in a run --------------------------------------------------------------------------------------------------------


def arms(found):
    return set(found.rollouts["arm"]) - {"base", "rl"}


def test_an_own_gate_edits_where_the_named_one_does(where):
    found = rp.intervene(gate=hesitates, **where)  # as on the command line
    (mine,) = arms(found)
    assert mine.startswith("own(hesitates, ")
    rp.intervene(modes=["entropy:0.5"], **where)
    rows = rp.read(where["out"]).rollouts.set_index(["arm", "problem_id"])
    named = Arm(entropy_above(0.5), donor_argmax()).spec
    for problem in rp.read(where["out"]).problems["problem_id"]:
        assert list(rows.loc[mine, problem]["response_ids"]) == list(rows.loc[named, problem]["response_ids"])
        assert list(rows.loc[mine, problem]["gated"]) == list(rows.loc[named, problem]["gated"])


def test_a_changed_function_is_another_arm_and_the_same_is_gone_on_with(where):
    first = arms(rp.intervene(gates=above(0.5), limit=2, **where))
    again = arms(rp.intervene(gates=above(0.5), **where))
    assert again == first
    assert len(arms(rp.intervene(gates=above(2.0), **where)) - first) == 1


def test_an_own_style_is_the_prompt_and_another_is_another_run(where):
    def asked(question, _):
        return f"Q: {question}"

    def otherwise(question, _):
        return f"R: {question}"

    found = rp.disagree(**where | {"style": asked})
    assert found.run.about["prompt_example"] == f"Q: {ROWS[0]['question']}"
    assert rp.grade(found).summary["grader"]["extract"] == "general"
    with pytest.raises(OtherRun, match=r"its prompt\.\w+ is"):
        rp.disagree(**where | {"style": otherwise})


def test_a_run_with_an_own_arm_is_read_without_its_function(where, rlprobe):
    rp.intervene(gates=hesitates, **where)
    rp.disagree(**where)
    program = (
        "import rlprobe as rp, sys; found = rp.read(sys.argv[1]); print(list(found.tables['interventions']['arm']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(where["out"])], capture_output=True, text=True, check=True
    )
    assert "own(hesitates, " in done.stdout


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda view: view.host_entropy, "the gate function answers a tensor of float32 of shape"),
        (lambda view: True, "the gate function answers a bool: it answers True or False a position"),
        (lambda view: view.host_entropy[:0] > 1, "of shape .0,.: it answers True or False"),
        (lambda view: view.nothing, "the gate function fails: line .*: AttributeError: 'View' object has no"),
        (lambda view: torch.rand(len(view.host_ids)) > 0.5, "answers otherwise when it is asked again"),
        (lambda view: view.host_entropy >= view.host_entropy[-1], "answers otherwise when it is asked again"),
    ],
)
def test_a_gate_that_is_none_is_refused_when_it_is_asked(where, function, says):
    with pytest.raises(BadInput, match=says) as error:
        rp.intervene(gates=function, **where)
    assert "\n" not in str(error.value)


def test_a_writer_that_writes_no_token_is_refused(where):
    with pytest.raises(BadInput, match=r"the writer function answers a tensor of int64 of shape .*: it answers an id"):
        rp.intervene(gates="always", writer=lambda view: view.host_ids + 10**6, **where)


# ---- from the command line -------------------------------------------------------------------------------------------


def test_a_file_of_functions_is_known_to_the_command_line(rlprobe, tmp_path):
    (tmp_path / "mine.py").write_text(FILE.format(tau=0.5))
    pair = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--max-new-tokens", 8, "--out", tmp_path / "run")
    line = ("intervene", *pair, "--dataset", rlprobe.problems(3), "--include", tmp_path / "mine.py", "--style", "asked")
    code, _, err = rlprobe(*line, "--gate", "hesitates & ~first(1)", "--writer", "second")
    assert code == 0, err
    (arm,) = arms(rp.read(tmp_path / "run"))
    assert arm.startswith("(own(hesitates, ")
    assert " & not-first(1)) x own(second, " in arm
    assert rp.read(tmp_path / "run").summary == {}
    (tmp_path / "mine.py").write_text(FILE.format(tau=0.6))
    assert rlprobe(*line, "--gate", "hesitates")[0] == 0
    assert len(arms(rp.read(tmp_path / "run"))) == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x = (", "is no Python: '(' was never closed"),
        ("1 / 0", "line 1: ZeroDivisionError: division by zero"),
        ("x = 1", "names no function: put @rp.gate, @rp.writer, @rp.style, ... above one"),
        ("import rlprobe as rp\n@rp.gate\ndef never(v): ...", "rlprobe has a gate never"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(rlprobe, tmp_path, content, says):
    file = tmp_path / "spoilt.py"
    if content is not None:
        file.write_text(content)
    code, _, err = rlprobe("disagree", "--include", file)
    assert (code, err.count("\n")) == (2, 1), err
    assert says in err


# ---- for other processes ---------------------------------------------------------------------------------------------


def test_what_a_process_was_given_is_known_to_another(tmp_path):
    gate = rp.gate(above(0.7), name="travels")
    (tmp_path / "packed").write_bytes(own.pack("gate"))
    program = (
        "import pathlib, torch; from rlprobe import own; own.unpack(pathlib.Path('packed').read_bytes()); "
        "from rlprobe.decoding.words import gate_of; print(gate_of('travels').spec)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == gate.spec
