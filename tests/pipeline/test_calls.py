"""Calls on one run add up, are kept as files, and are listed; threads and problems can be others when that is said."""

import json
import pickle
import tomllib
from dataclasses import MISSING

import matplotlib
import pandas as pd
import pytest
import torch

import rlprobe as rp
from rlprobe import runs
from rlprobe.commands import COMMANDS
from rlprobe.errors import BadInput, OtherRun
from rlprobe.settings import Checkpoint, FootprintSettings, InterveneSettings, made, options_in, options_of

matplotlib.use("agg")
ROWS = [{"id": f"q{i}", "question": f"Ann has {i} eggs. How many?", "answer": str(i)} for i in range(6)]


@pytest.fixture(scope="module")
def where(tiny_folders, tmp_path_factory):
    base, rl = map(str, tiny_folders)
    folder = tmp_path_factory.mktemp("calls")
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    dataset = str(folder / "problems.jsonl")
    return {"base": base, "rl": rl, "dataset": dataset, "style": "raw", "max_new_tokens": 8, "quiet": True}


@pytest.fixture(scope="module")
def twice(where, tmp_path_factory):
    """A run on which `intervene` was called for the oracle, then for an entropy gate, sampled arms, and backward."""
    out = tmp_path_factory.mktemp("twice") / "run"
    rp.disagree(**where, out=out)
    for arms in (
        {"modes": "oracle"},
        {"modes": "entropy:0.5"},
        {"modes": "oracle", "sample": True, "draws": 2, "temperature": 0.8},
        {"modes": "oracle", "host": "rl"},
    ):
        rp.intervene(**where, **arms, out=out)
    return rp.read(out)


def test_tables_and_figures_show_the_arms_of_every_call(twice):
    assert list(twice.tables["interventions"]["arm"]) == ["base", "oracle", "entropy 0.5", "oracle backward", "RL"]
    assert list(twice.tables["interventions-T0.8-top_p1"]["arm"]) == ["base", "oracle", "RL"]
    assert "interventions-T0.8-top_p1" in twice.figures
    both = (
        json.loads((twice.path / "interventions.json").read_text()),
        json.loads((twice.path / "arms.json").read_text()),
    )
    assert [spec["label"] for spec in both[0]["specs"]] == [spec["label"] for spec in both[1][0]["specs"]]
    assert [family["draws"] for family in both[1]] == [1, 2]


def test_the_arms_that_are_asked_for_are_shown_and_the_others_stay(twice, where):
    shown = rp.intervene(**where, modes="oracle", arms=["entropy"], out=twice.path)
    assert list(shown.tables["interventions"]["arm"]) == ["base", "entropy 0.5", "RL"]
    of_this_call = rp.intervene(**where, modes="oracle", arms="asked", out=twice.path)
    assert list(of_this_call.tables["interventions"]["arm"]) == ["base", "oracle", "RL"]
    assert [spec["label"] for spec in of_this_call.summary["specs"]] == ["oracle"]
    again = rp.intervene(**where, modes="oracle", out=twice.path)
    assert list(again.tables["interventions"]["arm"]) == ["base", "oracle", "entropy 0.5", "oracle backward", "RL"]
    with pytest.raises(BadInput, match=r"--arms: no arm of the run is called 'delta'; there are oracle, entropy 0\.5"):
        rp.intervene(**where, modes="oracle", arms="delta", out=twice.path)


def test_an_arm_that_is_not_there_is_refused_before_anything_is_decoded(where, tmp_path):
    with pytest.raises(BadInput, match="no arm of the run is called 'delta'"):
        rp.intervene(**where, modes="oracle", arms="delta", out=tmp_path / "run")
    assert not (tmp_path / "run/rollouts").exists()


def test_what_a_file_is_called_does_not_depend_on_what_was_asked_first(where, tmp_path):
    sampled = {"sample": True, "draws": 2, "temperature": 0.8}
    rp.intervene(**where, modes="oracle", **sampled, out=tmp_path)
    alone = rp.read(tmp_path)
    assert [name for name in alone.tables if name.startswith("interventions")] == ["interventions-T0.8-top_p1"]
    rp.intervene(**where, modes="entropy:0.5", out=tmp_path)
    rp.grade(tmp_path, answer="first")
    both = rp.read(tmp_path)
    assert list(both.tables["interventions"]["arm"]) == ["base", "entropy 0.5", "RL"]
    assert list(both.tables["interventions-T0.8-top_p1"]["arm"]) == ["base", "oracle", "RL"]
    assert json.loads((tmp_path / "interventions-T0.8-top_p1.json").read_text())["reading"]["answer"] == "first"


def test_a_name_is_never_that_of_another_arm(twice):
    rows = twice.rollouts[twice.rollouts["problem_id"] == "q1"].set_index(["arm", "draw"])
    forward = twice.view("q1", "entropy 0.5").passage
    assert forward.ids == list(rows.loc[("entropy_above(0.5) x donor_argmax x base", 0)]["response_ids"])
    backward = twice.view("q1", "oracle backward").passage
    assert backward.ids == list(rows.loc[("disagree x donor_argmax x rl", 0)]["response_ids"])
    oracle = twice.view("q1", "oracle").passage
    assert oracle.ids == list(rows.loc[("disagree x donor_argmax x base", 0)]["response_ids"])


def test_a_mode_that_was_only_asked_for_backward_is_no_forward_arm(where, tmp_path):
    rp.disagree(**where, out=tmp_path)
    found = rp.intervene(**where, modes="oracle", host="rl", out=tmp_path)
    with pytest.raises(BadInput, match="has no arm 'oracle'"):
        found.view("q1", "oracle")


def test_grading_again_tells_every_call_again(twice):
    before = twice.tables["interventions-T0.8-top_p1"]
    rp.grade(twice.path)
    assert list(twice.tables["interventions"]["arm"])[1:-1] == ["oracle", "entropy 0.5", "oracle backward"]
    pd.testing.assert_frame_equal(twice.tables["interventions-T0.8-top_p1"], before)


def test_a_run_of_an_older_rlprobe_keeps_its_arms(twice, where, tmp_path):
    rp.intervene(**where, modes="oracle", out=tmp_path)
    (tmp_path / "arms.json").unlink()
    rp.intervene(**where, modes="entropy:0.5", out=tmp_path)
    assert list(rp.read(tmp_path).tables["interventions"]["arm"]) == ["base", "oracle", "entropy 0.5", "RL"]


def test_sampled_arms_that_an_older_rlprobe_called_interventions_get_their_own_name(where, tmp_path):
    """It told whatever was asked last in interventions.json, and kept no arms.json."""
    rp.intervene(**where, modes="oracle", sample=True, draws=2, temperature=0.8, limit=2, out=tmp_path)
    own = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*-T0.8-top_p1.*")}
    assert len(own) > 10
    for file in own:
        (tmp_path / file).rename(tmp_path / file.with_name(file.name.replace("-T0.8-top_p1", "")))
    (tmp_path / "arms.json").unlink()
    rp.grade(tmp_path)
    assert {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*-T0.8-top_p1.*")} == own
    assert not list(tmp_path.rglob("interventions.*")), "nothing is left that no later call would tell again"


# ---- calls -----------------------------------------------------------------------------------------------------------


def test_every_call_is_kept_once_as_what_was_asked_for(twice):
    files = sorted(file.name for file in (twice.path / "calls").iterdir())
    assert files[:5] == ["001-disagree.toml", *(f"{n:03d}-intervene.toml" for n in range(2, 6))]
    said = tomllib.loads((twice.path / "calls/004-intervene.toml").read_text())
    assert (said["command"], said["modes"], said["sample"], said["draws"]) == ("intervene", ["oracle"], True, 2)
    assert "out" not in said


def test_a_call_is_replayed_where_it_lies(rlprobe, where, tmp_path):
    found = rp.intervene(**where, modes="entropy:0.5", limit=3, out=tmp_path / "run")
    before = found.run.table("rollouts")
    (file,) = (tmp_path / "run/calls").iterdir()
    for folder in ("rollouts", "tables"):
        for each in sorted((tmp_path / "run" / folder).rglob("*"), reverse=True):
            each.unlink() if each.is_file() else each.rmdir()
    code, out, err = rlprobe("--from", file)
    assert code == 0, err
    assert "written to" in out
    assert runs.read(tmp_path / "run").table("rollouts").equals(before)
    assert rp.replay(file).run.table("rollouts").equals(before)
    assert len(list((tmp_path / "run/calls").iterdir())) == 1, "the same call is not noted again"


def test_settings_come_back_from_what_is_kept_of_them():
    asked = {"modes": ["oracle"], "limit": 3, "sample": True, "top_p": 0.9, "shard": "2/8", "host": "rl"}
    settings = made(InterveneSettings, asked)
    assert made(InterveneSettings, options_in(settings)) == settings
    footprint = made(FootprintSettings, {"checkpoints": ["a=x@v1", Checkpoint("b", "y")]})
    text = [str(each) for each in options_in(footprint)["checkpoints"]]
    assert made(FootprintSettings, {"checkpoints": text}) == footprint


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("x = ", "is no TOML"),
        ("limit = 3", "names no command: it says command = null; one of disagree, intervene"),
        ('command = "lens"', "RUN has to be given"),
        ('command = "disagree"\nlimt = 3', "there is no option 'limt'; is 'limit' meant?"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_call_is_refused_at_both_doors(rlprobe, tmp_path, content, says):
    file = tmp_path / "call.toml"
    if content is not None:
        file.write_text(content)
    code, _, err = rlprobe("--from", file)
    assert (code, err.count("\n")) == (2, 1)
    assert says in err
    with pytest.raises(BadInput) as error:
        rp.replay(file)
    assert err == f"rlprobe: {error.value}\n"


def test_every_command_says_what_it_was_asked_for():
    there = {"run": ".", "source": ".", "runs": ["x"], "checkpoints": ["a=x"], "out": "x"}
    for command in COMMANDS.values():
        needed = [each.name for each in options_of(command.settings) if each.default is MISSING]
        settings = made(command.settings, {name: there[name] for name in needed})
        assert made(command.settings, options_in(settings)) == settings, command.name


# ---- runs ------------------------------------------------------------------------------------------------------------


def test_runs_are_listed_with_their_arms_and_their_state(rlprobe, where, twice, tmp_path):
    rp.disagree(**where, out=tmp_path / "a/whole")
    rp.disagree(**where, out=tmp_path / "part", limit=2, shard_size=2)
    rp.disagree(**where, out=tmp_path / "part", limit=6, shard_size=2, shard="1/2")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/run.json").write_text("{}")
    found = rp.list_runs(tmp_path).set_index("run")
    assert found["state"].to_dict() == {"a/whole": "whole", "part": "2 problems to do", "broken": "damaged"}
    assert found.loc["a/whole", "arms"] == "base, rl"
    code, out, _ = rlprobe("runs", tmp_path)
    assert (code, len(out.splitlines())) == (0, 4)
    assert rp.list_runs(twice.path)["arms"][0].startswith("base, rl, ")
    assert rlprobe("runs", tmp_path / "nowhere")[0] == 2


# ---- threads and problems --------------------------------------------------------------------------------------------


def test_another_number_of_threads_goes_on_where_it_is_said_and_is_noted(where, tmp_path):
    found = rp.disagree(**where, out=tmp_path, limit=3)
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        with pytest.raises(OtherRun, match=r"its threads is .*; give another --out, or --any-threads to go on"):
            rp.disagree(**where, out=tmp_path)
        again = rp.disagree(**where, out=tmp_path, any_threads=True)
    finally:
        torch.set_num_threads(before)
    assert again.run.identity == found.run.identity
    assert again.run.about["other_threads"] == [before + 1]
    assert {row["event"] for row in map(json.loads, (tmp_path / "log.jsonl").read_text().splitlines())} >= {"threads"}
    assert len(again.problems) == len(ROWS)


def test_problems_are_selected_by_id_place_and_file(where, tmp_path):
    (tmp_path / "ids.txt").write_text("q5\n\nq0\n")
    found = {
        str(only): list(rp.disagree(**where, only=only, out=tmp_path / str(number)).problems["problem_id"])
        for number, only in enumerate((["q4", "q1"], "1-3", 2, [2, "q0"], str(tmp_path / "ids.txt")))
    }
    assert list(found.values()) == [["q1", "q4"], ["q1", "q2", "q3"], ["q2"], ["q0", "q2"], ["q0", "q5"]]
    with pytest.raises(OtherRun, match=r"its problems\.(golds|sha256)"):
        rp.disagree(**where, only="1-4", out=tmp_path / "1")


@pytest.mark.parametrize(
    ("only", "says"),
    [
        ("q11", "--only: 'q11' is no problem of problems, no places such as 0-9, and no file; is 'q1' meant?"),
        ("3-9", "--only is 3-9: the 6 problems of problems have the places 0-5"),
        ("3-1", "--only is 3-1: the 6 problems"),
        ("6", "--only is 6: the 6 problems"),
    ],
)
def test_what_names_no_problem_is_refused_in_the_same_words_by_both_doors(rlprobe, where, tmp_path, only, says):
    with pytest.raises(BadInput) as error:
        rp.disagree(**where, only=only, out=tmp_path / "run")
    assert says in str(error.value)
    pair = ("--base", where["base"], "--rl", where["rl"], "--dataset", where["dataset"], "--style", "raw")
    code, _, err = rlprobe("disagree", *pair, "--only", only, "--out", tmp_path / "run")
    assert (code, err) == (2, f"rlprobe: {error.value}\n")


# ---- results ---------------------------------------------------------------------------------------------------------


def test_responses_of_every_arm_stand_side_by_side(twice):
    told = twice.responses("q1").set_index(["label", "draw"])
    assert {"base", "RL", "oracle", "entropy 0.5", "oracle backward"} <= set(told.index.get_level_values(0))
    assert told.loc[("oracle", 0), "text"] == told.loc[("RL", 0), "text"]
    rows = twice.rollouts.query("arm == 'base' and problem_id == 'q1'").iloc[0]
    ids = [i for i in rows["response_ids"] if i not in twice.run.identity["pair"]["stop_ids"]]
    assert told.loc[("base", 0), "text"] == twice.tokenizer.decode(ids)
    graded = twice.grades.query("arm == 'base' and problem_id == 'q1'").iloc[0]
    assert told.loc[("base", 0), "verdict"] == graded["status_last"]
    with pytest.raises(BadInput, match="has no response to 'q11'; is 'q1' meant"):
        twice.responses("q11")


def test_a_figure_is_drawn_again_on_axes_of_ones_own(twice):
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    assert twice.figure("dose", ax=ax) is ax
    _, axes = pyplot.subplots(1, 2)
    assert twice.figure("interventions", ax=axes)[0] is axes[0]
    assert axes[0].has_data()
    for name in twice.figures:
        twice.figure(name)
    with pytest.raises(BadInput, match="the figure interventions has 2 panels, and ax holds 1 axes"):
        twice.figure("interventions", ax=ax)
    with pytest.raises(KeyError, match="there are "):
        twice.figure("nothing")
    pyplot.close("all")


def test_keys_are_completed_and_results_are_pickled(twice):
    assert "interventions" in twice.tables._ipython_key_completions_()
    again = pickle.loads(pickle.dumps(twice))
    pd.testing.assert_frame_equal(again.tokens, twice.tokens)
    assert again.tables["classes"].equals(twice.tables["classes"])


def test_work_is_silent_where_it_is_asked_to_be_and_tells_who_listens(where, tmp_path, capfd):
    heard = []
    rp.disagree(**where, out=tmp_path, progress=lambda *told: heard.append(told))
    assert capfd.readouterr().err == ""
    assert ("base answers", 6, 6) in heard
    with pytest.raises(BadInput, match="progress is '3': it is a function of"):
        rp.disagree(**where, out=tmp_path, progress=3)
    with pytest.raises(BadInput, match="quiet is 'yes': it is True or False"):
        rp.disagree(**where | {"quiet": "yes"}, out=tmp_path)


def test_two_runs_stand_side_by_side(twice, where, tmp_path):
    other = rp.disagree(**where | {"style": "question_answer"}, out=tmp_path / "other")
    both = rp.compare(twice, other)
    assert "prompt.style" in both.settings.index
    assert list(both.settings.loc["prompt.style"]) == ["raw", "question_answer"]
    table = both.tables["accuracy"]
    for run, results in (("run", twice), ("other", other)):
        assert sorted(table[run]["correct"].dropna()) == sorted(results.numbers["accuracy"]["correct"].dropna())
    assert "interventions" not in both.tables
    assert "tables: " in repr(both)
    with pytest.raises(BadInput, match="is compared with itself"):
        rp.compare(other, tmp_path / "other")


def test_a_call_that_was_cut_short_is_refused_and_noted_anew_by_the_same_call(where, tmp_path):
    rp.disagree(**where, limit=2, out=tmp_path / "run")
    (file,) = (tmp_path / "run/calls").iterdir()
    whole = file.read_bytes()
    for kept in range(len(whole) - 1):
        file.write_bytes(whole[:kept])
        with pytest.raises(BadInput):
            rp.replay(file)
    for kept in (0, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:kept])
        rp.disagree(**where, limit=2, out=tmp_path / "run")
        assert [each.read_bytes() for each in (tmp_path / "run/calls").iterdir()] == [whole]
    file.rename(file.with_name("007-disagree.toml"))
    rp.disagree(**where, limit=2, class_k=3, out=tmp_path / "run")
    names = sorted(each.name for each in (tmp_path / "run/calls").iterdir())
    assert names == ["007-disagree.toml", "008-disagree.toml"], "no number is used twice"
