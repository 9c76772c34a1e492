"""`rlprobe view RUN PROBLEM`: both responses with their marks, as text; the words are those of the run."""

import re
import sys

import click
import pytest
from synthetic_run import make_run

from rlprobe.analysis.classes import classify

ARM = "entropy_above(0.6) x donor_argmax x base"
MARK = re.compile(r"«([rse])(\d+) (.*?) → (.*?)»")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    words = ("<0xE2>", "<0x82>", "<0xAC>", "\x1b[31m", "[bold]")
    run = make_run(tmp_path_factory.mktemp("view") / "run", problems=6, length=80, arms=(ARM,), words=words)
    spec = {"name": ARM, "mode": "entropy", "label": "entropy 0.6", "seed": None, "host": "base", "spec": ARM}
    run.write_json("interventions.json", {"specs": [spec], "ends": {"base": "base", "rl": "rl"}, "draws": 1})
    return run


def disagreements(run, problem, arm):
    table = run.table("tokens").to_pandas().query(f"problem_id == '{problem}' and arm == '{arm}'")
    return [(str(c)[0], str(t)) for c, t in zip(classify(table, 5), table["position"], strict=True) if c != "unchanged"]


def test_both_responses_are_shown_with_every_disagreement_in_place(rlprobe, run):
    code, out, err = rlprobe("view", run.path, "p0002")
    assert (code, err) == (0, "")
    heading, *parts = out.split("\np0002, ")
    assert heading.startswith("p0002   gold answer 4\nAnn has 2 eggs")
    assert [part.partition(" ")[0] for part in parts] == ["base", "RL"]
    for part, arm in zip(parts, ("base", "rl"), strict=True):
        text = part.partition("\n\n«r24")[0]
        assert [found[:2] for found in MARK.findall(text)] == disagreements(run, "p0002", arm)


def test_a_pipe_gets_plain_text_and_nothing_of_a_response_reaches_the_terminal_as_a_command(rlprobe, run):
    _, out, _ = rlprobe("view", run.path, "p0000")
    assert "\x1b" not in out
    assert "U+001B" in out
    assert "[bold]" in out, "no markup"
    assert "€" in out, "a character in parts is whole"


def test_a_terminal_gets_colours(rlprobe, run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    assert "\x1b[32m«r" in rlprobe("view", run.path, "p0002")[1]


def test_one_position_has_both_models_best(rlprobe, run):
    _, out, _ = rlprobe("view", run.path, "p0001", "--at", "12", "--arm", "base")
    row = run.table("tokens").to_pandas().query("problem_id == 'p0001' and arm == 'base' and position == 12").iloc[0]
    assert f"id {row.token_id} · position 12" in out
    assert f"base rank of RL's {row.rank_base_of_rl}" in out
    assert out.count(" %") >= 10


def test_an_arm_is_shown_with_its_edits(rlprobe, run):
    every = run.table("rollouts").to_pandas().query(f"arm == '{ARM}'")
    rollout = next(each for each in every.itertuples() if list(each.response_ids) != list(each.host_ids))
    code, out, _ = rlprobe("view", run.path, rollout.problem_id, "--arm", "entropy 0.6")
    edited = [str(t) for t, (a, b) in enumerate(zip(rollout.response_ids, rollout.host_ids, strict=True)) if a != b]
    assert code == 0
    assert edited
    assert [t for letter, t, *_ in MARK.findall(out) if letter == "e"] == edited


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("p0Oo2",), "holds no problem 'p0Oo2'; is 'p0002' meant?"),
        (("p0002", "--arm", "nosuch"), "has no arm 'nosuch'"),
        (("p0002", "--at", "9999"), "--at is 9999: p0002, base has the positions 0 to"),
        (("--at", "3"), "--at has no use without PROBLEM: give PROBLEM with it"),
        (("--arm", "base"), "--arm has no use without PROBLEM: give PROBLEM with it"),
        (("p0002", "--serve"), "give either --serve or PROBLEM, not both"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(rlprobe, run, arguments, said):
    code, _, err = rlprobe("view", run.path, *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_without_a_browser_the_path_and_serve_are_said(rlprobe, run, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(click, "launch", lambda url: pytest.fail("nothing can be opened"))
    code, out, _ = rlprobe("view", run.path)
    assert code == 0
    assert f"open {run.path / 'report.html'} in one, or run `rlprobe view {run.path} --serve`" in out
