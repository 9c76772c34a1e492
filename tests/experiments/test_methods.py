"""The table of methods: a cell at a tiny size from training to its row, and its numbers by hand."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from experiments import kept, methods
from experiments.methods import (
    ARMS,
    CLAIMS,
    SETUPS,
    Case,
    accuracy,
    all_found,
    claimed,
    difference,
    overlap,
    share_of_gain,
    table,
)
from rlprobe.reporting.formats import FORMATS
from rlprobe.settings import TrainSettings, made
from rlprobe.training.methods import METHODS

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),
]


def told(rl, base=None, edits=()):
    right = {"rl": {f"p{n}": each for n, each in enumerate(rl)}}
    right["base"] = {f"p{n}": each for n, each in enumerate(base or [0] * len(rl))}
    return {"right": right, "edits": [list(at) for at in edits]}


def test_every_method_has_a_row_and_every_row_can_be_asked_for():
    assert {arm.method for arm in ARMS.values()} == {*METHODS, None}
    for setup in SETUPS.values():
        for arm in (arm for arm in ARMS.values() if arm.method):
            options = {**setup.how, **setup.loops.get(arm.method, {}), **arm.options}
            settings = made(TrainSettings, {"method": arm.method, "dataset": "word-problems", "base": "y", **options})
            METHODS[arm.method].settled(arm.method, settings.own)
            how = settings.how
            assert how.prompts * how.samples % (how.rows * how.updates_a_round) == 0


def test_an_accuracy_is_the_mean_over_seeds_and_problems_with_an_interval_over_both():
    one, two = told([1, 1, 1, 0] * 10), told([0, 0, 0, 1] * 10)
    alone, both = accuracy([one]), accuracy([one, two])
    assert alone.value == 0.75
    assert both.value == 0.5
    assert alone.low < 0.75 < alone.high
    assert both.low <= 0.3  # two seeds apart are two seeds apart, however many problems there are
    assert both.high >= 0.7


def test_the_share_of_grpos_gain_is_a_ratio_of_gains_over_the_same_problems():
    base = [0] * 40
    half, whole = told([1, 0] * 20, base), told([1] * 40, base)
    assert share_of_gain([half], [whole]).value == pytest.approx(0.5)
    assert share_of_gain([whole], [whole]).value == pytest.approx(1.0)
    assert share_of_gain([half], []).value is None
    assert share_of_gain([half], [told(base, base)]).value is None  # GRPO gained nothing


def test_an_overlap_is_of_two_runs_and_never_of_one_with_itself():
    one = told([1], edits=[("p0", 1), ("p0", 2)])
    two = told([1], edits=[("p0", 2), ("p0", 3), ("p1", 2)])
    assert overlap([one], [two]) == 0.25
    assert overlap([one], [one]) is None
    assert overlap([one, two], [one, two]) == 0.25
    assert overlap([told([1])], [told([1])]) is None


def test_what_was_not_run_says_so(tmp_path):
    found = table(all_found("bundled", tmp_path))
    assert set(found["seeds"]) == {"not run"}
    assert list(found["method"]) == list(ARMS)
    asked = claimed(all_found("bundled", tmp_path))
    assert all(each.on(asked, "bundled").ours.reason == "not run" for each in CLAIMS)


def test_what_was_measured_under_another_setup_is_not_told(tmp_path, monkeypatch):
    case = Case("bundled", "grpo", 1, tmp_path)
    case.folder.mkdir(parents=True)
    (case.folder / methods.FOUND).write_text(json.dumps({"asked": case.asked, "edited": 0.1}))
    assert case.found()["edited"] == 0.1
    monkeypatch.setitem(SETUPS, "bundled", replace(SETUPS["bundled"], tokens=1))
    assert case.found() is None


def test_every_claim_finds_its_number_where_all_were_run():
    one = {**told([1, 0, 1, 1] * 10), "minutes": 2.0, "entropy": [0.5, 0.3]}
    grpo = {**told([1] * 40), "minutes": 4.0, "entropy": [0.5, 0.1]}
    found = {name: [grpo if name == "grpo" else one] for name in ARMS}
    numbers = [each.on(claimed(found), "bundled").ours.value for each in CLAIMS]
    assert numbers == pytest.approx([0.75, 0.5, 0.0, 0.2, -0.25])
    assert difference([one], [grpo]).high < 0


def test_the_table_that_is_shown_is_that_of_what_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no training of one's own
    shown = (kept.FIGURES / "methods.csv").read_text(encoding="utf-8")
    assert FORMATS["csv"](table(all_found("bundled"))) == shown
    assert len(list((methods.MEASURED / "bundled").iterdir())) == sum(
        map(len, all_found("bundled").values())
    )  # and used


SMALL = {"prompts": 2, "samples": 4, "rows": 4, "steps": 4, "max_new_tokens": 16, "rank": 2, "reward": "coin"}


@pytest.fixture
def small(monkeypatch):
    """The bundled base at a size of seconds; the reward is a coin, since so short responses answer nothing."""
    tiny = replace(
        SETUPS["bundled"], tokens=150, how=SMALL, measured={"max_new_tokens": 24}, limit=4, draws_of=2, loops={}
    )
    monkeypatch.setitem(SETUPS, "bundled", tiny)
    monkeypatch.setattr(methods, "AT_K", 4)
    monkeypatch.setattr(methods, "PROBLEMS", 12)


@pytest.mark.slow
def test_a_cell_is_trained_measured_and_told_in_the_table(small, tmp_path, monkeypatch):
    work, out = tmp_path / "work", tmp_path / "out"
    arguments = ["--method", "grpo", "--method", "dir", "--work", str(work), "--out", str(out)]
    done = CliRunner().invoke(methods.main, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = {line.split("|")[1].strip(): line for line in (out / "methods.md").read_text().splitlines()[2:]}
    assert "not run" in rows["lp-reg"]
    assert "not run" not in rows["grpo"] + rows["dir"]
    assert (out / "methods.png").stat().st_size > 1000
    found = Case("bundled", "dir", 1, work).found()
    lines = [
        json.loads(x) for x in (work / "bundled" / "dir-seed1" / "training" / "log.jsonl").read_text().splitlines()
    ]
    assert (found["generated"], found["trained"]) == (lines[-1]["generated"], lines[-1]["trained"])
    assert len(found["right"]["rl"]) == 4
    monkeypatch.setattr(methods, "train", lambda *_: pytest.fail("it was trained again"))
    assert CliRunner().invoke(methods.main, arguments, catch_exceptions=False).exit_code == 0
