"""The Python door: three lines do what the command does, and what comes back shows itself."""

import subprocess
import sys

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import rlprobe as rp
from rlprobe.errors import BadInput
from rlprobe.pipeline.intervene import InterveneSettings
from rlprobe.pipeline.keywords import settings_of
from rlprobe.pipeline.lens import InsideSettings
from rlprobe.pipeline.signals import SignalSettings

QUESTIONS = '{"question": "How many eggs?", "answer": "12"}\n{"question": "How many boxes?", "answer": "3"}\n'


@pytest.fixture(scope="module")
def found(tiny_folders, tmp_path_factory):
    folder = tmp_path_factory.mktemp("door")
    (folder / "problems.jsonl").write_text(QUESTIONS)
    base, rl = map(str, tiny_folders)
    return rp.disagree(
        base=base, rl=rl, dataset=str(folder / "problems.jsonl"), style="raw", max_new_tokens=8, out=folder / "run"
    )


def test_results_hold_what_the_run_holds(found):
    assert len(found.problems) == 2
    assert set(found.rollouts["arm"]) == {"base", "rl"}
    assert len(found.tokens) == sum(map(len, found.rollouts["response_ids"]))
    assert set(found.tokens["class"]) <= {"unchanged", "reranked", "shifted"}
    assert_frame_equal(found.numbers["classes"], pd.read_csv(found.path / "tables/classes.csv"))
    assert list(found.tables["classes"]["trajectory"][:2]) == ["base", "rl"]
    assert int(found.tables["classes"]["problems"][0]) == 2
    assert "disagreement" in found.figures


def test_the_command_and_the_door_write_the_same_run(found, rlprobe, tmp_path):
    of_command = ("--base", rlprobe.base, "--rl", rlprobe.rl, "--dataset", found.path.parent / "problems.jsonl")
    code, _, _ = rlprobe("disagree", *of_command, "--style", "raw", "--max-new-tokens", 8, "--out", tmp_path / "run")
    assert code == 0
    again = rp.read(tmp_path / "run")
    assert again.run.identity == found.run.identity
    assert_frame_equal(again.tokens, found.tokens)
    assert again.summary == found.summary


def test_further_commands_go_on_from_the_results(found):
    assert "direction" in rp.direction(found).figures


def test_objects_show_themselves(found):
    assert str(found.path) in repr(found)
    assert "<table" in found._repr_html_()
    view = found.view(found.problems["problem_id"][0], "base")
    assert "<style" in view._repr_html_()
    assert "tables: " in repr(found.tables)


def test_what_is_not_there_is_named(found):
    with pytest.raises(BadInput, match="no token table of rl's response to 'x'"):
        found.view("x")
    with pytest.raises(KeyError, match="there are accuracy"):
        found.tables["nothing"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limt": 3}, "there is no option 'limt'; is 'limit' meant?"),
        ({"pair": "bundled", "base": "x"}, "either pair or base and rl"),
    ],
)
def test_keywords_that_cannot_be_are_refused(options, message):
    with pytest.raises(BadInput, match=message):
        settings_of(InterveneSettings, options)


def test_keywords_reach_the_noun_they_belong_to():
    settings = settings_of(InterveneSettings, {"modes": ["oracle"], "limit": 3, "answer": "first", "top_p": 0.9})
    assert settings.pair.pair == "bundled"
    assert settings.arms.modes == ("oracle",)
    assert settings.problems.limit == 3
    assert (settings.reading.answer, settings.grader.answer) == ("first", "first")
    assert settings.arms.sampling is not None
    assert settings.arms.sampling.top_p == 0.9
    assert settings_of(InterveneSettings, {}).arms.sampling is None


def test_what_is_needed_is_asked_for():
    with pytest.raises(BadInput, match="run has to be given"):
        settings_of(InsideSettings, {})
    assert settings_of(SignalSettings, {"targets": [0.5]}).choice.targets == (0.5,)


def test_every_name_of_the_door_is_there_and_documented():
    for name in rp.__all__:
        assert getattr(rp, name).__doc__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rp.nothing


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, rlprobe; assert not {'torch', 'pandas', 'transformers'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
