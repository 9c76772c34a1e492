"""The Python door: three lines do what the command does, and what comes back shows itself."""

import inspect
import pkgutil
import subprocess
import sys

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import rlprobe as rp
from rlprobe.commands import COMMANDS
from rlprobe.errors import BadInput, NotAvailable
from rlprobe.records import GRADE_SCHEMA
from rlprobe.settings import (
    Checkpoint,
    DisagreeSettings,
    FootprintSettings,
    InsideSettings,
    InterveneSettings,
    PairChoice,
    ReportSettings,
    Share,
    SignalSettings,
    TrainSettings,
    WeightSettings,
    made,
    options_of,
)

DOORS = {"report": ReportSettings, "train": TrainSettings, "pair": PairChoice}
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
    again = rp.grade(found, class_k=1, answer="first")
    assert again.summary["reading"]["class_k"] == 1
    assert again.summary["reading"]["answer"] == "first"
    assert len(again.grades) == 4
    assert rp.grade(found).summary == found.summary
    page = rp.report(found)
    assert page == found.path / "report.html"
    assert rp.merge(found.path.parent / "whole", [found]).summary["about"] == found.summary["about"]


def test_a_footprint_is_a_run_a_checkpoint(found, tiny_folders):
    folder = found.path.parent
    grown = rp.footprint(
        [f"last={tiny_folders[1]}"],
        base=str(tiny_folders[0]),
        dataset=str(folder / "problems.jsonl"),
        style="raw",
        max_new_tokens=8,
        out=folder / "footprint",
    )
    assert "footprint" in grown.tables
    assert len(rp.read(folder / "footprint" / "last").tokens) == len(found.tokens)


def test_grades_are_the_verdicts_as_they_are_stored(found):
    assert list(found.grades.columns) == GRADE_SCHEMA.names
    assert set(zip(found.grades["arm"], found.grades["problem_id"], strict=True)) == {
        (arm, problem) for arm in ("base", "rl") for problem in found.problems["problem_id"]
    }
    assert set(found.grades["status_last"]) <= {"correct", "wrong", "no_answer", "unparsed", "timeout"}
    shown = found.numbers["accuracy"].query("answer == 'last'").set_index("arm")["correct"]
    for arm in ("base", "rl"):
        assert (found.grades.query("arm == @arm")["status_last"] == "correct").sum() == shown[arm]


def test_objects_show_themselves(found):
    assert str(found.path) in repr(found)
    assert "<table" in found._repr_html_()
    view = found.view(found.problems["problem_id"][0], "base")
    assert "<style" in view._repr_html_()
    assert found.problems["problem_id"][0] in repr(view)
    assert "tables: " in repr(found.tables)


def test_a_figure_shows_itself_without_ipython(found):
    figure = found.figures["disagreement"]
    assert figure._repr_png_() == figure.path.read_bytes()
    assert figure._repr_png_()[1:4] == b"PNG"
    assert repr(figure) == "figure disagreement"


def test_a_table_keeps_its_empty_and_its_escaped_cells(found):
    found.run.write_text("tables/made.json", '{"columns": ["a", "b|c", ""], "rows": [["", 1, "*x"], ["y", "", ""]]}')
    table = found.tables["made"]
    (found.path / "tables/made.json").unlink()
    assert list(table.columns) == ["a", "b|c", ""]
    assert table.to_numpy().tolist() == [["", "1", "*x"], ["y", "", ""]]


def test_a_pair_shows_itself_before_its_weights_are_loaded(tiny_folders, tiny_pair):
    base, rl = map(str, tiny_folders)
    pair = rp.pair(base=base, rl=rl, device="cpu")
    assert "loaded" not in vars(pair.located)
    assert list(pair.members.columns) == ["base", "rl"]
    count = sum(weight.numel() for weight in tiny_pair.base.network.parameters())
    assert set(pair.members.loc["parameters"]) == {f"{count:,}"}
    assert pair.facts["common vocabulary"].startswith(f"{len(tiny_pair.vocabulary.ids):,} ids; left out: 0 of base")
    assert "<table" in pair._repr_html_()
    assert base in repr(pair)


def test_the_bundled_pair_is_the_one_without_a_name_and_says_where_it_is_from():
    pair = rp.pair()
    assert pair.choice == rp.pair("bundled").choice
    assert "GRPO" in repr(pair)
    assert "(inside the package)" in repr(pair)
    assert str(rp.__path__[0]) not in pair._repr_html_() + repr(pair)
    assert "bundled" in set(rp.list_pairs()["pair"])
    assert "word-problems" in set(rp.list_datasets()["data set"])


def test_a_pair_stands_for_what_it_was_made_of(found, tiny_folders):
    base, rl = map(str, tiny_folders)
    where = {"dataset": str(found.path.parent / "problems.jsonl"), "style": "raw", "max_new_tokens": 8}
    again = rp.disagree(pair=rp.pair(base=base, rl=rl), out=found.path, **where)
    assert again.run.identity == found.run.identity


def test_a_pair_that_cannot_be_is_refused():
    with pytest.raises(BadInput, match="no pair is called 'nothing'"):
        rp.pair("nothing")
    with pytest.raises(BadInput, match="give either --pair or --base, not both"):
        rp.pair("bundled", base="x")
    with pytest.raises(BadInput, match="there is no option 'bsae'; is 'base' meant"):
        rp.pair(bsae="x")
    with pytest.raises(NotAvailable):
        rp.pair(base="no/such-model", rl="no/such-model")


def test_what_is_not_there_is_named(found):
    with pytest.raises(BadInput, match="no response of RL to 'x'"):
        found.view("x")
    with pytest.raises(BadInput, match=r"has no arm 'oracle' .*; there are base, RL"):
        found.view(found.problems["problem_id"][0], "oracle")
    with pytest.raises(KeyError, match="there are accuracy"):
        found.tables["nothing"]


def test_arms_are_found_by_the_names_that_tables_have(found, tiny_folders):
    base, rl = map(str, tiny_folders)
    where = {"dataset": str(found.path.parent / "problems.jsonl"), "style": "raw", "max_new_tokens": 8}
    run = rp.intervene(modes=["oracle", "entropy:0.5,1.5"], base=base, rl=rl, out=found.path, **where)
    problem = found.problems["problem_id"][0]
    by_label, by_spec = (
        run.view(problem, name) for name in ("entropy 0.5", "entropy_above(0.5) x donor_argmax x base")
    )
    assert by_label.html == by_spec.html
    rows = run.rollouts.query("arm == 'disagree x donor_argmax x base' and problem_id == @problem").iloc[0]
    oracle = run.view(problem, "oracle").passage
    assert oracle.ids == list(rows["response_ids"])
    assert oracle.host == {
        t: h for t, (i, h) in enumerate(zip(rows["response_ids"], rows["host_ids"], strict=True)) if i != h
    }
    with pytest.raises(BadInput, match=r"'entropy' .or several of that mode.; there are base, RL, oracle, entropy 0"):
        run.view(problem, "entropy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limt": 3}, "there is no option 'limt'; is 'limit' meant?"),
        ({"exclude_donor": True}, "there is no option 'exclude_donor' any more: .* 'allow_donor' is the opposite"),
        ({"pair": "bundled", "base": "x"}, "give either --pair or --base, not both"),
    ],
)
def test_keywords_that_cannot_be_are_refused(options, message):
    with pytest.raises(BadInput, match=message):
        made(InterveneSettings, options)


def test_keywords_reach_the_noun_they_belong_to():
    settings = made(InterveneSettings, {"modes": "oracle", "limit": 3, "answer": "first", "sample": True, "top_p": 0.9})
    assert settings.pair.pair == "bundled"
    assert settings.arms.modes == ("oracle",)
    assert settings.problems.limit == 3
    assert (settings.reading.answer, settings.grader.answer) == ("first", "first")
    assert settings.arms.sampling is not None
    assert settings.arms.sampling.top_p == 0.9
    assert made(InterveneSettings, {}).arms.sampling is None


def test_what_is_needed_is_asked_for():
    with pytest.raises(BadInput, match="RUN has to be given"):
        made(InsideSettings, {})
    assert made(SignalSettings, {"targets": [0.5]}).choice.targets == (0.5,)


def test_values_may_be_given_as_they_are_written():
    settings = made(InterveneSettings, {"modes": "oracle", "shard": "2/8", "out": "x"})
    assert settings.arms.modes == ("oracle",)
    assert settings.output.share == Share(1, 8)
    assert made(InterveneSettings, {"modes": ["entropy"], "taus": [0.5, "p95"]}).arms.taus == ("0.5", "p95")
    assert made(WeightSettings, {"ranks": (1, "full")}).ranks.ranks == ("1", "full")
    found = made(FootprintSettings, {"checkpoints": ["a=x", Checkpoint("b", "y")]})
    assert found.checkpoints == (Checkpoint("a", "x"), Checkpoint("b", "y"))
    with pytest.raises(BadInput, match="not of the form i/n"):
        made(DisagreeSettings, {"shard": "8/2"})
    with pytest.raises(BadInput, match="there is no option 'compute'"):
        made(DisagreeSettings, {"compute": 5})


@pytest.mark.parametrize("name", [*COMMANDS, "report", "train", "pair"])
def test_the_signature_is_what_the_settings_take_and_each_option_has_its_words(name):
    function, kind = getattr(rp, name), COMMANDS[name].settings if name in COMMANDS else DOORS[name]
    signature, words = inspect.signature(function), inspect.getdoc(function)
    asked = {asked.name: asked for asked in options_of(kind)}
    where = {"run": ".", "source": ".", "out": "x", "runs": ["x"], "checkpoints": ["a=x"], "method": "grpo"}
    needed = {p.name: where[p.name] for p in signature.parameters.values() if p.default is p.empty}
    shown = {p.name: p.default for p in signature.parameters.values() if p.default is not p.empty}
    shown = {name: value for name, value in shown.items() if name in asked and not asked[name].option.needs}
    assert made(kind, needed) == made(kind, needed | shown), "the defaults shown are those of the settings"
    lines = dict(line.split(maxsplit=1) for line in words.partition("Options:\n")[2].splitlines())
    assert list(lines) == [p.name for p in signature.parameters.values() if p.kind == p.KEYWORD_ONLY]
    assert "Raises " in words
    unknown, near = ("devise", "; is 'device' meant") if "device" in asked else ("nothing", "")
    with pytest.raises(BadInput, match=f"there is no option '{unknown}'{near}"):
        function(**needed, **{unknown: 1})
    for name in {"quiet", "progress"} & signature.parameters.keys():
        with pytest.raises(BadInput, match=f"{name} is '3': it is "):
            function(**needed, **{name: 3})
    assert {"quiet", "progress"} <= signature.parameters.keys() or function is rp.pair


def test_every_name_of_the_door_is_there_and_documented():
    for name in rp.__all__:
        assert getattr(rp, name).__doc__
    assert set(rp.__all__) <= set(dir(rp))
    rooms = {module.name for module in pkgutil.iter_modules(rp.__path__)}
    assert not rooms & set(rp.__all__), "the import of a room would take the name"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rp.nothing


def test_importing_the_package_imports_nothing_heavy():
    heavy = {"torch", "pandas", "numpy", "transformers", "matplotlib", "click"}
    code = f"import sys, rlprobe; assert not {heavy} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
